// Copies of requests for another upstream (`mirror`), whose answers are thrown away. A copy belongs to no exchange: the
// client never waits for it, and nothing that becomes of it is heard of anywhere but in its upstream's own numbers. Runs
// in data threads.
//
//   keeps the body ─▶ request whole ─▶ connecting ─▶ sent ─▶ response read to its end ─▶ over
//     └─▶ too long: no copy  └─▶ no room: dropped      └─▶ failed, or took too long ─▶ over

import type { ProxySpec, ProxyTimeouts } from "../../config/snapshot.ts";
import { clockMs } from "../../core/clock.ts";
import { Timed } from "../../core/deadlines.ts";
import { GatewayError } from "../../core/errors.ts";
import type { Exchange, ResponseHead, TunnelEnd } from "../../core/exchange.ts";
import type { HeaderList } from "../../core/headers.ts";
import type { ConnectionEnds } from "../../core/ip.ts";
import { Counter } from "../../core/metrics.ts";
import type { ThreadContext } from "../thread-context.ts";
import type { Backend } from "../upstream/backend.ts";
import type { BackendConnection, BackendUser } from "../upstream/backend-connection.ts";
import { SmoothWeight } from "../upstream/balancers/weight.ts";
import { Pass } from "../upstream/circuit.ts";
import { KeptBody } from "../upstream/kept-body.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { ForwardedHead } from "./forwarded-head.ts";
import { clientEnds, prefaceFor } from "./preface.ts";

/** Copies that one data thread has under way at most, and what their bodies hold: an upstream may take nothing of them. */
const MAX_COPIES = 1000;
const MAX_BYTES = 64 * 1024 * 1024;

/** Of this data thread: each has modules of its own. */
const underWay = { copies: 0, bytes: 0 };

const NO_BACKEND: readonly Backend[] = [];

/** The mirror of a route, made once per snapshot. */
export class Mirror {
  readonly upstream: Upstream;
  readonly balancer: SmoothWeight;
  readonly timeouts: ProxyTimeouts;
  readonly bodyBytes: number;
  readonly thread: ThreadContext;
  /** Some backend wants a PROXY protocol header. */
  readonly tellsClient: boolean;
  readonly #share: number;

  constructor({ mirror, timeouts }: ProxySpec, upstream: Upstream, thread: ThreadContext) {
    this.upstream = upstream;
    this.balancer = new SmoothWeight({ backends: upstream.backends, offset: thread.index });
    this.timeouts = timeouts;
    this.bodyBytes = mirror!.bodyBytes;
    this.thread = thread;
    this.tellsClient = upstream.backends.some(({ spec }) => spec.proxyProtocol !== null);
    this.#share = mirror!.share;
  }

  /** What becomes a copy of the request when that is whole, or null where it gets none. */
  copyOf(exchange: Exchange): MirrorCopy | null {
    const { bodyLength, upgrade } = exchange.request;
    if (upgrade !== null || bodyLength > this.bodyBytes || Math.random() >= this.#share) return null;
    return new MirrorCopy(this, exchange);
  }
}

export class MirrorCopy extends Timed implements BackendUser {
  readonly #mirror: Mirror;
  readonly #route: string;
  /** Null where no backend wants to be told. */
  readonly #ends: ConnectionEnds | null;
  #kept: KeptBody | null;
  #head: ForwardedHead | null = null;
  #body: Buffer | null = null;
  #bodyBytes = 0;
  #trailers: HeaderList | null = null;
  #pass: Pass = Pass.none;
  #backend: Backend | null = null;
  #connection: BackendConnection | null = null;
  #sentMs = 0;
  /** What the attempt was to its backend is counted. */
  #judged = false;

  constructor(mirror: Mirror, exchange: Exchange) {
    super();
    const { request, route } = exchange;
    this.#mirror = mirror;
    this.#route = route;
    this.#ends = mirror.tellsClient ? clientEnds(exchange) : null;
    this.#kept = request.bodyLength === 0 ? null : new KeptBody(mirror.bodyBytes);
  }

  /** A piece of the request body, valid during the call only. */
  add(chunk: Buffer): void {
    this.#kept?.add(chunk);
  }

  /** The request is whole, and went to its own backend with this head. To be called once. */
  send(head: ForwardedHead, trailers: HeaderList | null): void {
    const kept = this.#kept;
    this.#kept = null;
    if (kept !== null) {
      if (!kept.whole) return;
      this.#body = Buffer.concat(kept.chunks);
      this.#bodyBytes = this.#body.length;
    }
    this.#head = head;
    this.#trailers = trailers;
    const reason = this.#begin();
    if (reason !== null) this.#drop(reason);
  }

