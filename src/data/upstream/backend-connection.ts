// A connection to a backend as its user sees it, whichever protocol it speaks: a request goes out as a head, pieces of a body
// and an end, and what comes back is heard. Runs in data threads.

import type { BackendSpec } from "../../config/snapshot.ts";
import type { GatewayError } from "../../core/errors.ts";
import type { ResponseHead, TunnelEnd } from "../../core/exchange.ts";
import type { HeaderList } from "../../core/headers.ts";

/** The head of a request that goes to a backend; how it is framed is the connection's. */
export interface OutgoingHead {
  readonly method: string;
  /** The protocols that its Upgrade field offers, or null. */
  readonly upgrade: string | null;
  /** Bytes, or `UNKNOWN_LENGTH`. */
  readonly bodyLength: number;
  /** As HTTP/1.1 has it, framing fields among it. */
  textFor(backend: BackendSpec): string;
  /** As HTTP/2 has it: names in lower case and values by turns, pseudo-header fields first. */
  fieldsFor(backend: BackendSpec): string[];
}

export interface RequestTimes {
  readonly responseMs: number;
  readonly idleMs: number;
  readonly backendKeepAliveMs: number;
}

export interface BackendConnection {
  /** Whether a request may be sent now; if not, its user hears `onConnected` or `onBackendFailed`. */
  readonly usable: boolean;
  /** Whether it carried a request before the one at hand. */
  readonly reused: boolean;
  /**
   * Whether the backend may have been closing it when the request was sent: nothing else was under way on it, and something
   * had been before. That it is gone then says nothing against the backend.
   */
  readonly maybeStale: boolean;
  /**
   * Begins a request. With a body (`bodyLength` is not 0) its head may wait for the first piece, to go out in one write
   * with it: `flushHead` where that is not at hand.
   */
  sendHead(head: OutgoingHead, backend: BackendSpec, times: RequestTimes): void;
  flushHead(): void;
  /**
   * A piece of the body, not empty; it is copied if it has to outlive the call. Returns false when the backend is slow:
   * wait for `onBackendDrain`.
   */
  sendBody(chunk: Buffer): boolean;
  /** Follows every body. */
  sendEnd(trailers: HeaderList | null): void;
  /** Other time allowed between two pieces of this response. */
  allowIdle(idleMs: number): void;
  /** The response is to wait, and to go on. */
  pause(): void;
  resume(): void;
  /** Nobody needs it any more: its user hears nothing from now on. */
  retire(): void;
}

/** What waits for the events of a backend connection. After a response ended or failed it hears nothing more. */
export interface BackendUser {
  /** Asked once when a connection was opened, before any TLS: what goes out as its very first bytes, or null. */
  preface(): Buffer | null;
  onConnected(): void;
  onInformational(head: ResponseHead): void;
  /** `body` is what came with the head; `last` when that was all of the response. */
  onResponseHead(head: ResponseHead, body: Buffer | null, last: boolean): void;
  onResponseBody(chunk: Buffer): void;
  onResponseEnd(trailers: HeaderList | null): void;
  /** A 101 that names a protocol which was offered. The connection is no longer HTTP. */
  onSwitch(head: ResponseHead, protocol: string, end: TunnelEnd): void;
  /** The backend took what was sent. */
  onBackendDrain(): void;
  onBackendFailed(error: GatewayError): void;
}
