// One client connection of HTTP/1: bytes in, exchanges through the pipeline one after the other, bytes out.
//
//   idle ─▶ head ─▶ body ─▶ complete ─(response ended)─▶ idle
//     └───────┴───────┴────────┴─▶ closing (answer is out, rest is discarded) ─▶ closed
//                              └─▶ tunnel (after a 101)

import type { Socket } from "node:net";
import { Timed } from "../../core/deadlines.ts";
import { GatewayError } from "../../core/errors.ts";
import {
  type ClientStream,
  Exchange,
  type RequestHead,
  type ResponseHead,
  type TunnelEnd,
  UNKNOWN_LENGTH,
} from "../../core/exchange.ts";
import { HeaderList } from "../../core/headers.ts";
import { plainAddress } from "../../core/ip.ts";
import { beginExchange, failExchange, finishExchange } from "../pipeline.ts";
import { type AcceptedHandle, acceptSocket, type Receive } from "../socket.ts";
import type { ThreadContext } from "../thread-context.ts";
import { BODY_CHUNKED, BODY_LENGTH, BodyReader } from "./body-reader.ts";
import { FAILED, type HeadParser, NEED_MORE } from "./head-parser.ts";
import { headFault, readRequestHead } from "./request-head.ts";
import {
  CONTINUE,
  chunkStart,
  FRAME_CHUNKED,
  FRAME_NONE,
  FRAME_UNTIL_CLOSE,
  framingOf,
  informationalText,
  LAST_CHUNK,
  lastChunk,
  responseHeadText,
  SMALL_BODY_BYTES,
} from "./writer.ts";

const IDLE = 0;
const HEAD = 1;
const BODY = 2;
const COMPLETE = 3;
const TUNNEL = 4;
const CLOSING = 5;
const CLOSED = 6;

/** What the deadline of a connection is about. */
const WAIT_REQUEST = 0;
const WAIT_HEAD = 1;
const WAIT_BODY = 2;
const WAIT_CLIENT = 3;
const WAIT_CLOSE = 4;

/** How long a client may take to close its side after the last answer. */
const CLOSE_TIMEOUT_MS = 2000;

export function serveConnection(accepted: AcceptedHandle, thread: ThreadContext): void {
  thread.connections.add(new ServerConnection(accepted, thread));
}

export class ServerConnection extends Timed implements ClientStream {
  readonly #socket: Socket;
  readonly #thread: ThreadContext;
  #state = IDLE;
  #exchange: Exchange | null = null;
  #parser: HeadParser | null = null;
  #body: BodyReader | null = null;
  /** Bytes read and not used yet, from `#inputAt` on. */
  #input: Buffer | null = null;
  #inputAt = 0;
  #pumping = false;
  #peerAddress: string | null = null;
  #keepAlive = true;
  #expectsContinue = false;
  #bodyPaused = false;
  #framing = FRAME_NONE;
  #waitingFor = WAIT_HEAD;
  #tunnel: Receive | null = null;
  /** At the last look of the deadline: bytes of the body, or bytes still to be written. */
  #progress = 0;

