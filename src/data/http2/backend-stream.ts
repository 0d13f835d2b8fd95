// One exchange with a backend over HTTP/2: a stream of a session, which many exchanges share. Runs in data threads.
//
//   waiting for a session ─▶ ready ─▶ awaiting head ─▶ body ─▶ over          any doubt ─▶ over, and the stream is reset

import { type ClientHttp2Stream, constants } from "node:http2";
import { Readable } from "node:stream";
import type { BackendSpec } from "../../config/snapshot.ts";
import { type Deadlines, Timed } from "../../core/deadlines.ts";
import { type ErrorCode, GatewayError } from "../../core/errors.ts";
import { type ResponseHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import type { HeaderList } from "../../core/headers.ts";
import type {
  BackendConnection,
  BackendUser,
  OutgoingHead,
  RequestTimes,
} from "../upstream/backend-connection.ts";
import { readResponseHead, readTrailers } from "./backend-response.ts";
import type { BackendSession, StreamError } from "./backend-session.ts";
import { trailerFields } from "./fields.ts";

const { NGHTTP2_CANCEL, NGHTTP2_PROTOCOL_ERROR, NGHTTP2_FLAG_END_STREAM } = constants;

const WAITING = 0;
const READY = 1;
const AWAIT_HEAD = 2;
const BODY = 3;
const OVER = 4;

/** Informational responses before a final one; more of them are an attack or a fault. */
const MAX_INFORMATIONAL = 32;

/** Streams whose end came with END_STREAM. */
const whole = new WeakSet<Readable>();

/**
 * Replaces `push` of a stream: Node ends one that was reset with NO_ERROR as if it were whole, and tells the two apart
 * nowhere. A reset closes the stream before it is ended.
 */
function pushNotingEnd(this: ClientHttp2Stream, chunk: unknown, encoding?: BufferEncoding): boolean {
  if (chunk === null && !this.closed) whole.add(this);
  return Readable.prototype.push.call(this, chunk, encoding);
}

/** `close` alone would end the request first: half of a body would look whole to the backend. */
function resetStream(stream: ClientHttp2Stream, code: number): void {
  stream._final = endsNothing;
  stream.close(code);
}

function endsNothing(callback: (error?: Error | null) => void): void {
  callback();
}

/** Where an exchange is counted. */
export interface StreamHome {
  /** Its response is whole, or it failed: its place is free. */
  streamOver(exchange: BackendStream): void;
}

export class BackendStream extends Timed implements BackendConnection {
  /** Among the streams of its session. */
  place = -1;
  readonly #home: StreamHome;
  readonly #deadlines: Deadlines;
  #user: BackendUser | null;
  #session: BackendSession | null = null;
  #stream: ClientHttp2Stream | null = null;
  #state = WAITING;
  #method = "";
  #times: RequestTimes | null = null;
  #idleMs = 0;
  #requestEnded = false;
  #requestTrailers: HeaderList | null = null;
  #responseTrailers: HeaderList | null = null;
  #informational = 0;
  /** A response head waits for its first data, so that both leave in one write. */
  #heldHead: ResponseHead | null = null;
  #heldData: Buffer | null = null;
  /** Bytes of the body that have not come yet, where its length is known; else negative. */
  #missing = -1;
  /** Some of a response came: its request must not be sent again. */
  #answerBegan = false;
  #error: StreamError = null;
  #wasOnlyOne = false;
  #stale = false;
  #reused = false;

  constructor(home: StreamHome, deadlines: Deadlines, user: BackendUser) {
    super();
    this.#home = home;
    this.#deadlines = deadlines;
    this.#user = user;
  }

  // ---- from the session ----

  /** It has a place on a session, which may be connecting yet. */
  placed(session: BackendSession): void {
    this.#session = session;
    if (session.isOpen) this.#state = READY;
  }

  connected(): void {
    this.#state = READY;
    this.#user?.onConnected();
  }

  /** The session is gone, or never came to be. */
  lost(code: ErrorCode, message: string, cause?: unknown): void {
    this.#fail(code, message, cause);
  }

  /** The connection has closed: what came of a whole response before that is passed on, paused or not. */
  takeRest(): void {
    const stream = this.#stream;
    if (stream === null) this.#fail("connect_failed", "the backend closed the connection");
    else if ((whole.has(stream) || this.#missing === 0) && !stream.destroyed && this.#state !== OVER) {
      // It comes by "data", paused or not.
      while (stream.read() !== null);
      this.#ended();
    }
  }

  // ---- BackendConnection ----

  get usable(): boolean {
    return this.#state === READY && this.#session?.isOpen === true;
  }

  get reused(): boolean {
    return this.#reused;
  }

  get maybeStale(): boolean {
    return this.#stale;
  }

  sendHead(head: OutgoingHead, backend: BackendSpec, times: RequestTimes): void {
    const session = this.#session!;
    const { method, bodyLength } = head;
    this.#state = AWAIT_HEAD;
    this.#method = method;
    this.#times = times;
    this.#idleMs = times.idleMs;
    this.#requestEnded = bodyLength === 0;
    this.#wasOnlyOne = session.users === 1;
    this.#reused = session.requests++ > 0;
    const options = { endStream: bodyLength === 0, waitForTrailers: bodyLength === UNKNOWN_LENGTH };
    const stream = session.request(head.fieldsFor(backend), options, times.backendKeepAliveMs);
    this.#stream = stream;
    stream.push = pushNotingEnd;
    stream.on("headers", (_fields, _flags, raw) => this.#takeInformational(raw));
    stream.on("response", (_fields, flags, raw) => this.#takeHead(raw, flags));
    stream.on("trailers", (_fields, _flags, raw) => this.#takeTrailers(raw));
    stream.on("end", () => this.#ended());
    stream.on("drain", () => this.#drained());
    stream.on("wantTrailers", () => stream.sendTrailers(this.#trailersToSend));
    // "close" follows, and tells what it was.
    stream.on("error", (error) => {
      this.#error = error;
    });
    stream.on("close", () => this.#closed(stream));
    this.#deadlines.set(this, times.responseMs);
    if (bodyLength !== 0) this.#requestProgressed();
  }

  /** Whatever is written in one turn of the event loop leaves together anyway. */
  flushHead(): void {}

  sendBody(chunk: Buffer): boolean {
    const stream = this.#stream;
    if (stream === null || this.#state === OVER || !stream.writable) return true;
    stream.write(Buffer.from(chunk));
    this.#requestProgressed();
    return !stream.writableNeedDrain;
  }

  sendEnd(trailers: HeaderList | null): void {
    this.#requestEnded = true;
    this.#requestTrailers = trailers;
    if (this.#state === OVER) return;
    this.#stream?.end();
    this.#requestProgressed();
  }

  allowIdle(idleMs: number): void {
    this.#idleMs = idleMs;
    if (this.#state === BODY) this.#deadlines.set(this, idleMs);
  }

  pause(): void {
    if (this.#state !== BODY) return;
    this.#stream?.pause();
    this.#deadlines.clear(this);
  }

  resume(): void {
    if (this.#state !== BODY) return;
    this.#stream?.resume();
    this.#deadlines.set(this, this.#idleMs);
  }

  retire(): void {
    this.#over(NGHTTP2_CANCEL);
  }

  // ---- time ----

  /** The deadline is the backend's while it has something to take or to answer, else the client's (as in http1/client.ts). */
  #requestProgressed(): void {
    const stream = this.#stream!;
    if (this.#state === AWAIT_HEAD) {
      if (this.#requestEnded || stream.writableNeedDrain) this.#deadlines.set(this, this.#times!.responseMs);
      else this.#deadlines.clear(this);
    } else if (this.#state === BODY && !stream.isPaused()) {
      this.#deadlines.set(this, this.#idleMs);
    }
  }

  override onDeadline(): void {
    // It may be the connection that is dead.
    this.#session?.suspect();
    if (this.#state === AWAIT_HEAD) this.#fail("response_timeout", "the backend did not answer in time");
    else this.#fail("response_stalled", "the backend stopped in the middle of its response");
  }

  get #trailersToSend(): Record<string, string | string[]> {
    return (this.#requestTrailers === null ? null : trailerFields(this.#requestTrailers)) ?? {};
  }

  // ---- from the stream ----

  #drained(): void {
    if (this.#state === OVER) return;
    this.#requestProgressed();
    this.#user?.onBackendDrain();
  }

  #takeInformational(raw: readonly string[]): void {
    if (this.#state !== AWAIT_HEAD || this.#heldHead !== null) return;
    const head = readResponseHead(raw, this.#method, false);
    if (typeof head === "string") this.#fail("response_malformed", head);
    else if (++this.#informational > MAX_INFORMATIONAL)
      this.#fail("response_malformed", `more than ${MAX_INFORMATIONAL} informational responses`);
    else {
      this.#answerBegan = true;
      if (head.status !== 100) this.#user?.onInformational(head);
    }
  }

  #takeHead(raw: readonly string[], flags: number): void {
    if (this.#state !== AWAIT_HEAD) return;
    const last = (flags & NGHTTP2_FLAG_END_STREAM) !== 0;
    const head = readResponseHead(raw, this.#method, last);
    if (typeof head === "string" || head.status < 200) {
      this.#fail("response_malformed", typeof head === "string" ? head : "no final response");
      return;
    }
    this.#answerBegan = true;
    if (last) {
      const user = this.#user;
      this.#responseEnded();
      user?.onResponseHead(head, null, true);
      return;
    }
    this.#heldHead = head;
    this.#missing = this.#method === "HEAD" ? 0 : head.bodyLength;
    this.#stream!.on("data", (chunk: Buffer) => this.#takeData(chunk));
    this.#session!.tellSoon(this);
  }

  /** The head that waits goes on, with the data that came meanwhile. */
  tellHead(): void {
    const head = this.#heldHead;
    if (head === null || this.#state !== AWAIT_HEAD) return;
    const data = this.#heldData;
    this.#heldHead = null;
    this.#heldData = null;
    this.#state = BODY;
    this.#deadlines.set(this, this.#idleMs);
    this.#user?.onResponseHead(head, data, false);
  }

  #takeData(chunk: Buffer): void {
    if (this.#missing > 0) this.#missing -= chunk.length;
    if (this.#heldHead !== null && this.#heldData === null) {
      this.#heldData = chunk;
      return;
    }
    this.tellHead();
    if (this.#state !== BODY) return;
    this.#deadlines.set(this, this.#idleMs);
    this.#user?.onResponseBody(chunk);
  }

  #takeTrailers(raw: readonly string[]): void {
    if (this.#state === OVER) return;
    const trailers = readTrailers(raw);
    if (typeof trailers === "string") this.#fail("response_malformed", `trailer section: ${trailers}`);
    else if (trailers.length > 0) this.#responseTrailers = trailers;
  }

  #ended(): void {
    const stream = this.#stream!;
    if (this.#state === OVER || !(whole.has(stream) || this.#missing === 0)) return;
    const head = this.#heldHead;
    const trailers = this.#responseTrailers;
    // Trailers need an end of their own; everything else may go out with the head.
    if (head !== null && trailers !== null) this.tellHead();
    // Whoever does not want this response has let go of it by now.
    const user = this.#user;
    if (user === null) return;
    this.#responseEnded();
    if (this.#heldHead !== null) user.onResponseHead(this.#heldHead, this.#heldData, true);
    else user.onResponseEnd(trailers);
  }

  #closed(stream: ClientHttp2Stream): void {
    if (this.#state === OVER) return;
    const session = this.#session!;
    const { code, message } = session.faultOf(stream, this.#error, this.#answerBegan);
    this.#stale =
      code === "stream_refused" ? session.wentAway : session.isLost && this.#wasOnlyOne && this.#reused;
    this.#fail(code, message, this.#error ?? session.cause ?? undefined);
  }

  // ---- ending ----

  #responseEnded(): void {
    // A backend that answered before it read the request reads no more of it (RFC 9113 section 8.1).
    this.#over(this.#requestEnded ? null : NGHTTP2_CANCEL);
  }

  /** `reset` is the code that the stream is reset with, or null. */
  #over(reset: number | null): void {
    if (this.#state === OVER) return;
    this.#state = OVER;
    this.#user = null;
    this.#deadlines.remove(this);
    if (reset !== null && this.#stream !== null) resetStream(this.#stream, reset);
    this.#session?.leave(this);
    this.#home.streamOver(this);
  }

  #fail(code: ErrorCode, message: string, cause?: unknown): void {
    const user = this.#user;
    this.#over(code === "response_malformed" ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_CANCEL);
    user?.onBackendFailed(new GatewayError(code, message, cause));
  }
}
