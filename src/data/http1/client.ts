// One HTTP/1.1 connection to a backend: sends a request, reads its response strictly, and knows whether it may be used again.
//
//   connecting ─▶ idle ─▶ awaiting head ─▶ body ─▶ idle ─▶ retired ─▶ closed          any doubt ─▶ closed

import type { Socket } from "node:net";
import type { BackendSpec } from "../../config/snapshot.ts";
import { type Deadlines, Timed } from "../../core/deadlines.ts";
import { type ErrorCode, GatewayError } from "../../core/errors.ts";
import { type ResponseHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import type { HeaderList } from "../../core/headers.ts";
import { connectSocket, type Receive } from "../socket.ts";
import { type SendBuffer, SocketWriter } from "../socket-writer.ts";
import { endedByNotice, sendBeforeHandshake, type TlsClient } from "../tls-client.ts";
import { faultText, handshakeFault, refusesCertificate } from "../tls-failure.ts";
import type {
  BackendConnection,
  BackendUser,
  OutgoingHead,
  RequestTimes,
} from "../upstream/backend-connection.ts";
import { BodyReader } from "./body-reader.ts";
import { hasToken } from "./fields.ts";
import { FAILED, HeadParser, NEED_MORE } from "./head-parser.ts";
import { readResponseHead } from "./response-head.ts";
import { chunkStart, lastChunk } from "./writer.ts";

/** Where a connection goes when it is free, or gone. */
export interface ConnectionHome {
  readonly spec: BackendSpec;
  /** Null for plain connections. */
  readonly tls: TlsClient | null;
  readonly readBuffer: Buffer;
  readonly sendBuffer: SendBuffer;
  /** Its response is whole. `reusable` is false where the backend is about to close it. */
  released(connection: Http1Connection, reusable: boolean): void;
  closed(connection: Http1Connection): void;
}

const CONNECTING = 0;
const IDLE = 1;
const AWAIT_HEAD = 2;
const BODY = 3;
const TUNNEL = 4;
/** Our side is closed; the backend is about to close its own. */
const RETIRED = 5;
const CLOSED = 6;

const RESPONSE_LIMITS = { lineBytes: 8192, headerBytes: 65_536, headerCount: 256 };
/** Informational responses before a final one; more of them are an attack or a fault. */
const MAX_INFORMATIONAL = 32;
/** How long a backend may take to close a connection after we did. */
const RETIRE_TIMEOUT_MS = 1000;

export class Http1Connection extends Timed implements BackendConnection {
  readonly socket: Socket;
  readonly #writer: SocketWriter;
  readonly #home: ConnectionHome;
  readonly #deadlines: Deadlines;
  readonly #parser = new HeadParser("response", RESPONSE_LIMITS);
  readonly #body = new BodyReader();
  #state = CONNECTING;
  /** The TCP connection is open, and TLS is not. */
  #handshaking = false;
  #user: BackendUser | null;
  #method = "";
  #offered: string | null = null;
  /** The head that waits for the first piece of the body, or empty. */
  #heldHead = "";
  #chunked = false;
  #requestEnded = false;
  #keepAlive = false;
  #informational = 0;
  /** Some of a response head came: its request must not be sent again. */
  #answerBegan = false;
  #times: RequestTimes | null = null;
  #idleMs = 0;
  #cause: Error | null = null;
  #tunnel: Receive | null = null;
  /** Requests sent on this connection. */
  requests = 0;
  /** It belongs to an exchange, from being opened or taken to being released or closed. */
  inUse = true;

  constructor(home: ConnectionHome, deadlines: Deadlines, user: BackendUser, connectMs: number) {
    super();
    this.#home = home;
    this.#deadlines = deadlines;
    this.#user = user;
    const socket = connectSocket(home.spec, home.tls, home.readBuffer, {
      receive: (chunk) => this.#receive(chunk),
      failed: (bug) => this.#fail("internal", "an error in the gateway itself", bug),
    });
    // Before the handshake, which the same event begins.
    socket.prependListener("connect", () => this.#opened());
    if (home.tls !== null) socket.on("secureConnect", () => this.#connected());
    socket.on("end", () => this.#ended());
    socket.on("drain", () => this.#drained());
    socket.on("error", (error) => {
      this.#cause = error;
    });
    socket.on("close", () => this.#closed());
    this.socket = socket;
    this.#writer = new SocketWriter(socket, home.sendBuffer, home.tls !== null);
    deadlines.set(this, connectMs);
  }

  /** Whether a request may be sent: nothing came in and nothing ended since the last response. */
  get usable(): boolean {
    return this.#state === IDLE && !this.socket.destroyed && !this.socket.readableEnded;
  }

  get reused(): boolean {
    return this.requests > 1;
  }

  get maybeStale(): boolean {
    return this.reused;
  }

  take(user: BackendUser): void {
    this.inUse = true;
    this.#user = user;
  }

  /**
   * Closes a connection that nobody needs any more, so that the backend knows of it before another one is opened in its
   * place: it counts as open until the backend has closed its side too. What still comes is thrown away.
   */
  retire(): void {
    this.#user = null;
    this.#heldHead = "";
    // The backend may have accepted it already: it goes the same way as soon as it is open.
    if (this.#state === CONNECTING || this.socket.destroyed) return;
    this.#state = RETIRED;
    if (this.socket.isPaused()) this.socket.resume();
    this.socket.end();
    this.#deadlines.set(this, RETIRE_TIMEOUT_MS);
  }

  sendHead(head: OutgoingHead, backend: BackendSpec, times: RequestTimes): void {
    const whole = head.bodyLength === 0;
    this.#state = AWAIT_HEAD;
    this.#method = head.method;
    this.#offered = head.upgrade;
    this.#chunked = head.bodyLength === UNKNOWN_LENGTH;
    this.#requestEnded = whole;
    this.#informational = 0;
    this.#answerBegan = false;
    this.#times = times;
    this.#idleMs = times.idleMs;
    this.#parser.reset(RESPONSE_LIMITS);
    this.requests++;
    this.#heldHead = head.textFor(backend);
    if (whole) this.#write("", null, "");
    else this.#deadlines.set(this, times.responseMs);
  }

  flushHead(): void {
    if (this.#heldHead !== "") this.#write("", null, "");
  }

  sendBody(chunk: Buffer): boolean {
    return this.#chunked ? this.#write(chunkStart(chunk.length), chunk, "\r\n") : this.#write("", chunk, "");
  }

  sendEnd(trailers: HeaderList | null): void {
    this.#requestEnded = true;
    if (this.#chunked) this.#write(lastChunk(trailers), null, "");
    else this.#requestProgressed();
  }

  #write(before: string, chunk: Buffer | null, after: string): boolean {
    const start = this.#heldHead + before;
    this.#heldHead = "";
    if (chunk === null) this.#writer.text(start);
    else this.#writer.piece(start, chunk, after);
    this.#requestProgressed();
    return !this.socket.writableNeedDrain;
  }

  /** The deadline is the backend's while it has something to take or to answer, else the client's (http1/server.ts). */
  #requestProgressed(): void {
    if (this.#state === AWAIT_HEAD) {
      if (this.#requestEnded || this.socket.writableNeedDrain) {
        this.#deadlines.set(this, this.#times!.responseMs);
      } else this.#deadlines.clear(this);
    } else if (this.#state === BODY && !this.socket.isPaused()) {
      this.#deadlines.set(this, this.#idleMs);
    }
  }

  allowIdle(idleMs: number): void {
    this.#idleMs = idleMs;
    if (this.#state === BODY) this.#deadlines.set(this, idleMs);
  }

  pause(): void {
    if (this.#state !== BODY) return;
    this.socket.pause();
    this.#deadlines.clear(this);
  }

  resume(): void {
    if (this.#state !== BODY) return;
    this.socket.resume();
    this.#deadlines.set(this, this.#idleMs);
  }

  /** Closes a connection at once. */
  cut(): void {
    this.#user = null;
    this.socket.resetAndDestroy();
  }

  /** Nothing more is wanted of it. */
  #giveUp(): void {
    const isHttp = this.#state === IDLE || this.#state === AWAIT_HEAD || this.#state === BODY;
    // Else the backend has not opened it in time, or has closed it.
    if (isHttp && !this.socket.readableEnded) this.retire();
    else this.socket.destroy();
  }

  override onDeadline(): void {
    switch (this.#state) {
      case CONNECTING:
        this.#fail(
          "connect_timeout",
          this.#handshaking
            ? "the backend did not finish the TLS handshake in time"
            : "the backend did not accept the connection in time",
        );
        break;
      case AWAIT_HEAD:
        this.#fail("response_timeout", "the backend did not answer in time");
        break;
      case BODY:
        this.#fail("response_stalled", "the backend stopped in the middle of its response");
        break;
      case IDLE:
        this.retire();
        break;
      default:
        this.socket.destroy();
    }
  }

  #opened(): void {
    if (this.#user === null && this.#home.spec.proxyProtocol !== null && this.#home.tls !== null) {
      // Nobody is left to say what goes before the handshake.
      this.socket.destroy();
      return;
    }
    const preface = this.#user?.preface() ?? null;
    if (this.#home.tls !== null) {
      this.#handshaking = true;
      if (preface !== null) sendBeforeHandshake(this.socket, preface);
      return;
    }
    if (preface !== null) this.socket.write(preface);
    this.#connected();
  }

  #connected(): void {
    this.#handshaking = false;
    this.#state = IDLE;
    this.#deadlines.clear(this);
    if (this.#user === null) this.retire();
    else this.#user.onConnected();
  }

  #receive(chunk: Buffer): void {
    if (this.#tunnel !== null) {
      this.#tunnel(chunk);
      return;
    }
    let at = 0;
    while (this.#state === AWAIT_HEAD) {
      const end = this.#parser.feed(chunk, at);
      if (end === NEED_MORE) {
        this.#answerBegan = true;
        return;
      }
      if (end === FAILED) {
        this.#fail("response_malformed", this.#parser.message);
        return;
      }
      at = end;
      if (!this.#takeHead(chunk, at)) return;
    }
    if (this.#state === BODY) {
      this.#takeBody(chunk, at);
    } else if (this.#state === IDLE) {
      // Bytes that no request asked for: whatever they are, the next response could not be told from them.
      this.retire();
    }
  }

  /** Returns whether reading goes on in this chunk with another head. */
  #takeHead(chunk: Buffer, at: number): boolean {
    const incoming = readResponseHead(this.#parser, this.#method);
    if (typeof incoming === "string") {
      this.#fail("response_malformed", incoming);
      return false;
    }
    const { head } = incoming;
    if (head.status < 200) {
      if (head.status === 101) {
        this.#switch(head, incoming.upgrade, chunk.subarray(at));
        return false;
      }
      if (++this.#informational > MAX_INFORMATIONAL) {
        this.#fail("response_malformed", `more than ${MAX_INFORMATIONAL} informational responses`);
        return false;
      }
      this.#answerBegan = true;
      if (head.status !== 100) this.#user?.onInformational(head);
      this.#parser.reset(RESPONSE_LIMITS);
      return at < chunk.length && this.#state === AWAIT_HEAD;
    }
    const body = this.#body;
    body.begin(incoming.bodyKind, head.bodyLength);
    this.#keepAlive = incoming.keepAlive;
    this.#state = BODY;
    const end = body.feed(chunk, at);
    if (body.fault !== null) {
      this.#fail("response_malformed", body.fault);
      return false;
    }
    const user = this.#user;
    const { data, done, trailers } = body;
    // Trailers need an end of their own; everything else may go out with the head.
    const last = done && trailers === null;
    if (last) this.#responseEnded(end === chunk.length);
    else if (!done) this.#deadlines.set(this, this.#idleMs);
    user?.onResponseHead(head, data, last);
    // Whoever does not want this response has destroyed the connection.
    if (done && !last && this.#user !== null) {
      this.#responseEnded(end === chunk.length);
      user?.onResponseEnd(trailers);
    }
    return false;
  }

  #takeBody(chunk: Buffer, at: number): void {
    const body = this.#body;
    const end = body.feed(chunk, at);
    if (body.fault !== null) {
      this.#fail("response_malformed", body.fault);
      return;
    }
    const user = this.#user;
    const { data, done, trailers } = body;
    if (done) this.#responseEnded(end === chunk.length);
    else this.#deadlines.set(this, this.#idleMs);
    if (data !== null) user?.onResponseBody(data);
    if (done) user?.onResponseEnd(trailers);
  }

  #switch(head: ResponseHead, protocol: string | null, early: Buffer): void {
    if (protocol === null || this.#offered === null || !hasToken(this.#offered, protocol)) {
      this.#fail(
        "response_malformed",
        `101 for protocol "${protocol ?? ""}": expected one of "${this.#offered ?? ""}"`,
      );
      return;
    }
    this.#state = TUNNEL;
    this.#deadlines.remove(this);
    this.socket.removeAllListeners("end").removeAllListeners("drain");
    this.#user?.onSwitch(head, protocol, {
      socket: this.socket,
      early: early.length > 0 ? Buffer.from(early) : null,
      receive: (listener) => {
        this.#tunnel = listener;
      },
    });
    this.#user = null;
  }

  /** The response is whole: the connection is free, unless anything about it is in doubt. */
  #responseEnded(nothingFollows: boolean): void {
    this.#user = null;
    this.#state = IDLE;
    if (!nothingFollows || !this.#requestEnded || this.socket.writableNeedDrain) {
      this.#giveUp();
      return;
    }
    if (this.socket.isPaused()) this.socket.resume();
    this.inUse = false;
    if (this.#keepAlive) this.#deadlines.set(this, this.#times!.backendKeepAliveMs);
    this.#home.released(this, this.#keepAlive);
  }

  #ended(): void {
    if (this.#state === BODY && this.#body.untilClose) {
      // RFC 9112 section 9.8.
      if (this.#home.tls !== null && !endedByNotice(this.socket)) {
        this.#fail(
          "response_truncated",
          "the backend ended a response of unknown length without close_notify: it may not be whole",
        );
        return;
      }
      this.#body.finish();
      const user = this.#user;
      this.#responseEnded(false);
      user?.onResponseEnd(null);
    } else if (this.#state === AWAIT_HEAD || this.#state === BODY) {
      this.#lost();
    } else {
      this.socket.destroy();
    }
  }

  #drained(): void {
    this.#requestProgressed();
    this.#user?.onBackendDrain();
  }

  #closed(): void {
    this.#lost();
    this.#state = CLOSED;
    this.#deadlines.remove(this);
    this.#home.closed(this);
  }

  /** The connection ended or broke. Who waits for it hears in which state it was. */
  #lost(): void {
    const cause = this.#cause === null ? "" : `: ${faultText(this.#cause)}`;
    if (this.#handshaking) {
      this.#fail("connect_failed", `no TLS connection to the backend: ${handshakeFault(this.#cause)}`);
    } else if (this.#state === CONNECTING) {
      this.#fail("connect_failed", `cannot connect to the backend${cause}`);
    } else if (this.#state === AWAIT_HEAD && !this.reused && refusesCertificate(this.#cause)) {
      this.#fail("connect_failed", `no TLS connection to the backend: ${handshakeFault(this.#cause)}`);
    } else if (this.#state === BODY || this.#answerBegan) {
      this.#fail(
        "response_truncated",
        `the backend closed the connection in the middle of its response${cause}`,
      );
    } else {
      this.#fail("upstream_closed", `the backend closed the connection before its response${cause}`);
    }
  }

  #fail(code: ErrorCode, message: string, cause: unknown = this.#cause ?? undefined): void {
    const user = this.#user;
    this.#user = null;
    this.#giveUp();
    user?.onBackendFailed(new GatewayError(code, message, cause));
  }
}
