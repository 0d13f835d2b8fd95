// The proxy action: one exchange with one backend, request and response streaming both ways at the pace of the slower side.

import type { BackendSpec, ProxySpec } from "../../config/snapshot.ts";
import { GatewayError } from "../../core/errors.ts";
import {
  type Action,
  type Exchange,
  type ResponseHead,
  type TunnelEnd,
  UNKNOWN_LENGTH,
} from "../../core/exchange.ts";
import { Field, type HeaderList } from "../../core/headers.ts";
import { Counter } from "../../core/metrics.ts";
import { renderTemplate } from "../../core/template.ts";
import { forwardedLines } from "../forwarded.ts";
import type { BackendConnection, BackendUser } from "../http1/client.ts";
import { hasToken } from "../http1/fields.ts";
import { chunkStart, lastChunk, SMALL_BODY_BYTES } from "../http1/writer.ts";
import { failExchange } from "../pipeline.ts";
import type { ThreadContext } from "../thread-context.ts";
import type { Balancer } from "../upstream/balancers/balancer.ts";
import { mayRetry } from "../upstream/retry.ts";
import type { Backend } from "../upstream/upstream.ts";
import type { StartAction } from "./route.ts";
import { startTunnel } from "./tunnel.ts";

export function createProxy(spec: ProxySpec, balancer: Balancer, thread: ThreadContext): StartAction {
  return (exchange) => {
    const backend = balancer.pick(exchange);
    exchange.upstream = spec.upstream;
    if (backend === null) {
      const message = `upstream "${spec.upstream}" has no active backend`;
      failExchange(exchange, new GatewayError("backend_unavailable", message));
      return;
    }
    exchange.backend = backend.spec.id;
    const run = new ProxyRun(spec, thread, exchange, backend);
    exchange.action = run;
    run.start();
  };
}

const EVENT_STREAM = "text/event-stream";

class ProxyRun implements Action, BackendUser {
  readonly #spec: ProxySpec;
  readonly #thread: ThreadContext;
  readonly #exchange: Exchange;
  readonly #backend: Backend;
  #connection: BackendConnection | null = null;
  /** Made once: a retry sends the same bytes. */
  #headText = "";
  /** The head waits for the first piece of the body, to go out in one write with it. */
  #headHeld = false;
  #bodyStarted = false;
  #bodySlow = false;
  #responseStarted = false;
  #attempts = 0;

  constructor(spec: ProxySpec, thread: ThreadContext, exchange: Exchange, backend: Backend) {
    this.#spec = spec;
    this.#thread = thread;
    this.#exchange = exchange;
    this.#backend = backend;
  }

  start(): void {
    this.#headText = this.#requestHead();
    const connection = this.#backend.pool.take(this);
    if (connection === null) this.#open();
    else this.#send(connection);
  }

