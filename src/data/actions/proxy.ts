// The proxy action: one exchange with one backend, request and response streaming both ways at the pace of the slower
// side; and with another backend where that is safe, when the first one fails.
//
//   choose a backend ─▶ connect ─▶ send ─▶ response head ─▶ response body ─▶ end
//     │      ▲  ▲          │        └────────┴─ it failed: repeat, if that is safe and the budget allows
//     ▼      │  └──────────┴─ it failed: move on
//   wait for room

import type { ProxySpec } from "../../config/snapshot.ts";
import { clockMs } from "../../core/clock.ts";
import { GatewayError } from "../../core/errors.ts";
import type { Action, Exchange, ResponseHead, TunnelEnd } from "../../core/exchange.ts";
import { Field, type HeaderList } from "../../core/headers.ts";
import { Counter } from "../../core/metrics.ts";
import { failExchange } from "../pipeline.ts";
import type { ThreadContext } from "../thread-context.ts";
import type { Backend } from "../upstream/backend.ts";
import type { BackendConnection, BackendUser, RequestTimes } from "../upstream/backend-connection.ts";
import type { Balancer } from "../upstream/balancers/balancer.ts";
import { Pass } from "../upstream/circuit.ts";
import { KeptBody } from "../upstream/kept-body.ts";
import type { Ticket, Waiter } from "../upstream/queue.ts";
import { type Attempt, isIdempotent, isUnseen, mayRetry, mayRetryStatus } from "../upstream/retry.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { ForwardedHead } from "./forwarded-head.ts";
import type { Mirror, MirrorCopy } from "./mirror.ts";
import { clientEnds, prefaceFor } from "./preface.ts";
import { startTunnel } from "./tunnel.ts";

/** What the exchanges of a proxied route share, made once per snapshot. */
export interface ProxyRoute {
  readonly spec: ProxySpec;
  /** Of one attempt. */
  readonly times: RequestTimes;
  readonly mirror: Mirror | null;
  readonly thread: ThreadContext;
}

const EVENT_STREAM = "text/event-stream";
/** How often a backend that refuses a stream is asked again, where there is no other. */
const MAX_REFUSALS = 2;
const NO_BACKEND: readonly Backend[] = [];

export class ProxyRun implements Action, BackendUser, Waiter {
  readonly #route: ProxyRoute;
  readonly #upstream: Upstream;
  readonly #balancer: Balancer;
  readonly #exchange: Exchange;
  #pass: Pass = Pass.none;
  #ticket: Ticket | null = null;
  #backend: Backend | null = null;
  #connection: BackendConnection | null = null;
  /** Backends that failed this exchange. */
  #tried = NO_BACKEND;
  #lastError: GatewayError | null = null;
  #head: ForwardedHead | null = null;
  #kept: KeptBody | null = null;
  /** Something of the request body was sent and not kept. */
  #bodyGone = false;
  #bodySlow = false;
  /** Waits for the request to be whole. */
  #copy: MirrorCopy | null = null;
  #sent = 0;
  /** How often it was refused by a backend that was asked again. */
  #refusals = 0;
  /** The start of the exchange, unless the request had to wait before it was sent. */
  #sentMs: number;
  /** A good response began: what it is to its backend is known at its end. */
  #answering = false;

  constructor(route: ProxyRoute, upstream: Upstream, balancer: Balancer, exchange: Exchange) {
    this.#route = route;
    this.#upstream = upstream;
    this.#balancer = balancer;
    this.#exchange = exchange;
    this.#sentMs = exchange.startedMs;
  }

  start(): void {
    const exchange = this.#exchange;
    const upstream = this.#upstream;
    exchange.upstream = upstream.spec.name;
    if (upstream.circuit !== null) {
      const pass = upstream.circuit.enter(Date.now());
      if (pass instanceof GatewayError) {
        failExchange(exchange, pass);
        return;
      }
      this.#pass = pass;
    }
    exchange.action = this;
    if (upstream.queue.waiting > 0) this.#wait();
    else this.#attempt(false);
  }