  /** Returns why there is no connection for the copy, or null when it has one. */
  #begin(): string | null {
    const { upstream, balancer, timeouts } = this.#mirror;
    if (underWay.copies >= MAX_COPIES) return `${MAX_COPIES} copies are under way`;
    // One body may be longer than all together: then it goes alone.
    if (underWay.bytes > 0 && underWay.bytes + this.#bodyBytes > MAX_BYTES)
      return `bodies of ${underWay.bytes} bytes are under way`;
    // Exchanges that wait have clients that wait.
    if (upstream.queue.waiting > 0) return "exchanges wait for the upstream";
    if (upstream.circuit !== null) {
      const pass = upstream.circuit.enter(Date.now());
      if (pass instanceof GatewayError) return pass.message;
      this.#pass = pass;
    }
    for (;;) {
      const candidates = upstream.candidates(NO_BACKEND);
      if (candidates.length === 0) {
        this.#leaveCircuit(null);
        return upstream.full ? "every backend has its max_conn" : "no backend is up";
      }
      const backend = balancer.pickAmong(candidates, candidates.length);
      const connection = backend.pool.acquire(this, timeouts.connectMs, false);
      // Null: another thread took the last place in this very moment.
      if (connection === null) continue;
      underWay.copies++;
      underWay.bytes += this.#bodyBytes;
      this.#backend = backend;
      this.#connection = connection;
      if (connection.usable) this.#send(connection);
      return null;
    }
  }

  #send(connection: BackendConnection): void {
    const { upstream, timeouts, thread } = this.#mirror;
    const { spec, state } = this.#backend!;
    const head = this.#head!;
    const body = this.#body;
    this.#head = null;
    this.#body = null;
    this.#sentMs = clockMs();
    thread.metrics.add(Counter.mirrored);
    upstream.countRequest(Date.now());
    state.countRequest();
    connection.sendHead(head, spec, timeouts);
    if (connection.reused) thread.metrics.add(Counter.upstreamConnectionsReused);
    if (body === null) return;
    if (body.length > 0) connection.sendBody(body);
    connection.sendEnd(this.#trailers);
  }

  // ---- from the backend ----

  preface(): Buffer | null {
    return this.#ends === null ? null : prefaceFor(this.#backend!.spec, this.#ends);
  }

  onConnected(): void {
    this.#send(this.#connection!);
  }

  onInformational(): void {}

  onResponseHead(head: ResponseHead, _body: Buffer | null, last: boolean): void {
    const { upstream, timeouts, thread } = this.#mirror;
    const backend = this.#backend!;
    const clock = Date.now();
    const failed = head.status >= 500 && upstream.spec.failureStatuses.includes(head.status);
    backend.state.recordTime((clockMs() - this.#sentMs) * 1000, clock);
    backend.state.countResponse(head.status);
    if (failed || last) this.#judge(failed);
    this.#leaveCircuit(failed);
    if (last) this.#end();
    else thread.deadlines.set(this, timeouts.responseMs);
  }

  onResponseBody(): void {}

  onResponseEnd(): void {
    this.#judge(false);
    this.#end();
  }

  /** Once: with a head that is a failure, else at the end of the response, whichever that is. */
  #judge(failed: boolean): void {
    if (this.#judged) return;
    this.#judged = true;
    const backend = this.#backend!;
    if (failed) backend.state.countFailure();
    this.#mirror.upstream.attemptEnded(backend, failed, Date.now());
  }

  /** Never comes: a copy offers no protocol. */
  onSwitch(_head: ResponseHead, _protocol: string, { socket }: TunnelEnd): void {
    socket.destroy();
    this.#end();
  }

  onBackendDrain(): void {}

  onBackendFailed(error: GatewayError): void {
    const isGone = error.code === "upstream_closed" || error.code === "stream_refused";
    const isStale = isGone && this.#connection?.maybeStale === true;
    // That a backend closes a connection that was not used says nothing against it.
    if (!isStale) this.#judge(true);
    this.#leaveCircuit(isStale ? null : true);
    this.#end();
    if (this.#sentMs === 0) this.#drop(error.message);
    else this.#report("the copy of a request failed", error.message);
  }

  /** The rest of the response took as long as its head may: it could go on for ever, and nobody wants it. */
  override onDeadline(): void {
    this.#judge(false);
    this.#connection?.retire();
    this.#end();
  }

  // ---- ending ----

  #end(): void {
    underWay.copies--;
    underWay.bytes -= this.#bodyBytes;
    this.#connection = null;
    this.#mirror.thread.deadlines.remove(this);
  }

  #leaveCircuit(failed: boolean | null): void {
    if (this.#pass === Pass.none) return;
    this.#mirror.upstream.circuit?.leave(this.#pass, failed, Date.now());
    this.#pass = Pass.none;
  }

  #drop(reason: string): void {
    this.#mirror.thread.metrics.add(Counter.mirrorsDropped);
    this.#report("a request was not copied", reason);
  }

  #report(message: string, reason: string): void {
    const { thread, upstream } = this.#mirror;
    const { name } = upstream.spec;
    const fields: Record<string, string> = { route: this.#route, upstream: name, reason };
    if (this.#backend !== null) fields["backend"] = this.#backend.spec.id;
    thread.reporter.report("warn", `the mirror ${name}`, message, fields);
  }
}
