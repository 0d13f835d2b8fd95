// One HTTP/2 connection to a backend: a session of `node:http2` that many exchanges share, each as a stream of its own. Runs
// in data threads.
//
//   connecting ─(SETTINGS)─▶ open ⇄ suspect (a PING is out) ─▶ draining (takes no more streams) ─▶ closed

import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionRequestOptions,
  connect,
  constants,
} from "node:http2";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { BackendSpec } from "../../config/snapshot.ts";
import { Timed } from "../../core/deadlines.ts";
import { DenseSet } from "../../core/dense-set.ts";
import type { ErrorCode } from "../../core/errors.ts";
import { connectUnread } from "../socket.ts";
import type { ThreadContext } from "../thread-context.ts";
import type { TlsClient } from "../tls-client.ts";
import { faultText, handshakeFault, refusesCertificate } from "../tls-failure.ts";
import { MAX_RESPONSE_FIELD_BYTES, MAX_RESPONSE_FIELDS } from "./backend-response.ts";
import type { BackendStream } from "./backend-stream.ts";
import { replaceStreamTables } from "./stream-tables.ts";

/** Where a session belongs. */
export interface SessionHome {
  readonly spec: BackendSpec;
  readonly thread: ThreadContext;
  /** Null for plain connections. */
  readonly tls: TlsClient | null;
  /** The backend allows so many streams on a connection. */
  streamsAllowed(count: number): void;
  /** It allows fewer than were put on this session: the exchange needs another one. */
  place(stream: BackendStream): void;
  /** Whether a session may wait for its next stream. */
  readonly keepsUnused: boolean;
  /** Takes no streams any more. */
  sessionOver(session: BackendSession): void;
}

const CONNECTING = 0;
const OPEN = 1;
/** A PING is out: the backend may be gone. */
const SUSPECT = 2;
const DRAINING = 3;
const CLOSED = 4;

/** What one stream may have under way, and so what a slow client can make the gateway hold. */
const STREAM_WINDOW_BYTES = 262_144;
/** What all streams of a connection may have under way; Node takes it off as soon as it comes. */
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;
/** Whatever the backend allows. */
const MAX_STREAMS = 1000;
/** Stream ids end at 2^31, and each takes two. */
const MAX_REQUESTS = 2 ** 30 - 1;
/** How long a backend may take to answer a PING, and to close a connection after we did. */
const PING_TIMEOUT_MS = 2000;
const CLOSE_TIMEOUT_MS = 1000;
const STALE_MS = 1000;
/** Frames that break a rule before the connection is ended. */
const MAX_INVALID_FRAMES = 100;

const OPTIONS = {
  settings: {
    enablePush: false,
    initialWindowSize: STREAM_WINDOW_BYTES,
    maxHeaderListSize: MAX_RESPONSE_FIELD_BYTES,
  },
  // `:status` is one of them.
  maxHeaderListPairs: MAX_RESPONSE_FIELDS + 1,
  maxSessionInvalidFrames: MAX_INVALID_FRAMES,
  // Outer white space is refused in http2/fields.ts; nghttp2 would leave the field out.
  strictFieldWhitespaceValidation: false,
  // What a client may send twice is for the backend to judge.
  strictSingleValueFields: false,
};

/** Codes with which a stream ends where its frames broke a rule of HTTP/2, whoever found it. */
const RULE_BROKEN: ReadonlySet<number> = new Set([
  constants.NGHTTP2_PROTOCOL_ERROR,
  constants.NGHTTP2_FLOW_CONTROL_ERROR,
  constants.NGHTTP2_STREAM_CLOSED,
  constants.NGHTTP2_FRAME_SIZE_ERROR,
  constants.NGHTTP2_COMPRESSION_ERROR,
  constants.NGHTTP2_ENHANCE_YOUR_CALM,
]);

/** Names of the codes of RST_STREAM, by code. */
const CODES = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY",
  "HTTP_1_1_REQUIRED",
];

export interface StreamFault {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Of the stream or of its session, or null. */
export type StreamError = NodeJS.ErrnoException | null;

export class BackendSession extends Timed {
  readonly #home: SessionHome;
  readonly #socket: Socket;
  readonly #streams = new DenseSet<BackendStream>();
  /** Response heads that wait for their data. */
  readonly #untold: BackendStream[] = [];
  #session: ClientHttp2Session | null = null;
  #state = CONNECTING;
  #handshaking = false;
  #maxStreams = 0;
  /** From GOAWAY: streams above it were not looked at. Null where there was none. */
  #lastStreamId: number | null = null;
  /** It is one of the thread's unused connections. */
  #unused = false;
  #unusedSince = 0;
  #keepAliveMs: number;
  /** Requests sent on it. */
  requests = 0;
  /** Why the connection broke, or null. */
  cause: Error | null = null;