  // ---- finding a backend ----

  /** Begins an attempt, or fails the exchange. Returns false where it has to wait on although it was its turn. */
  #attempt(isTurn: boolean): boolean {
    const upstream = this.#upstream;
    for (;;) {
      const candidates = upstream.candidates(this.#tried);
      if (candidates.length === 0) break;
      const backend = this.#balancer.pick(this.#exchange, candidates);
      const { connectMs } = this.#route.spec.timeouts;
      const connection = backend.pool.acquire(this, connectMs, this.#lastError !== null);
      // Null: another thread took the last place in this very moment.
      if (connection === null) continue;
      this.#endWait();
      this.#backend = backend;
      this.#connection = connection;
      this.#exchange.backend = backend.spec.id;
      if (isTurn || this.#tried.length > 0) this.#sentMs = clockMs();
      if (connection.usable) this.#send(connection);
      return true;
    }
    if (upstream.full) {
      if (!isTurn) this.#wait();
      return !isTurn;
    }
    this.#fail(this.#lastError ?? this.#noBackend());
    return true;
  }

  #noBackend(): GatewayError {
    const { spec, backends } = this.#upstream;
    const what = backends.length === 0 ? "no active backend" : "no backend that is up";
    return new GatewayError("backend_unavailable", `upstream "${spec.name}" has ${what}`);
  }

  #wait(): void {
    const { queue, spec } = this.#upstream;
    const { size, timeoutMs } = spec.queue;
    this.#ticket = queue.join(this, size, timeoutMs);
    if (this.#ticket !== null) queue.advance();
    else {
      const message = `every backend of upstream "${spec.name}" has its max_conn, and ${size} exchanges wait`;
      this.#fail(new GatewayError("queue_full", message));
    }
  }

  #endWait(): void {
    this.#ticket?.leave();
    this.#ticket = null;
  }

