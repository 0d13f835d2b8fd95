// One client connection of HTTP/2: a session of `node:http2` on the accepted socket, whose streams become exchanges.
// What a client may cost is bounded here. Runs in data threads.

import {
  constants,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Http2Spec } from "../../config/snapshot.ts";
import { DenseSet } from "../../core/dense-set.ts";
import { GatewayError } from "../../core/errors.ts";
import type { ConnectionEnds } from "../../core/ip.ts";
import type { Arrival } from "../arrival.ts";
import { ClientConnection } from "../client-connection.ts";
import type { HeadLimits } from "../http1/head-parser.ts";
import type { ThreadContext } from "../thread-context.ts";
import { FrameBudget } from "./frame-budget.ts";
import { ServerStream, type StreamHome } from "./stream.ts";
import { replaceStreamTables } from "./stream-tables.ts";

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_FLAG_END_STREAM } = constants;

/** What the deadline of a connection is about. */
const WAIT_STREAM = 2;
const WAIT_GONE = 3;

/** How long a client may take to close its side after the last stream. */
const CLOSE_TIMEOUT_MS = 2000;
/** What the streams of a connection may have under way together; each has its own window. */
const CONNECTION_WINDOW_BYTES = 1_048_576;
/** Frames that break a rule, and streams beyond the limits, before the connection is ended. */
const MAX_INVALID_FRAMES = 100;
const MAX_REJECTED_STREAMS = 100;
/** PING and SETTINGS frames within ten seconds; each is answered. */
const MAX_CONTROL_FRAMES = 1000;
const MAX_OUTSTANDING_PINGS = 10;
const MAX_SETTINGS_ENTRIES = 32;

/** `early` is what was read already, or null. */
export function serveHttp2(arrival: Arrival, thread: ThreadContext, early: Buffer | null): void {
  thread.connections.add(new Http2Connection(arrival, thread, early));
}

export class Http2Connection extends ClientConnection implements StreamHome {
  readonly #session: ServerHttp2Session;
  readonly #streams = new DenseSet<ServerStream>();
  readonly #resets: FrameBudget;
  readonly #controls = new FrameBudget(MAX_CONTROL_FRAMES);
  #ends: ConnectionEnds | null = null;
  #closing = false;
  #refused = false;
  readonly #maxStreams: number;

