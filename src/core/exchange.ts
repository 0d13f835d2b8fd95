// One request and its response, whichever protocol carried them, and the two sides that meet in it.

import type { GatewayError } from "./errors.ts";
import type { HeaderList } from "./headers.ts";
import type { ConnectionEnds } from "./ip.ts";

/** A body whose length is not known before its end. */
export const UNKNOWN_LENGTH = -1;

/** As much as the buffer of a writable stream takes before it asks for patience: with more, it says when all is out. */
export const LENT_BYTES = 65_536;

/** A request head that passed every rule of docs/http-rules.md. */
export interface RequestHead {
  readonly method: string;
  /** Canonical (core/path.ts), or `*` for `OPTIONS *`. */
  readonly path: string;
  /** With its `?`, or empty. */
  readonly query: string;
  /** Host and port as the client named them; empty for HTTP/1.0 without Host. */
  readonly authority: string;
  /** The authority's host in lower case, without port. */
  readonly host: string;
  readonly protocol: "HTTP/1.0" | "HTTP/1.1" | "HTTP/2.0";
  readonly headers: HeaderList;
  /** Bytes, or `UNKNOWN_LENGTH`. */
  readonly bodyLength: number;
  /** The protocols offered in Upgrade (lower case, comma separated), or null when no upgrade is asked for. */
  readonly upgrade: string | null;
}

/** Belongs to its exchange: who passes it on may change its fields. */
export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly headers: HeaderList;
  /** Bytes, or `UNKNOWN_LENGTH`. */
  readonly bodyLength: number;
}

/** What TLS told of a client. All of it may stand in a header field: visible ASCII and spaces. */
export interface ClientTls {
  /** As in `TLSv1.3`. */
  readonly version: string;
  /** As OpenSSL names it. */
  readonly cipher: string;
  /** What the client asked for by SNI, in lower case, or empty. */
  readonly serverName: string;
  /** Of its certificate (RFC 4514), or empty where it has sent none. */
  readonly subject: string;
  /** SHA-256 of its certificate, hexadecimal in lower case, or empty. */
  readonly fingerprint: string;
  /** Its certificate is of an authority that is asked for. */
  readonly verified: boolean;
}

/**
 * The client's side of an exchange, as an action uses it. Implemented by each protocol's server, and by the layers that
 * policies put between the two (data/policies/client-layer.ts).
 */
export interface ClientStream {
  /** Between whom the connection is: as a PROXY protocol header named them, else those of the socket. */
  readonly ends: ConnectionEnds;
  /** Null on a plain connection. */
  readonly tls: ClientTls | null;
  /** Lets the request body flow (answering `Expect: 100-continue` the first time). Bytes at hand arrive during the call. */
  resumeBody(): void;
  pauseBody(): void;
  /** A 1xx response other than 100 and 101. */
  sendInformational(head: ResponseHead): void;
  /**
   * Sends the head and what there is of the body. Returns false when the client is slow: wait for `onClientDrain`.
   * A chunk is copied if it has to outlive the call, here as in `sendBody`, unless it is `lent`: then it stays as it is
   * until true is returned or `onClientDrain` comes, or for good where it is shorter than LENT_BYTES.
   */
  sendHead(head: ResponseHead, body: Buffer | null, last: boolean, lent?: boolean): boolean;
  /** Never called with an empty chunk. */
  sendBody(chunk: Buffer, lent?: boolean): boolean;
  sendEnd(trailers: HeaderList | null): void;
  /** Ends the exchange where no honest response can be finished any more. */
  cut(): void;
  /** Sends a 101 for `protocol` and hands the connection over to a tunnel. The exchange goes on until `finishTunnel`. */
  switchProtocols(head: ResponseHead, protocol: string): TunnelEnd;
  finishTunnel(): void;
  /** The exchange is over, whichever way. Called once, by the pipeline. */
  finished(): void;
}

/** A connection that left HTTP. */
export interface TunnelEnd {
  readonly socket: TunnelSocket;
  /** What was read past the last head. */
  readonly early: Buffer | null;
  /** Names who gets what comes from now on. A chunk is valid during the call only. */
  receive(listener: (chunk: Buffer) => void): void;
}

/** What a tunnel needs of a `stream.Duplex`. */
export interface TunnelSocket {
  on(event: "end" | "drain" | "close", listener: () => void): unknown;
  readonly writableLength: number;
  write(chunk: Buffer): boolean;
  /** What is written until `uncork` leaves together. */
  cork(): void;
  uncork(): void;
  /** Calls back when all that was written is out, or never will be. */
  end(callback?: () => void): unknown;
  destroy(): unknown;
  pause(): unknown;
  resume(): unknown;
}

/** The end of the way: what serves the request. One object per exchange that waits for something. */
export interface Action {
  /** A piece of the request body, valid during the call only. To slow the client down, call `client.pauseBody()`. */
  onRequestBody(chunk: Buffer): void;
  onRequestEnd(trailers: HeaderList | null): void;
  /** The client took what was sent. */
  onClientDrain(): void;
  /** The exchange is over before its response was: let go of everything. */
  onAborted(error: GatewayError): void;
}

export class Exchange {
  readonly request: RequestHead;
  /** What the action answers to: the connection, or the innermost layer that a policy put before it. */
  client: ClientStream;
  /** From `performance.now()`, at the end of the request head. */
  readonly startedMs: number;
  readonly peerAddress: string;
  /** Whether the peer is one of `trusted_proxies`, so that what it says of the client is believed. */
  peerTrusted = false;
  /** The peer's address, or what a trusted peer says. */
  clientAddress: string;
  /** Of the client's connection, or what a trusted peer says. */
  scheme: "http" | "https";
  action: Action | null = null;
  /** A layer that holds back some of the response: hears in place of the action that the client took what was sent. */
  transform: Pick<Action, "onClientDrain"> | null = null;
  /** What a backend gets as Host, where a policy says so; else empty. */
  backendHost = "";
  /** The fields about the client that the gateway has made for another exchange of it, which go for this one too. */
  forwarded: string | null = null;
  /** Who the client says it is, where a policy has proved that; else empty. Any text. */
  user = "";
  /** A policy let the client in for who it is, known by name or not: what it is answered may be for it alone. */
  personal = false;
  /** Name of the route, or empty. */
  route = "";
  upstream = "";
  backend = "";
  /** From the start to the head of the backend's response; negative when there was none. */
  upstreamMs = -1;
  /** Of the response; 0 until its head is sent. */
  status = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** Longest body the route takes, or null. */
  maxBodyBytes: number | null = null;
  minBodyRate = 0;
  /** A Set-Cookie that goes out with the response, or null. */
  setCookie: string | null = null;
  error: GatewayError | null = null;
  /** The response was begun and will never end. */
  cut = false;
  finished = false;

  constructor(request: RequestHead, client: ClientStream, peerAddress: string, startedMs: number) {
    this.request = request;
    this.client = client;
    this.peerAddress = peerAddress;
    this.clientAddress = peerAddress;
    this.scheme = client.tls === null ? "http" : "https";
    this.startedMs = startedMs;
  }
}
