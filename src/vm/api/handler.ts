// The types that apps import from "sluice": a handler, and what it is given. Nothing here runs: VMs and docs/apps.md keep to it.

export type { ServerWebSocket, WebSocketEvents } from "./web-socket.ts";

/**
 * What an app exports: `export default { fetch(request, env, ctx) { … } } satisfies Handler`. `Variables` is the type of
 * `env`, where that is not declared for all handlers in `Env`.
 */
export interface Handler<Variables extends object = Env> {
  fetch(request: Request, env: Variables, ctx: ExecutionContext): Response | Promise<Response>;
}

/** The same as a function alone: `export default (async (request, env, ctx) => { … }) satisfies HandlerFunction`. */
export type HandlerFunction<Variables extends object = Env> = (
  request: Request,
  env: Variables,
  ctx: ExecutionContext,
) => Response | Promise<Response>;

/**
 * What the configuration of the app gives: text of `env` and `secrets`, and an UpstreamBinding for each of `upstreams`.
 * Say what yours is, once for all handlers:
 *
 *     declare module "sluice" {
 *       interface Env { GREETING: string; shop: UpstreamBinding }
 *     }
 */
// biome-ignore lint/suspicious/noEmptyInterface: apps fill it
export interface Env {}

/** An upstream of the configuration, by way of the gateway's own pools, balancing, health and limits. */
export interface UpstreamBinding {
  /**
   * As the global `fetch`, but a redirect is given, not followed, and a path alone is a URL too. The host of the URL is what
   * the backend sees as Host. Rejects with an UpstreamError where there is no response.
   */
  fetch(input: Request | URL | string, init?: RequestInit): Promise<Response>;
}

/** Why an upstream gave no response. */
export interface UpstreamError extends TypeError {
  readonly name: "UpstreamError";
  /** As in the gateway's log, such as `connect_failed`. */
  readonly code: string;
  readonly upstream: string;
}

/** What belongs to one request. */
export interface ExecutionContext {
  readonly client: Client;
  /** As in the gateway's log. */
  readonly requestId: string;
  /** Goes on with the promise after the response. The VM is not replaced before it is settled, for 30 seconds at most. */
  waitUntil(promise: Promise<unknown>): void;
}

export interface Client {
  /** Of the client itself, where trusted proxies say who that is. */
  readonly address: string;
  /** As in `HTTP/1.1`. */
  readonly protocol: string;
  readonly scheme: "http" | "https";
  /** Of its connection to the gateway; null for a plain one. */
  readonly tls: ClientTls | null;
}

export interface ClientTls {
  /** As in `TLSv1.3`. */
  readonly version: string;
  readonly cipher: string;
  /** What the client asked for by SNI, or empty. */
  readonly serverName: string;
  /** Null where it has sent none. */
  readonly clientCertificate: ClientCertificate | null;
}

export interface ClientCertificate {
  /** RFC 4514. */
  readonly subject: string;
  /** SHA-256, hexadecimal. */
  readonly fingerprint: string;
  /** It is of an authority that the gateway was told to ask for. */
  readonly verified: boolean;
}