  constructor(home: SessionHome, connectMs: number) {
    super();
    this.#home = home;
    // Until a request says it.
    this.#keepAliveMs = connectMs;
    const { spec, tls, thread } = home;
    const socket = connectUnread(spec, tls);
    this.#socket = socket;
    socket.on("connect", () => {
      this.#handshaking = tls !== null;
      if (tls === null) this.#begin();
    });
    if (tls !== null) socket.on("secureConnect", () => this.#agreed(socket as TLSSocket));
    socket.on("error", (error) => {
      this.cause ??= error;
    });
    // Before the session hears of it, and cuts off its streams.
    socket.on("close", () => this.#closed());
    thread.deadlines.set(this, connectMs);
  }

  get isOpen(): boolean {
    // It may have broken, and its socket not have told yet.
    return this.#state === OPEN && this.#session?.destroyed === false;
  }

  /** The backend said that it ends. */
  get wentAway(): boolean {
    return this.#lastStreamId !== null;
  }

  /** The connection has broken, or was closed. */
  get isLost(): boolean {
    return this.#state === CLOSED || this.cause !== null;
  }

  get users(): number {
    return this.#streams.size;
  }

  /** Whether another stream may be put on it. `expected` is what the backend allows, while nobody knows yet. */
  hasRoom(expected: number): boolean {
    if (this.#state === CONNECTING) return this.#streams.size < expected;
    return this.isOpen && this.#streams.size < this.#maxStreams && this.#session?.closed === false;
  }

  /** Nothing has been under way on it for a while: the backend may be about to close it. */
  get mayBeStale(): boolean {
    return this.#unused && this.#home.thread.deadlines.now - this.#unusedSince >= STALE_MS;
  }

  join(stream: BackendStream): void {
    this.#streams.add(stream);
    if (this.#unused) {
      this.#endUnused();
      this.#home.thread.deadlines.clear(this);
    }
    stream.placed(this);
  }

  leave(stream: BackendStream): void {
    if (!this.#streams.delete(stream) || this.#streams.size > 0) return;
    if (this.#state === OPEN) this.#beginUnused();
    else if (this.#state === DRAINING) this.#awaitClose();
  }

  request(
    fields: readonly string[],
    options: ClientSessionRequestOptions,
    keepAliveMs: number,
  ): ClientHttp2Stream {
    this.#keepAliveMs = keepAliveMs;
    if (this.requests >= MAX_REQUESTS) this.drain();
    return this.#session!.request(fields, options);
  }

  /** A response head came; at the end of this turn of the event loop it goes on, with the data that came behind it. */
  tellSoon(stream: BackendStream): void {
    if (this.#untold.push(stream) === 1) setImmediate(() => this.#tell());
  }

  #tell(): void {
    for (const stream of this.#untold.splice(0)) stream.tellHead();
  }

  /** A stream heard nothing for too long. Where the backend answers no PING, its connection is dead. */
  suspect(): void {
    if (!this.isOpen) return;
    this.#state = SUSPECT;
    this.#home.thread.deadlines.set(this, PING_TIMEOUT_MS);
    this.#session!.ping((error) => {
      if (error !== null || this.#state === CLOSED) return;
      if (this.#state === SUSPECT) this.#state = OPEN;
      if (this.#streams.size > 0) this.#home.thread.deadlines.clear(this);
      else if (this.#state === OPEN) this.#beginUnused();
    });
  }

  /** Takes no streams any more, and closes when the last one is over. */
  drain(): void {
    if (this.#state >= DRAINING) return;
    const wasConnecting = this.#state === CONNECTING;
    this.#over(DRAINING);
    this.#session?.close();
    if (this.#streams.size > 0) return;
    if (wasConnecting) this.#socket.destroy();
    else this.#awaitClose();
  }

  /** Why a stream ended that has no whole response. */
  faultOf({ id, rstCode }: ClientHttp2Stream, error: StreamError, answerBegan: boolean): StreamFault {
    const unseen = id === undefined || (this.#lastStreamId !== null && id > this.#lastStreamId);
    if (!answerBegan && (unseen || rstCode === constants.NGHTTP2_REFUSED_STREAM))
      return { code: "stream_refused", message: "the backend did not take the request: it may be ending" };
    const when = answerBegan ? "in the middle of its response" : "before its response";
    // Of nghttp2: the bytes that came are no HTTP/2.
    if (error?.code === "ERR_HTTP2_ERROR")
      return {
        code: "response_malformed",
        message: `the backend broke the rules of HTTP/2: ${error.message}`,
      };
    const lost = answerBegan ? "response_truncated" : "upstream_closed";
    if (this.isLost) {
      const why = this.cause === null ? "" : `: ${faultText(this.cause)}`;
      return { code: lost, message: `the backend closed the connection ${when}${why}` };
    }
    const message = `the stream ended with ${CODES[rstCode] ?? rstCode} ${when}`;
    return { code: RULE_BROKEN.has(rstCode) ? "response_malformed" : lost, message };
  }

  // ---- connecting ----

  #agreed(socket: TLSSocket): void {
    this.#handshaking = false;
    if (socket.alpnProtocol === "h2") this.#begin();
    else {
      const other = socket.alpnProtocol === false ? "none" : `"${socket.alpnProtocol}"`;
      this.#refuse("connect_failed", `no HTTP/2 to the backend: it agreed to ${other} (ALPN), expected "h2"`);
    }
  }

  #begin(): void {
    // Every request names its own scheme and authority.
    const session = connect("http://localhost", {
      ...OPTIONS,
      createConnection: () => this.#socket,
    });
    this.#session = session;
    replaceStreamTables(session);
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    session.on("remoteSettings", ({ maxConcurrentStreams }) => this.#settings(maxConcurrentStreams));
    session.on("goaway", (_code, lastStreamId) => this.#goneAway(lastStreamId));
    session.on("error", (error) => {
      this.cause ??= error;
    });
    session.on("close", () => this.#closed());
  }

  #settings(maxStreams = MAX_STREAMS): void {
    this.#maxStreams = Math.min(maxStreams, MAX_STREAMS);
    if (this.#state === CLOSED) return;
    this.#home.streamsAllowed(this.#maxStreams);
    if (this.#state === CONNECTING) this.#opened();
  }

  #opened(): void {
    if (this.#maxStreams === 0) {
      this.#refuse("connect_failed", "no HTTP/2 to the backend: it allows no streams");
      return;
    }
    this.#state = OPEN;
    this.#home.thread.deadlines.clear(this);
    let taken = 0;
    for (const stream of this.#streams.all()) {
      if (!this.#streams.has(stream)) continue;
      if (taken++ < this.#maxStreams) stream.connected();
      else {
        this.#streams.delete(stream);
        this.#home.place(stream);
      }
    }
    if (this.#streams.size === 0 && this.#state === OPEN) this.#beginUnused();
  }

  #goneAway(lastStreamId: number): void {
    this.#lastStreamId = lastStreamId;
    if (this.#state === CONNECTING) return;
    this.#over(DRAINING);
    if (this.#streams.size === 0) this.#awaitClose();
  }

  // ---- unused ----

  #beginUnused(): void {
    const { thread } = this.#home;
    this.#unused = true;
    this.#unusedSince = thread.deadlines.now;
    const isRoom = thread.unusedBackendConnections++ < thread.active.server.unusedBackendConnections;
    if (isRoom && this.#home.keepsUnused) thread.deadlines.set(this, this.#keepAliveMs);
    else this.drain();
  }

  #endUnused(): void {
    if (!this.#unused) return;
    this.#unused = false;
    this.#home.thread.unusedBackendConnections--;
  }

  // ---- ending ----

  override onDeadline(): void {
    switch (this.#state) {
      case CONNECTING:
        this.#refuse("connect_timeout", this.#whyNotInTime);
        break;
      case OPEN:
        this.drain();
        break;
      default:
        this.cause ??= this.#state === SUSPECT ? new Error("it answered no PING in time") : null;
        this.#destroy();
    }
  }

  get #whyNotInTime(): string {
    if (this.#session !== null) return "the backend did not begin HTTP/2 in time";
    return this.#handshaking
      ? "the backend did not finish the TLS handshake in time"
      : "the backend did not accept the connection in time";
  }

  #over(state: typeof DRAINING | typeof CLOSED): void {
    const before = this.#state;
    if (before >= state) return;
    this.#state = state;
    if (before < DRAINING) this.#home.sessionOver(this);
  }

  /** Nothing is under way on it any more. */
  #awaitClose(): void {
    this.#home.thread.deadlines.set(this, CLOSE_TIMEOUT_MS);
  }

  #destroy(): void {
    this.#session?.destroy();
    this.#socket.destroy();
  }

  /** Before it was open. */
  #refuse(code: ErrorCode, message: string): void {
    const { cause } = this;
    this.#over(CLOSED);
    this.#destroy();
    for (const stream of this.#streams.all()) stream.lost(code, message, cause ?? undefined);
  }

  #closed(): void {
    this.#endUnused();
    this.#home.thread.deadlines.remove(this);
    if (this.#state === CONNECTING) {
      this.#refuse("connect_failed", this.#whyNotConnected);
      return;
    }
    this.#over(CLOSED);
    for (const stream of this.#streams.all()) stream.takeRest();
  }

  get #whyNotConnected(): string {
    const { cause } = this;
    if (this.#handshaking || refusesCertificate(cause))
      return `no TLS connection to the backend: ${handshakeFault(cause)}`;
    const why = cause === null ? "" : `: ${faultText(cause)}`;
    if (this.#session !== null) return `no HTTP/2 to the backend: it did not begin it${why}`;
    return `cannot connect to the backend${why}`;
  }
}