  onTurn(): boolean | "aside" {
    if (this.#attempt(true)) return true;
    const { upstream } = this.#upstream.queue;
    const isChoosy = this.#tried.length > 0 || upstream !== this.#upstream;
    return isChoosy && upstream !== null && upstream.candidates(NO_BACKEND).length > 0 ? "aside" : false;
  }

  onQueueTimeout(): void {
    this.#ticket = null;
    const { name, queue } = this.#upstream.spec;
    const message = `no backend of upstream "${name}" had room within ${queue.timeoutMs} ms`;
    this.#fail(new GatewayError("queue_timeout", message));
  }

  // ---- sending ----

  preface(): Buffer | null {
    const { spec } = this.#backend!;
    return spec.proxyProtocol === null ? null : prefaceFor(spec, clientEnds(this.#exchange));
  }

  onConnected(): void {
    this.#sentMs = clockMs();
    if (this.#connection !== null) this.#send(this.#connection);
  }

  #send(connection: BackendConnection): void {
    const exchange = this.#exchange;
    const { request, client } = exchange;
    const { spec, state } = this.#backend!;
    const { metrics, active } = this.#route.thread;
    this.#head ??= new ForwardedHead(exchange, this.#route.spec, active.server.realIpHeader);
    if (this.#sent++ === 0) {
      this.#upstream.countRequest(this.#route.thread.deadlines.wallMs);
      if (this.#route.mirror !== null) this.#copy = this.#route.mirror.copyOf(exchange);
    }
    state.countRequest();
    connection.sendHead(this.#head, spec, this.#route.times);
    if (connection.reused) metrics.add(Counter.upstreamConnectionsReused);
    if (request.bodyLength === 0) {
      this.#sendCopy(null);
      return;
    }
    if (this.#kept !== null) this.#sendAgain(this.#kept);
    else if (this.#sent === 1) this.#keepBody();
    client.resumeBody();
    connection.flushHead();
  }

  #keepBody(): void {
    const { attempts, bodyBytes } = this.#route.spec.retry;
    const mayRepeat = attempts > 1 && isIdempotent(this.#exchange.request.method);
    // What a backend refuses over HTTP/2 was sent, and may be sent again whatever it is.
    if (mayRepeat || this.#backend!.spec.protocol === "h2") this.#kept = new KeptBody(bodyBytes);
  }

  /** The part of the body that an attempt before this one had. */
  #sendAgain(kept: KeptBody): void {
    for (const chunk of kept.chunks) this.#connection?.sendBody(chunk);
    if (kept.ended) this.#connection?.sendEnd(null);
  }

  onRequestBody(chunk: Buffer): void {
    this.#copy?.add(chunk);
    this.#kept?.add(chunk);
    if (this.#kept?.whole !== true) this.#bodyGone = true;
    // Without a connection the response is already whole: what is left of the request is of no use to anybody.
    if (this.#connection?.sendBody(chunk) === false) {
      this.#bodySlow = true;
      this.#exchange.client.pauseBody();
    }
  }

  onRequestEnd(trailers: HeaderList | null): void {
    if (this.#kept !== null) this.#kept.ended = true;
    // Trailers are not kept.
    if (this.#kept === null || trailers !== null) this.#bodyGone = true;
    this.#connection?.sendEnd(trailers);
    this.#sendCopy(trailers);
  }

  /** The request is whole: from now on the copy goes its own way. */
  #sendCopy(trailers: HeaderList | null): void {
    this.#copy?.send(this.#head!, trailers);
    this.#copy = null;
  }

  // ---- from the client ----

  onClientDrain(): void {
    this.#connection?.resume();
  }

  onAborted(): void {
    this.#endWait();
    this.#leaveCircuit(null);
    this.#answerEnded();
    this.#connection?.retire();
    this.#connection = null;
  }

  // ---- from the backend ----

  onBackendDrain(): void {
    if (!this.#bodySlow) return;
    this.#bodySlow = false;
    this.#exchange.client.resumeBody();
  }

  onInformational(head: ResponseHead): void {
    this.#exchange.client.sendInformational(head);
  }

  onResponseHead(head: ResponseHead, body: Buffer | null, last: boolean): void {
    if (this.#answered(head.status, last)) return;
    const exchange = this.#exchange;
    const connection = this.#connection;
    if (exchange.setCookie !== null) head.headers.add("Set-Cookie", exchange.setCookie);
    if (last) {
      this.#connection = null;
      exchange.action = null;
    } else if (head.headers.get(Field.contentType)?.toLowerCase().startsWith(EVENT_STREAM) === true) {
      connection?.allowIdle(this.#route.spec.timeouts.sseIdleMs);
    }
    if (!exchange.client.sendHead(head, body, last) && !last) connection?.pause();
  }

  /** Notes how an attempt went that got an answer. Returns true where another attempt takes its place. */
  #answered(status: number, last: boolean): boolean {
    const exchange = this.#exchange;
    const backend = this.#backend!;
    const nowMs = clockMs();
    const clock = this.#route.thread.deadlines.wallMs;
    exchange.upstreamMs = nowMs - exchange.startedMs;
    backend.state.recordTime((nowMs - this.#sentMs) * 1000, clock);
    if (status >= 200) backend.state.countResponse(status);
    const failed = status >= 500 && this.#upstream.spec.failureStatuses.includes(status);
    if (failed) backend.state.countFailure();
    // A good head alone would end a row of failures, also of a backend that breaks off every body.
    if (failed || last) this.#upstream.attemptEnded(backend, failed, clock);
    else this.#answering = true;
    if (status >= 400 && mayRetryStatus(status, this.#attemptSoFar(), this.#route.spec.retry)) {
      const isWorthIt = this.#upstream.candidates([...this.#tried, backend]).length > 0;
      if (isWorthIt && this.#upstream.tryRepeat(clock)) {
        this.#answerEnded();
        if (!last) this.#connection?.retire();
        this.#connection = null;
        this.#again(backend);
        return true;
      }
    }
    this.#leaveCircuit(failed);
    return false;
  }

  onResponseBody(chunk: Buffer): void {
    if (!this.#exchange.client.sendBody(chunk)) this.#connection?.pause();
  }

  onResponseEnd(trailers: HeaderList | null): void {
    this.#answerEnded();
    this.#connection = null;
    this.#exchange.action = null;
    this.#exchange.client.sendEnd(trailers);
  }

  #answerEnded(): void {
    if (!this.#answering) return;
    this.#answering = false;
    this.#upstream.attemptEnded(this.#backend!, false, this.#route.thread.deadlines.wallMs);
  }

  onSwitch(head: ResponseHead, protocol: string, backend: TunnelEnd): void {
    this.#answered(head.status, true);
    if (this.#exchange.setCookie !== null) head.headers.add("Set-Cookie", this.#exchange.setCookie);
    this.#connection = null;
    this.#exchange.action = null;
    startTunnel(this.#route.thread, this.#exchange, {
      client: this.#exchange.client.switchProtocols(head, protocol),
      backend,
      idleMs: this.#route.spec.timeouts.websocketIdleMs,
    });
  }

  onBackendFailed(error: GatewayError): void {
    const backend = this.#backend!;
    const { code } = error;
    const isGone = code === "upstream_closed" || code === "stream_refused";
    const isStale = isGone && this.#connection?.maybeStale === true;
    const unsent = isUnseen(code);
    this.#connection = null;
    this.#lastError = error;
    const clock = Date.now();
    const isOpen = this.#exchange.status === 0;
    // That a backend closes a connection that was not used says nothing against it, and a response with a status that
    // is a failure was counted with its head.
    if (!isStale && (isOpen || this.#answering)) {
      this.#answering = false;
      backend.state.countFailure();
      this.#upstream.attemptEnded(backend, true, clock);
    }
    if (isOpen) {
      const next = mayRetry(code, { ...this.#attemptSoFar(), unsent }, this.#route.spec.retry);
      const isOther = this.#upstream.candidates([...this.#tried, backend]).length > 0;
      if (next === "moves on") {
        // One that ends its connection, or takes no more streams on it, may take the request on another.
        const isSame = code === "stream_refused" && !isOther && ++this.#refusals <= MAX_REFUSALS;
        this.#again(isSame ? null : backend);
        return;
      }
      // A backend may close an unused connection in the moment in which a request is sent on it: the same one may
      // be asked again on a new connection (RFC 9112 section 9.3.1), where there is no other.
      // One that has no room now is waited for, as for a first attempt.
      const isWorthIt = isOther || isStale || this.#upstream.full;
      if (next === "repeats" && isWorthIt && this.#upstream.tryRepeat(clock)) {
        this.#again(isStale && !isOther ? null : backend);
        return;
      }
    }
    this.#fail(error);
  }

  #attemptSoFar(): Attempt {
    return {
      method: this.#exchange.request.method,
      unsent: false,
      repeatable: !this.#bodyGone,
      sent: this.#sent,
    };
  }

  /** Another attempt, not at `failed`. */
  #again(failed: Backend | null): void {
    if (failed !== null) this.#tried = [...this.#tried, failed];
    this.#route.thread.metrics.add(Counter.retries);
    this.#bodySlow = false;
    this.#exchange.client.pauseBody();
    this.#attempt(false);
  }

  #fail(error: GatewayError): void {
    this.#endWait();
    this.#leaveCircuit(error.source === "upstream");
    this.#exchange.action = null;
    failExchange(this.#exchange, error);
  }

  #leaveCircuit(failed: boolean | null): void {
    if (this.#pass === Pass.none) return;
    this.#upstream.circuit?.leave(this.#pass, failed, Date.now());
    this.#pass = Pass.none;
  }
}