  constructor(accepted: AcceptedHandle, thread: ThreadContext) {
    super();
    const socket = acceptSocket(accepted, thread.readBuffer, {
      receive: (chunk) => this.#receive(chunk),
      failed: (bug) => this.#failed(bug),
    });
    socket.on("end", () => this.#clientEnded());
    socket.on("drain", () => this.#drained());
    // "close" follows, and says all there is to say.
    socket.on("error", noop);
    socket.on("close", () => this.#closed());
    this.#socket = socket;
    this.#thread = thread;
    this.#wait(WAIT_HEAD, thread.active.server.readTimeoutMs);
  }

  // ---- from the socket ----

  #receive(chunk: Buffer): void {
    if (this.#tunnel !== null) {
      this.#tunnel(chunk);
      return;
    }
    if (this.#state >= CLOSING) return;
    if (this.#input === null) {
      this.#input = chunk;
      this.#inputAt = 0;
    } else {
      this.#input = Buffer.concat([this.#input.subarray(this.#inputAt), chunk]);
      this.#inputAt = 0;
    }
    this.#pump();
  }

  #failed(bug: unknown): void {
    const error = new GatewayError("internal", "an error in the gateway itself", bug);
    if (this.#exchange === null) this.#thread.reporter.connectionFailed(error);
    this.destroy(error);
  }

  /** The client closed its sending side: like nginx, a client that did so has gone. */
  #clientEnded(): void {
    if (this.#exchange !== null && this.#state !== CLOSING) {
      this.#abort(
        new GatewayError("client_gone", "the client closed the connection before the response ended"),
      );
    }
    this.#destroy();
  }

  #drained(): void {
    if (this.#waitingFor === WAIT_CLIENT) {
      this.#thread.deadlines.clear(this);
      if (this.#state === IDLE) this.#awaitRequest();
      else if (this.#state === BODY && !this.#bodyPaused) this.#waitForBody();
    }
    this.#exchange?.action?.onClientDrain();
  }

  #closed(): void {
    // A tunnel hears of it by itself.
    if (this.#exchange !== null && this.#state !== TUNNEL) {
      this.#abort(new GatewayError("client_gone", "the connection to the client was lost"));
    }
    this.#state = CLOSED;
    this.#input = null;
    this.#thread.deadlines.remove(this);
    this.#thread.releaseConnection(this);
  }

  override onDeadline(): void {
    const exchange = this.#exchange;
    switch (this.#waitingFor) {
      case WAIT_HEAD:
        if (this.#state === HEAD) {
          this.#reject(new GatewayError("request_timeout", "the request head did not arrive in time"));
        } else this.#destroy();
        break;
      case WAIT_BODY:
        if (exchange !== null) this.#checkBodyRate(exchange);
        break;
      case WAIT_CLIENT:
        if (exchange !== null)
          this.#abort(new GatewayError("client_stalled", "the client took nothing in time"));
        this.#destroy();
        break;
      case WAIT_CLOSE:
        // What is still being written may go on as long as it gets anywhere.
        if (this.#socket.writableLength > 0 && this.#socket.writableLength !== this.#progress) {
          this.#progress = this.#socket.writableLength;
          this.#wait(WAIT_CLOSE, this.#thread.active.server.writeTimeoutMs);
        } else this.#destroy();
        break;
      default:
        // The last bytes of the last response may still be on their way.
        if (this.#socket.writableLength > 0) this.#close();
        else this.#destroy();
    }
  }

  /** Whether an exchange is under way, or the end of its response. */
  get busy(): boolean {
    return this.#exchange !== null || this.#socket.writableLength > 0;
  }

  /** At shutdown: goes now if nothing is under way, else after the answer. */
  drain(): void {
    if (this.#state === IDLE) this.#close();
  }

  /** Ends whatever is under way. */
  destroy(error: GatewayError): void {
    if (this.#state === TUNNEL && this.#exchange !== null) this.#exchange.error = error;
    else if (this.#exchange !== null) this.#abort(error);
    this.#destroy();
  }

  // ---- reading requests ----

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#input !== null && this.#step());
    this.#pumping = false;
    if (this.#input === null) return;
    // Bytes that no one can take yet: they outlive the thread's read buffer.
    this.#input = Buffer.from(this.#input.subarray(this.#inputAt));
    this.#inputAt = 0;
    this.#socket.pause();
  }

  /** Takes some of the input. Returns false when nothing more can be taken now. */
  #step(): boolean {
    switch (this.#state) {
      case IDLE:
        // A client that takes no answers gets no more of them: what it sent ahead waits.
        if (this.#socket.writableNeedDrain) return false;
        this.#state = HEAD;
        this.#parser = this.#thread.borrowParser();
        return this.#readHead(true);
      case HEAD:
        return this.#readHead(false);
      case BODY:
        return this.#readBody();
      case COMPLETE:
      case TUNNEL:
        return false;
      default:
        this.#input = null;
        return false;
    }
  }

  #readHead(first: boolean): boolean {
    const parser = this.#parser!;
    const end = parser.feed(this.#input!, this.#inputAt);
    if (end === NEED_MORE) {
      this.#input = null;
      if (first) this.#wait(WAIT_HEAD, this.#thread.active.server.readTimeoutMs);
      return false;
    }
    if (end === FAILED) {
      this.#reject(headFault(parser));
      return false;
    }
    this.#advance(end);
    this.#parser = null;
    const incoming = readRequestHead(parser);
    this.#thread.returnParser(parser);
    if (incoming instanceof GatewayError) {
      this.#reject(incoming, parser.method);
      return false;
    }
    this.#keepAlive = incoming.keepAlive;
    this.#expectsContinue = incoming.expectsContinue;
    this.#begin(incoming.head);
    return true;
  }

  #begin(head: RequestHead): void {
    this.#thread.deadlines.clear(this);
    if (head.bodyLength === 0) {
      this.#state = COMPLETE;
    } else {
      this.#state = BODY;
      this.#bodyPaused = true;
      this.#body ??= new BodyReader();
      this.#body.begin(head.bodyLength === UNKNOWN_LENGTH ? BODY_CHUNKED : BODY_LENGTH, head.bodyLength);
    }
    this.#peerAddress ??= plainAddress(this.#socket.remoteAddress ?? "");
    const exchange = new Exchange(head, this, this.#peerAddress, performance.now());
    this.#exchange = exchange;
    beginExchange(this.#thread, exchange);
  }

  #readBody(): boolean {
    const exchange = this.#exchange;
    const body = this.#body!;
    if (exchange === null || this.#bodyPaused) return false;
    this.#advance(body.feed(this.#input!, this.#inputAt));
    if (body.fault !== null) {
      this.#keepAlive = false;
      failExchange(exchange, new GatewayError("body_malformed", body.fault));
      return false;
    }
    const data = body.data;
    if (data !== null) {
      exchange.bytesIn += data.length;
      if (exchange.maxBodyBytes !== null && exchange.bytesIn > exchange.maxBodyBytes) {
        const message = `the request body is longer than ${exchange.maxBodyBytes} bytes`;
        failExchange(exchange, new GatewayError("body_too_large", message));
        return false;
      }
      exchange.action?.onRequestBody(data);
    }
    if (body.done && this.#exchange === exchange && this.#state === BODY) {
      this.#state = COMPLETE;
      if (this.#waitingFor === WAIT_BODY) this.#thread.deadlines.clear(this);
      exchange.action?.onRequestEnd(body.trailers);
    }
    return true;
  }

  #advance(offset: number): void {
    this.#inputAt = offset;
    if (offset === this.#input!.length) this.#input = null;
  }

  /** Answers a request that never became an exchange. `method` is empty where it could not be read. */
  #reject(error: GatewayError, method = ""): void {
    const parser = this.#parser;
    if (parser !== null) this.#thread.returnParser(parser);
    this.#parser = null;
    this.#input = null;
    this.#keepAlive = false;
    this.#state = COMPLETE;
    this.#peerAddress ??= plainAddress(this.#socket.remoteAddress ?? "");
    const exchange = new Exchange(
      { ...UNREADABLE_REQUEST, method },
      this,
      this.#peerAddress,
      performance.now(),
    );
    this.#exchange = exchange;
    failExchange(exchange, error);
  }

  #checkBodyRate(exchange: Exchange): void {
    const { readTimeoutMs } = this.#thread.active.server;
    const least = (exchange.minBodyRate * readTimeoutMs) / 1000;
    if (exchange.bytesIn - this.#progress >= least) {
      this.#waitForBody();
      return;
    }
    const message = `the request body came with less than ${exchange.minBodyRate} bytes per second`;
    failExchange(exchange, new GatewayError("request_timeout", message));
  }

  #waitForBody(): void {
    const exchange = this.#exchange;
    if (exchange === null || exchange.minBodyRate === 0) return;
    this.#progress = exchange.bytesIn;
    this.#wait(WAIT_BODY, this.#thread.active.server.readTimeoutMs);
  }

  // ---- ClientStream ----

  resumeBody(): void {
    if (this.#state !== BODY || !this.#bodyPaused) return;
    if (this.#expectsContinue) {
      this.#expectsContinue = false;
      if (this.#input === null) this.#socket.write(CONTINUE, "latin1");
    }
    this.#bodyPaused = false;
    this.#waitForBody();
    if (this.#pumping) {
      while (this.#state === BODY && this.#input !== null && this.#readBody());
    } else {
      this.#pump();
    }
    if (!this.#bodyPaused && this.#socket.isPaused()) this.#socket.resume();
  }

  pauseBody(): void {
    this.#bodyPaused = true;
    if (this.#state !== BODY) return;
    this.#socket.pause();
    if (this.#waitingFor === WAIT_BODY) this.#thread.deadlines.clear(this);
  }

  sendInformational(head: ResponseHead): void {
    if (this.#exchange?.request.protocol === "HTTP/1.1")
      this.#socket.write(informationalText(head, null), "latin1");
  }

  sendHead(head: ResponseHead, body: Buffer | null, last: boolean): boolean {
    const exchange = this.#exchange!;
    const { method, protocol } = exchange.request;
    exchange.status = head.status;
    const framing = framingOf(head, method, protocol);
    this.#framing = framing;
    if (framing === FRAME_UNTIL_CLOSE || this.#thread.draining || (last && this.#state === BODY)) {
      this.#keepAlive = false;
    }
    const connection = this.#keepAlive ? (protocol === "HTTP/1.0" ? "keep-alive" : "") : "close";
    const text = responseHeadText(head, framing, connection);
    if (body === null || framing === FRAME_NONE) {
      this.#socket.write(last && framing === FRAME_CHUNKED ? text + LAST_CHUNK : text, "latin1");
    } else {
      exchange.bytesOut += body.length;
      this.#writeBody(text, body, last);
    }
    if (last) this.#responseEnded();
    return this.#flowing();
  }

  sendBody(chunk: Buffer): boolean {
    if (this.#framing === FRAME_NONE) return true;
    this.#exchange!.bytesOut += chunk.length;
    this.#writeBody("", chunk, false);
    return this.#flowing();
  }

  sendEnd(trailers: HeaderList | null): void {
    if (this.#framing === FRAME_CHUNKED) this.#socket.write(lastChunk(trailers), "latin1");
    this.#responseEnded();
  }

  /** One write for a small piece, one gathered write for a large one. */
  #writeBody(before: string, body: Buffer, last: boolean): void {
    const socket = this.#socket;
    const chunked = this.#framing === FRAME_CHUNKED;
    const start = chunked ? before + chunkStart(body.length) : before;
    const end = chunked ? (last ? `\r\n${LAST_CHUNK}` : "\r\n") : "";
    if (body.length <= SMALL_BODY_BYTES) {
      socket.write(start + body.toString("latin1") + end, "latin1");
      return;
    }
    socket.cork();
    if (start !== "") socket.write(start, "latin1");
    socket.write(this.#thread.sendBuffer.copy(body));
    if (end !== "") socket.write(end, "latin1");
    socket.uncork();
    this.#thread.sendBuffer.sent(socket);
  }

  #flowing(): boolean {
    if (!this.#socket.writableNeedDrain) return true;
    if (this.#state < CLOSING) this.#wait(WAIT_CLIENT, this.#thread.active.server.writeTimeoutMs);
    return false;
  }

  cut(): void {
    this.#finish();
    this.#state = CLOSING;
    this.#socket.resetAndDestroy();
  }

  switchProtocols(head: ResponseHead, protocol: string): TunnelEnd {
    const exchange = this.#exchange!;
    exchange.status = head.status;
    this.#state = TUNNEL;
    this.#thread.deadlines.clear(this);
    const early = this.#input === null ? null : Buffer.from(this.#input.subarray(this.#inputAt));
    this.#input = null;
    const socket = this.#socket;
    socket.removeAllListeners("end").removeAllListeners("drain");
    socket.write(informationalText(head, protocol), "latin1");
    const receive = (listener: Receive) => {
      this.#tunnel = listener;
    };
    return { socket, early, receive };
  }

  finishTunnel(): void {
    this.#finish();
    this.#state = CLOSING;
  }

  // ---- ending ----

  #responseEnded(): void {
    const complete = this.#state === COMPLETE;
    this.#finish();
    if (!complete || !this.#keepAlive || this.#thread.draining) {
      this.#close();
      return;
    }
    this.#state = IDLE;
    if (this.#flowing()) this.#awaitRequest();
  }

  #awaitRequest(): void {
    this.#wait(WAIT_REQUEST, this.#thread.active.server.keepAliveTimeoutMs);
    if (this.#input !== null && !this.#pumping) this.#pump();
    if (this.#input === null && this.#socket.isPaused()) this.#socket.resume();
  }

  /** The last answer is out: sends FIN and discards what still comes, so that no reset overtakes the answer. */
  #close(): void {
    this.#state = CLOSING;
    this.#input = null;
    this.#body = null;
    this.#socket.end();
    if (this.#socket.isPaused()) this.#socket.resume();
    this.#progress = this.#socket.writableLength;
    this.#wait(WAIT_CLOSE, this.#progress > 0 ? this.#thread.active.server.writeTimeoutMs : CLOSE_TIMEOUT_MS);
  }

  #abort(error: GatewayError): void {
    const exchange = this.#exchange!;
    const action = exchange.action;
    exchange.action = null;
    exchange.error ??= error;
    exchange.cut = exchange.status !== 0;
    this.#finish();
    action?.onAborted(error);
    if (exchange.cut) this.#socket.resetAndDestroy();
  }

  #finish(): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    this.#exchange = null;
    finishExchange(this.#thread, exchange);
  }

  /** With a reset where some of a response was not sent: a close could look like its end (RFC 9112 section 8). */
  #destroy(): void {
    if (this.#socket.writableLength > 0) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  #wait(reason: number, timeoutMs: number): void {
    this.#waitingFor = reason;
    this.#thread.deadlines.set(this, timeoutMs);
  }
}

/** Stands in for a head that could not be read, in the log. */
const UNREADABLE_REQUEST: RequestHead = {
  method: "",
  path: "",
  query: "",
  authority: "",
  host: "",
  protocol: "HTTP/1.1",
  headers: new HeaderList(),
  bodyLength: 0,
  upgrade: null,
};

function noop(): void {}
