// One client connection of HTTP/1: bytes in, exchanges through the pipeline one after the other, bytes out.
//
//   idle ─▶ head ─▶ body ─▶ complete ─(response ended)─▶ idle
//     └───────┴───────┴────────┴─▶ closing (answer is out, rest is discarded) ─▶ closed
//                              └─▶ tunnel (after a 101)

import { clockMs } from "../../core/clock.ts";
import { GatewayError } from "../../core/errors.ts";
import {
  type ClientStream,
  Exchange,
  type RequestHead,
  type ResponseHead,
  type TunnelEnd,
  UNKNOWN_LENGTH,
} from "../../core/exchange.ts";
import type { HeaderList } from "../../core/headers.ts";
import type { Arrival } from "../arrival.ts";
import { ClientConnection } from "../client-connection.ts";
import { beginExchange, failExchange, finishExchange } from "../pipeline.ts";
import { unsentBytes } from "../socket.ts";
import { SocketWriter } from "../socket-writer.ts";
import type { ThreadContext } from "../thread-context.ts";
import { BODY_CHUNKED, BODY_LENGTH, BodyReader } from "./body-reader.ts";
import { FAILED, type HeadParser, NEED_MORE } from "./head-parser.ts";
import { headFault, readRequestHead } from "./request-head.ts";
import { unreadableRequest } from "./unreadable-request.ts";
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
} from "./writer.ts";

const IDLE = 0;
const HEAD = 1;
const BODY = 2;
const COMPLETE = 3;
const TUNNEL = 4;
const CLOSING = 5;
const CLOSED = 6;

/** What the deadline of a connection is about. */
const WAIT_REQUEST = 2;
const WAIT_HEAD = 3;
const WAIT_BODY = 4;
const WAIT_CLIENT = 5;

export function serveConnection(arrival: Arrival, thread: ThreadContext): void {
  thread.connections.add(new ServerConnection(arrival, thread));
}

export class ServerConnection extends ClientConnection implements ClientStream {
  readonly #writer: SocketWriter;
  #state = IDLE;
  #exchange: Exchange | null = null;
  #parser: HeadParser | null = null;
  #body: BodyReader | null = null;
  /** Bytes read and not used yet, from `#inputAt` on. */
  #input: Buffer | null = null;
  #inputAt = 0;
  #pumping = false;
  #keepAlive = true;
  #expectsContinue = false;
  #bodyPaused = false;
  #framing = FRAME_NONE;
  /** Bytes of the body at the last look of the deadline. */
  #progress = 0;

  constructor(arrival: Arrival, thread: ThreadContext) {
    super(arrival, thread);
    this.#writer = new SocketWriter(arrival.socket, thread.sendBuffer, arrival.tls !== null);
    this.wait(WAIT_HEAD, thread.active.server.readTimeoutMs);
  }

  // ---- from the socket ----