  constructor(arrival: Arrival, thread: ThreadContext, early: Buffer | null) {
    super(arrival, thread);
    const { active } = thread;
    const { http2 } = active.server;
    this.#maxStreams = http2.maxStreams;
    this.#resets = new FrameBudget(http2.maxResets);
    this.#linger();
    // A session takes what its socket has read before.
    if (early !== null) this.socket.unshift(early);
    this.#session = performServerHandshake(this.socket, sessionOptions(http2, active.headLimits));
    replaceStreamTables(this.#session);
    this.#session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    this.#session.on("stream", (stream, _fields, flags, raw) => this.#begin(stream, flags, raw));
    this.#session.on("error", (error) => this.#failed(error));
    const countControl = () => this.#countControl();
    this.#session.on("ping", countControl).on("remoteSettings", countControl);
    this.wait(WAIT_STREAM, active.server.readTimeoutMs);
  }

  // ---- streams ----

  #begin(stream: ServerHttp2Stream, flags: number, raw: readonly string[]): void {
    if (this.#streams.size === 0) this.thread.deadlines.clear(this);
    const served = new ServerStream(this, stream);
    this.#streams.add(served);
    try {
      served.begin(raw, (flags & NGHTTP2_FLAG_END_STREAM) !== 0);
    } catch (bug) {
      served.bugFound(bug);
    }
  }

  streamClosed(stream: ServerStream, wasReset: boolean): void {
    this.#streams.delete(stream);
    if (wasReset && !this.#resets.take(this.thread.deadlines.now)) {
      this.#refuse("too many streams were reset");
      return;
    }
    if (this.#streams.size > 0) return;
    if (this.#closing || this.thread.draining) this.#close();
    else this.wait(WAIT_STREAM, this.thread.active.server.keepAliveTimeoutMs);
  }

  override get ends(): ConnectionEnds {
    this.#ends ??= super.ends;
    return this.#ends;
  }

  get peer(): string {
    return this.peerAddress;
  }

  get crowded(): boolean {
    return 2 * this.#streams.size >= this.#maxStreams;
  }

  // ---- from the socket ----

  /** What comes after the session has ended. */
  protected override received(): void {}

  protected override failed(bug: unknown): void {
    this.bugFound(bug);
  }

  bugFound(bug: unknown): void {
    const error = new GatewayError("internal", "an error in the gateway itself", bug);
    this.thread.reporter.connectionFailed(error);
    this.destroy(error);
  }

  /** As for HTTP/1: a client that closed its sending side has gone. */
  protected override clientEnded(): void {
    this.#abortAll(
      new GatewayError("client_gone", "the client closed the connection before the response ended"),
    );
    this.destroySocket();
  }

  protected override drained(): void {}

  protected override closed(): void {
    this.#abortAll(new GatewayError("client_gone", "the connection to the client was lost"));
    this.thread.releaseConnection(this);
  }

  protected override timedOut(): void {
    if (this.waitingFor === WAIT_STREAM) this.#close();
    else this.socket.destroy();
  }

  // ---- ending ----

  /** Whether an exchange is under way, or the end of its response. */
  get busy(): boolean {
    return this.#streams.size > 0;
  }

  /** At shutdown: tells the client that streams it opens from now on are not served, and goes after the last one. */
  drain(): void {
    this.#closing = true;
    if (this.#streams.size === 0) this.#close();
    else this.#session.close();
  }

  /** Ends whatever is under way. */
  destroy(error: GatewayError): void {
    this.#abortAll(error);
    this.socket.destroy();
  }

  /** The session says GOAWAY and ends the socket; the client has a moment to do so too. */
  #close(): void {
    this.#closing = true;
    this.#session.close();
    this.wait(WAIT_GONE, CLOSE_TIMEOUT_MS);
  }

  #countControl(): void {
    if (!this.#controls.take(this.thread.deadlines.now)) this.#refuse("too many PING and SETTINGS frames");
  }

  /** Not at once: a session that is destroyed while it sends, as of what it sends here, loses its GOAWAY. */
  #refuse(fault: string): void {
    if (this.#refused) return;
    this.#refused = true;
    setImmediate(() => {
      if (!this.#session.destroyed) this.#session.destroy(new SessionError(fault), NGHTTP2_ENHANCE_YOUR_CALM);
    });
  }

  /**
   * A session that failed ends its socket and destroys it: the reset that follows where the client still sends would
   * overtake the GOAWAY. So the socket stays for a moment, and what comes is thrown away.
   */
  #linger(): void {
    const { socket } = this;
    const { destroy } = socket;
    socket.destroy = (error?: Error & { readonly code?: string }) => {
      if (error?.code?.startsWith("ERR_HTTP2") !== true) return destroy.call(socket, error);
      this.wait(WAIT_GONE, CLOSE_TIMEOUT_MS);
      return socket.resume();
    };
  }

  /** The client broke the protocol: the session has said so, and is over. */
  #failed(error: Error): void {
    if (this.#closing) return;
    this.#closing = true;
    const message = `HTTP/2 connection closed: ${error.message}`;
    this.thread.reporter.report("warn", "HTTP/2 connections", message, { client: this.peerAddress });
  }

  #abortAll(error: GatewayError): void {
    for (const stream of this.#streams.all()) stream.destroy(error);
  }
}

class SessionError extends Error {
  readonly code = "ERR_HTTP2_REFUSED";
}

type SessionOptions = NonNullable<Parameters<typeof performServerHandshake>[1]>;

/** One object for all connections of a snapshot. */
let madeFor: Http2Spec | null = null;
let made: SessionOptions = {};

function sessionOptions(spec: Http2Spec, limits: HeadLimits): SessionOptions {
  if (spec !== madeFor) {
    madeFor = spec;
    made = newSessionOptions(spec, limits);
  }
  return made;
}

function newSessionOptions(
  { maxStreams, streamWindowBytes, maxResets }: Http2Spec,
  limits: HeadLimits,
): SessionOptions {
  const { lineBytes, headerBytes, headerCount } = limits;
  // What is a little too large gets an answer (http2/request-head.ts); what is far too large never gets so far.
  const pairs = 2 * headerCount + 8;
  const options = {
    maxHeaderListPairs: pairs,
    maxOutstandingPings: MAX_OUTSTANDING_PINGS,
    maxSettings: MAX_SETTINGS_ENTRIES,
    maxSessionInvalidFrames: MAX_INVALID_FRAMES,
    maxSessionRejectedStreams: MAX_REJECTED_STREAMS,
    // Those that never become a stream here are counted by nghttp2.
    streamResetBurst: 2 * maxResets,
    streamResetRate: Math.ceil(maxResets / 5),
    // Outer white space is refused in http2/fields.ts; nghttp2 would leave the field out.
    strictFieldWhitespaceValidation: false,
    strictSingleValueFields: false,
    settings: {
      maxConcurrentStreams: maxStreams,
      initialWindowSize: streamWindowBytes,
      maxHeaderListSize: 2 * (lineBytes + headerBytes) + 32 * pairs,
      enableConnectProtocol: true,
    },
  };
  return options;
}