  #open(): void {
    this.#thread.metrics.add(Counter.upstreamConnectionsOpened);
    this.#connection = this.#backend.pool.open(this, this.#spec.timeouts.connectMs);
  }

  #send(connection: BackendConnection): void {
    this.#connection = connection;
    this.#attempts++;
    const { request, client } = this.#exchange;
    connection.begin(request.method, request.upgrade, this.#spec.timeouts);
    if (connection.reused) this.#thread.metrics.add(Counter.upstreamConnectionsReused);
    if (request.bodyLength === 0) {
      connection.endRequest();
      connection.write(this.#headText, null, "");
      return;
    }
    this.#headHeld = true;
    client.resumeBody();
    if (this.#headHeld) {
      this.#headHeld = false;
      connection.write(this.#headText, null, "");
    }
  }

  // ---- from the client ----

  onRequestBody(chunk: Buffer): void {
    this.#bodyStarted = true;
    const chunked = this.#exchange.request.bodyLength === UNKNOWN_LENGTH;
    const before = chunked ? chunkStart(chunk.length) : "";
    if (!this.#writeBody(before, chunk, chunked ? "\r\n" : "")) {
      this.#bodySlow = true;
      this.#exchange.client.pauseBody();
    }
  }

  onRequestEnd(trailers: HeaderList | null): void {
    this.#bodyStarted = true;
    this.#connection?.endRequest();
    if (this.#exchange.request.bodyLength === UNKNOWN_LENGTH) this.#writeBody(lastChunk(trailers), null, "");
  }

  #writeBody(before: string, chunk: Buffer | null, after: string): boolean {
    const connection = this.#connection;
    // Without one the response is already whole: what is left of the request is of no use to anybody.
    if (connection === null) return true;
    const start = this.#headHeld ? this.#headText + before : before;
    this.#headHeld = false;
    if (chunk === null || chunk.length > SMALL_BODY_BYTES) return connection.write(start, chunk, after);
    return connection.write(start + chunk.toString("latin1") + after, null, "");
  }

  onClientDrain(): void {
    this.#connection?.resume();
  }

  onAborted(): void {
    this.#connection?.destroy();
    this.#connection = null;
  }

  // ---- from the backend ----

  onConnected(): void {
    if (this.#connection !== null) this.#send(this.#connection);
  }

  onBackendDrain(): void {
    if (!this.#bodySlow) return;
    this.#bodySlow = false;
    this.#exchange.client.resumeBody();
  }

  onInformational(head: ResponseHead): void {
    this.#exchange.client.sendInformational(head);
  }

  onResponseHead(head: ResponseHead, body: Buffer | null, last: boolean): void {
    const exchange = this.#exchange;
    this.#responseStarted = true;
    exchange.upstreamMs = performance.now() - exchange.startedMs;
    const connection = this.#connection;
    if (last) {
      this.#connection = null;
      exchange.action = null;
    } else if (head.headers.get(Field.contentType)?.toLowerCase().startsWith(EVENT_STREAM) === true) {
      connection?.allowIdle(this.#spec.timeouts.sseIdleMs);
    }
    if (!exchange.client.sendHead(head, body, last) && !last) connection?.pause();
  }

  onResponseBody(chunk: Buffer): void {
    if (!this.#exchange.client.sendBody(chunk)) this.#connection?.pause();
  }

  onResponseEnd(trailers: HeaderList | null): void {
    this.#connection = null;
    this.#exchange.action = null;
    this.#exchange.client.sendEnd(trailers);
  }

  onSwitch(head: ResponseHead, protocol: string, backend: TunnelEnd): void {
    this.#connection = null;
    this.#exchange.action = null;
    startTunnel(this.#thread, this.#exchange, {
      client: this.#exchange.client.switchProtocols(head, protocol),
      backend,
      idleMs: this.#spec.timeouts.websocketIdleMs,
    });
  }

  onBackendFailed(error: GatewayError): void {
    const connection = this.#connection;
    this.#connection = null;
    const again = mayRetry(error, {
      method: this.#exchange.request.method,
      reused: connection?.reused === true,
      bodyStarted: this.#bodyStarted,
      responseStarted: this.#responseStarted,
      attempts: this.#attempts,
    });
    if (again) {
      this.#thread.metrics.add(Counter.retries);
      this.#exchange.client.pauseBody();
      this.#open();
      return;
    }
    this.#exchange.action = null;
    failExchange(this.#exchange, error);
  }

  // ---- the forwarded head ----

  #requestHead(): string {
    const { request } = this.#exchange;
    const { headers, bodyLength, upgrade } = request;
    const te = headers.join(Field.te);
    const forwarded = forwardedLines(this.#exchange, this.#thread.active.server.realIpHeader);
    headers.remove(Field.host);
    const host = request.authority === "" ? ownHost(this.#backend.spec) : request.authority;
    let text = `${request.method} ${this.#target()} HTTP/1.1\r\nHost: ${host}\r\n${headers.forwardLines()}${forwarded}`;
    if (bodyLength === UNKNOWN_LENGTH) text += "Transfer-Encoding: chunked\r\n";
    else if (bodyLength > 0 || headers.ids.includes(Field.contentLength))
      text += `Content-Length: ${bodyLength}\r\n`;
    if (upgrade !== null) text += `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`;
    else if (te !== null && hasToken(te, "trailers")) text += "TE: trailers\r\nConnection: TE\r\n";
    return `${text}\r\n`;
  }

  #target(): string {
    const { path, query, host, authority } = this.#exchange.request;
    const { stripPrefix, rewrite } = this.#spec;
    if ((stripPrefix === null && rewrite === null) || path === "*") return path + query;
    const rest = stripPrefix === null ? path : withoutPrefix(path, stripPrefix);
    if (rewrite === null) return rest + query;
    return renderTemplate(rewrite, { scheme: "http", host: authority || host, path: rest, query });
  }
}

/** What a client of HTTP/1.0 that names no host is taken to mean. */
function ownHost({ host, port, socketPath }: BackendSpec): string {
  if (socketPath !== null) return "localhost";
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** A prefix ends at the border of a segment: `/api` is none of `/apix`. */
function withoutPrefix(path: string, prefix: string): string {
  if (!path.startsWith(prefix)) return path;
  const rest = path.slice(prefix.length);
  if (rest.startsWith("/")) return rest;
  return rest === "" || prefix.endsWith("/") ? `/${rest}` : path;
}