  protected override received(chunk: Buffer): void {
    if (this.diverted !== null) {
      this.diverted(chunk);
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

  protected override failed(bug: unknown): void {
    const error = new GatewayError("internal", "an error in the gateway itself", bug);
    if (this.#exchange === null) this.thread.reporter.connectionFailed(error);
    this.destroy(error);
  }

  /** The client closed its sending side: like nginx, a client that did so has gone. */
  protected override clientEnded(): void {
    if (this.#exchange !== null && this.#state !== CLOSING) {
      this.#abort(
        new GatewayError("client_gone", "the client closed the connection before the response ended"),
      );
    }
    this.destroySocket();
  }

  protected override drained(): void {
    if (this.waitingFor === WAIT_CLIENT) {
      this.thread.deadlines.clear(this);
      if (this.#state === IDLE) this.#awaitRequest();
      else if (this.#state === BODY && !this.#bodyPaused) this.#waitForBody();
    }
    const exchange = this.#exchange;
    if (exchange !== null) (exchange.transform ?? exchange.action)?.onClientDrain();
  }

  protected override closed(): void {
    // A tunnel hears of it by itself.
    if (this.#exchange !== null && this.#state !== TUNNEL) {
      this.#abort(new GatewayError("client_gone", "the connection to the client was lost"));
    }
    this.#state = CLOSED;
    this.#input = null;
    this.thread.releaseConnection(this);
  }

  protected override timedOut(): void {
    const exchange = this.#exchange;
    switch (this.waitingFor) {
      case WAIT_HEAD:
        if (this.#state === HEAD) {
          this.#reject(new GatewayError("request_timeout", "the request head did not arrive in time"));
        } else this.destroySocket();
        break;
      case WAIT_BODY:
        if (exchange !== null) this.#checkBodyRate(exchange);
        break;
      case WAIT_CLIENT:
        // Of a long piece a slow client may have taken some only.
        if (this.tookSome()) {
          this.wait(WAIT_CLIENT, this.thread.active.server.writeTimeoutMs);
          break;
        }
        if (exchange !== null)
          this.#abort(new GatewayError("client_stalled", "the client took nothing in time"));
        this.destroySocket();
        break;
      default:
        // The last bytes of the last response may still be on their way; and over TLS an end is said (close_notify).
        if (unsentBytes(this.socket) > 0 || this.tls !== null) this.#close();
        else this.destroySocket();
    }
  }

  /** Whether an exchange is under way, or the end of its response. */
  get busy(): boolean {
    return this.#exchange !== null || unsentBytes(this.socket) > 0;
  }

  /** At shutdown: goes now if nothing is under way, else after the answer. */
  drain(): void {
    if (this.#state === IDLE) this.#close();
  }

  /** Ends whatever is under way. */
  destroy(error: GatewayError): void {
    if (this.#state === TUNNEL && this.#exchange !== null) this.#exchange.error = error;
    else if (this.#exchange !== null) this.#abort(error);
    this.destroySocket();
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
    this.socket.pause();
  }

  /** Takes some of the input. Returns false when nothing more can be taken now. */
  #step(): boolean {
    switch (this.#state) {
      case IDLE:
        // A client that takes no answers gets no more of them: what it sent ahead waits.
        if (this.socket.writableNeedDrain) return false;
        this.#state = HEAD;
        this.#parser = this.thread.borrowParser();
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
      if (first) this.wait(WAIT_HEAD, this.thread.active.server.readTimeoutMs);
      return false;
    }
    if (end === FAILED) {
      this.#reject(headFault(parser));
      return false;
    }
    this.#advance(end);
    this.#parser = null;
    const incoming = readRequestHead(parser);
    this.thread.returnParser(parser);
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
    this.thread.deadlines.clear(this);
    if (head.bodyLength === 0) {
      this.#state = COMPLETE;
    } else {
      this.#state = BODY;
      this.#bodyPaused = true;
      this.#body ??= new BodyReader();
      this.#body.begin(head.bodyLength === UNKNOWN_LENGTH ? BODY_CHUNKED : BODY_LENGTH, head.bodyLength);
    }
    const exchange = new Exchange(head, this, this.peerAddress, clockMs());
    this.#exchange = exchange;
    beginExchange(this.thread, exchange);
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
      if (this.waitingFor === WAIT_BODY) this.thread.deadlines.clear(this);
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
    if (parser !== null) this.thread.returnParser(parser);
    this.#parser = null;
    this.#input = null;
    this.#keepAlive = false;
    this.#state = COMPLETE;
    const exchange = new Exchange(unreadableRequest(method), this, this.peerAddress, clockMs());
    this.#exchange = exchange;
    failExchange(exchange, error);
  }

  #checkBodyRate(exchange: Exchange): void {
    const { readTimeoutMs } = this.thread.active.server;
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
    this.wait(WAIT_BODY, this.thread.active.server.readTimeoutMs);
  }

  // ---- ClientStream ----

  resumeBody(): void {
    if (this.#state !== BODY || !this.#bodyPaused) return;
    if (this.#expectsContinue) {
      this.#expectsContinue = false;
      if (this.#input === null) this.#writer.text(CONTINUE);
    }
    this.#bodyPaused = false;
    this.#waitForBody();
    if (this.#pumping) {
      while (this.#state === BODY && this.#input !== null && this.#readBody());
    } else {
      this.#pump();
    }
    if (!this.#bodyPaused && this.socket.isPaused()) this.socket.resume();
  }

  pauseBody(): void {
    this.#bodyPaused = true;
    if (this.#state !== BODY) return;
    this.socket.pause();
    if (this.waitingFor === WAIT_BODY) this.thread.deadlines.clear(this);
  }

  sendInformational(head: ResponseHead): void {
    if (this.#exchange?.request.protocol === "HTTP/1.1") this.#writer.text(informationalText(head, null));
  }

  sendHead(head: ResponseHead, body: Buffer | null, last: boolean, lent = false): boolean {
    const exchange = this.#exchange!;
    const { method, protocol } = exchange.request;
    exchange.status = head.status;
    const framing = framingOf(head, method, protocol);
    this.#framing = framing;
    if (framing === FRAME_UNTIL_CLOSE || this.thread.draining || (last && this.#state === BODY)) {
      this.#keepAlive = false;
    }
    const connection = this.#keepAlive ? (protocol === "HTTP/1.0" ? "keep-alive" : "") : "close";
    const text = responseHeadText(head, framing, connection);
    if (body === null || framing === FRAME_NONE) {
      this.#writer.text(last && framing === FRAME_CHUNKED ? text + LAST_CHUNK : text);
    } else {
      exchange.bytesOut += body.length;
      this.#writeBody(text, body, last, lent);
    }
    if (last) this.#responseEnded();
    return this.#flowing();
  }

  sendBody(chunk: Buffer, lent = false): boolean {
    if (this.#framing === FRAME_NONE) return true;
    this.#exchange!.bytesOut += chunk.length;
    this.#writeBody("", chunk, false, lent);
    return this.#flowing();
  }

  sendEnd(trailers: HeaderList | null): void {
    if (this.#framing === FRAME_CHUNKED) this.#writer.text(lastChunk(trailers));
    this.#responseEnded();
  }

  #writeBody(before: string, body: Buffer, last: boolean, lent: boolean): void {
    if (this.#framing === FRAME_CHUNKED) {
      const end = last ? `\r\n${LAST_CHUNK}` : "\r\n";
      this.#writer.piece(before + chunkStart(body.length), body, end, lent);
    } else this.#writer.piece(before, body, "", lent);
  }

  #flowing(): boolean {
    if (!this.socket.writableNeedDrain) return true;
    if (this.#state < CLOSING) {
      this.tookSome();
      this.wait(WAIT_CLIENT, this.thread.active.server.writeTimeoutMs);
    }
    return false;
  }

  cut(): void {
    this.#finish();
    this.#state = CLOSING;
    this.socket.resetAndDestroy();
  }

  switchProtocols(head: ResponseHead, protocol: string): TunnelEnd {
    const exchange = this.#exchange!;
    exchange.status = head.status;
    this.#state = TUNNEL;
    const early = this.#input === null ? null : Buffer.from(this.#input.subarray(this.#inputAt));
    this.#input = null;
    this.#writer.text(informationalText(head, protocol));
    return this.handOver(early);
  }

  finishTunnel(): void {
    this.#finish();
    this.#state = CLOSING;
  }

  finished(): void {}

  // ---- ending ----

  #responseEnded(): void {
    const complete = this.#state === COMPLETE;
    this.#finish();
    if (!complete || !this.#keepAlive || this.thread.draining) {
      this.#close();
      return;
    }
    this.#state = IDLE;
    if (this.#flowing()) this.#awaitRequest();
  }

  #awaitRequest(): void {
    this.wait(WAIT_REQUEST, this.thread.active.server.keepAliveTimeoutMs);
    if (this.#input !== null && !this.#pumping) this.#pump();
    if (this.#input === null && this.socket.isPaused()) this.socket.resume();
  }

  #close(): void {
    this.#state = CLOSING;
    this.#input = null;
    this.#body = null;
    this.endSocket();
  }

  #abort(error: GatewayError): void {
    const exchange = this.#exchange!;
    const action = exchange.action;
    exchange.action = null;
    exchange.error ??= error;
    exchange.cut = exchange.status !== 0;
    this.#finish();
    action?.onAborted(error);
    if (exchange.cut) this.socket.resetAndDestroy();
  }

  #finish(): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    this.#exchange = null;
    finishExchange(this.thread, exchange);
  }
}
