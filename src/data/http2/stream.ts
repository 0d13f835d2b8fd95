// One stream of a client's HTTP/2 connection: one request and its response, as an exchange of the pipeline. Runs in data
// threads.
//
//   begun ─▶ body ─▶ complete ─(response ended)─▶ flushing ─▶ closed
//     └─▶ tunnel (after a WebSocket handshake) ──────────────────┘

import { constants, type ServerHttp2Stream, type ServerStreamResponseOptions } from "node:http2";
import { clockMs } from "../../core/clock.ts";
import { Timed } from "../../core/deadlines.ts";
import { GatewayError } from "../../core/errors.ts";
import {
  type ClientStream,
  type ClientTls,
  Exchange,
  type ResponseHead,
  type TunnelEnd,
  UNKNOWN_LENGTH,
} from "../../core/exchange.ts";
import { Field, type HeaderList } from "../../core/headers.ts";
import type { ConnectionEnds } from "../../core/ip.ts";
import { unreadableRequest } from "../http1/unreadable-request.ts";
import { FRAME_NONE, framingOf } from "../http1/writer.ts";
import { beginExchange, failExchange, finishExchange } from "../pipeline.ts";
import type { Receive } from "../socket.ts";
import type { ThreadContext } from "../thread-context.ts";
import { readTrailers, responseFields, trailerFields } from "./fields.ts";
import { readStreamHead } from "./request-head.ts";
import {
  onAborted,
  onData,
  onDrain,
  onEnd,
  onFinish,
  onTrailers,
  onWantTrailers,
  own,
  type StreamOwner,
} from "./stream-events.ts";
import { acceptsKey, closedEnd } from "./websocket.ts";

const { NGHTTP2_NO_ERROR } = constants;

/** Of the request. */
const BODY = 0;
const COMPLETE = 1;
const TUNNEL = 2;

/** What the deadline of a stream is about. */
const WAIT_BODY = 0;
const WAIT_CLIENT = 1;
const WAIT_REST = 2;

/** How much of a request is read behind its answer, and for how long, before it is reset. */
const REST_BYTES = 65_536;
const REST_TIMEOUT_MS = 1000;

/** A client has to take so much of a response in `write_timeout`. */
const FLUSH_BYTES = 65_536;

const BROKEN_OFF = new Error("the response was broken off");

/** Of `respond`; the types do not know `sendDate` here. */
type Options = ServerStreamResponseOptions & { readonly sendDate: false };
const HEAD_ONLY: Options = { endStream: true, sendDate: false };
const WITH_BODY: Options = { sendDate: false };
const WITH_TRAILERS: Options = { sendDate: false, waitForTrailers: true };

/** The connection, as its streams see it. */
export interface StreamHome {
  readonly thread: ThreadContext;
  readonly ends: ConnectionEnds;
  readonly tls: ClientTls | null;
  readonly peer: string;
  /** The client may be near the most streams that it may open. */
  readonly crowded: boolean;
  /** `wasReset` is whether the client did it, before its response was whole. */
  streamClosed(stream: ServerStream, wasReset: boolean): void;
  bugFound(bug: unknown): void;
}

export class ServerStream extends Timed implements ClientStream, StreamOwner {
  readonly #home: StreamHome;
  readonly #stream: ServerHttp2Stream;
  /** Among the streams of its connection. */
  place = -1;
  #exchange: Exchange | null = null;
  #state = COMPLETE;
  #waitingFor = WAIT_BODY;
  #expectsContinue = false;
  #bodyPaused = true;
  /** Listens for the body. */
  #reading = false;
  /** Hears when the client took what was sent. */
  #awaitsDrain = false;
  #requestTrailers: HeaderList | null = null;
  #webSocketKey: string | null = null;
  /** The response goes without the body that it may have. */
  #bodiless = false;
  /** By TE, as gRPC does. */
  #asksForTrailers = false;
  #mayHaveTrailers = false;
  #trailers: HeaderList | null = null;
  /** Bytes of the body at the last look of the deadline. */
  #progress = 0;
  /** The response is whole, but for its end. */
  #endHeld = false;
  /** Bytes of the body that came after that. */
  #rest = 0;
  /** The client reset the stream before its response was whole, or made nghttp2 reset it. */
  #wasReset = false;

  constructor(home: StreamHome, stream: ServerHttp2Stream) {
    super();
    this.#home = home;
    this.#stream = stream;
    own(stream, this);
  }

  /** `raw` has names and values by turns, `ended` is whether the request ends with them. */
  begin(raw: readonly string[], ended: boolean): void {
    const { thread, peer } = this.#home;
    // It was reset in the same moment: nobody waits for an answer.
    if (this.#stream.closed) {
      this.#wasReset = true;
      return;
    }
    const incoming = readStreamHead(raw, ended, thread.active.headLimits);
    // So `node:http2` lets go of it when it is closed, and does not wait for somebody to read its end.
    if (ended) this.#stream.readable = false;
    else {
      this.#state = BODY;
      // Both may come before anybody reads the body.
      this.#stream.on("trailers", onTrailers).on("aborted", onAborted);
    }
    if (incoming instanceof GatewayError) {
      this.#exchange = new Exchange(unreadableRequest("", "HTTP/2.0"), this, peer, clockMs());
      failExchange(this.#exchange, incoming);
      return;
    }
    this.#expectsContinue = incoming.expectsContinue;
    this.#asksForTrailers = incoming.head.headers.ids.includes(Field.te);
    this.#webSocketKey = incoming.webSocketKey;
    const exchange = new Exchange(incoming.head, this, peer, clockMs());
    this.#exchange = exchange;
    beginExchange(thread, exchange);
  }

  /** Ends whatever is under way. */
  destroy(error: GatewayError): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    if (this.#state === TUNNEL) {
      exchange.error = error;
      this.#stream.destroy();
    } else this.#abort(error);
  }

  // ---- from the client ----

  received(chunk: Buffer): void {
    const exchange = this.#exchange;
    if (this.#state !== BODY) return;
    if (exchange === null) {
      this.#rest += chunk.length;
      if (this.#rest <= REST_BYTES) return;
      this.#stream.pause();
      this.#release();
      return;
    }
    exchange.bytesIn += chunk.length;
    if (exchange.maxBodyBytes !== null && exchange.bytesIn > exchange.maxBodyBytes) {
      const message = `the request body is longer than ${exchange.maxBodyBytes} bytes`;
      failExchange(exchange, new GatewayError("body_too_large", message));
      return;
    }
    exchange.action?.onRequestBody(chunk);
  }

  trailersCame(raw: readonly string[]): void {
    this.#requestTrailers = readTrailers(raw);
  }

  bodyEnded(): void {
    if (this.#state !== BODY) return;
    const exchange = this.#exchange;
    // A reset ends the readable side too, and is no end of a request.
    if (this.#stream.closed) {
      this.#clientReset();
      return;
    }
    this.#state = COMPLETE;
    if (this.#waitingFor === WAIT_BODY) this.#home.thread.deadlines.clear(this);
    if (exchange === null) this.#release();
    else exchange.action?.onRequestEnd(this.#requestTrailers);
  }

  drained(): void {
    const { thread } = this.#home;
    const exchange = this.#exchange;
    if (exchange === null) return;
    thread.deadlines.clear(this);
    if (this.#state === BODY && !this.#bodyPaused) this.#waitForBody();
    (exchange.transform ?? exchange.action)?.onClientDrain();
  }

  /** The client reset the stream while its request was being read. */
  aborted(): void {
    if (this.#state === TUNNEL) return;
    this.#clientReset();
    this.#reset();
  }

  sendTrailersNow(): void {
    const fields = this.#trailers === null ? null : trailerFields(this.#trailers);
    this.#stream.sendTrailers(fields ?? {});
  }

  closed(): void {
    this.#home.thread.deadlines.remove(this);
    // A tunnel hears of it by itself.
    if (this.#state !== TUNNEL) this.#clientReset();
    this.#home.streamClosed(this, this.#wasReset);
  }

  bugFound(bug: unknown): void {
    const error = new GatewayError("internal", "an error in the gateway itself", bug);
    if (this.#exchange === null) this.#home.bugFound(bug);
    else this.destroy(error);
    this.#reset();
  }

  override onDeadline(): void {
    const exchange = this.#exchange;
    if (this.#waitingFor === WAIT_BODY) {
      if (exchange !== null) this.#checkBodyRate(exchange);
      return;
    }
    if (this.#waitingFor === WAIT_REST) {
      if (this.#endHeld) this.#release();
      else this.#stream.close(NGHTTP2_NO_ERROR);
      return;
    }
    if (exchange !== null) this.#abort(new GatewayError("client_stalled", "the client took nothing in time"));
    this.#reset();
  }

  #checkBodyRate(exchange: Exchange): void {
    const { readTimeoutMs } = this.#home.thread.active.server;
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
    this.#wait(WAIT_BODY, this.#home.thread.active.server.readTimeoutMs);
  }

  /** What waits in the stream goes at the pace of the client, but not slower than a piece in each `write_timeout`. */
  #waitForClient(): void {
    const pieces = Math.ceil(this.#stream.writableLength / FLUSH_BYTES) || 1;
    this.#wait(WAIT_CLIENT, pieces * this.#home.thread.active.server.writeTimeoutMs);
  }

  #wait(reason: number, timeoutMs: number): void {
    this.#waitingFor = reason;
    this.#home.thread.deadlines.set(this, timeoutMs);
  }

  // ---- ClientStream ----

  get ends(): ConnectionEnds {
    return this.#home.ends;
  }

  get tls(): ClientTls | null {
    return this.#home.tls;
  }

  resumeBody(): void {
    const stream = this.#stream;
    if (this.#state !== BODY || !this.#bodyPaused || stream.closed) return;
    if (this.#expectsContinue) {
      this.#expectsContinue = false;
      if (stream.readableLength === 0) stream.additionalHeaders({ ":status": 100 });
    }
    this.#bodyPaused = false;
    this.#waitForBody();
    this.#read();
    // What is there already goes along with the head of the request: reading emits "data".
    while (!this.#bodyPaused && stream.readableLength > 0 && stream.read() !== null);
  }

  #read(): void {
    const stream = this.#stream;
    if (this.#reading) stream.resume();
    else {
      this.#reading = true;
      stream.on("end", onEnd).on("data", onData);
    }
  }

  pauseBody(): void {
    this.#bodyPaused = true;
    if (this.#state !== BODY) return;
    if (this.#reading) this.#stream.pause();
    if (this.#waitingFor === WAIT_BODY) this.#home.thread.deadlines.clear(this);
  }

  sendInformational(head: ResponseHead): void {
    if (this.#isGone()) return;
    const fields: Record<string, string | number | string[]> = { ":status": head.status };
    const { headers } = head;
    for (let i = 0; i < headers.length; i++) {
      const id = headers.ids[i]!;
      if (id <= Field.lastHopByHop && id !== Field.other) continue;
      const name = headers.nameAt(i).toLowerCase();
      const before = fields[name];
      fields[name] =
        before === undefined ? headers.valueAt(i) : [before, headers.valueAt(i)].flat().map(String);
    }
    this.#stream.additionalHeaders(fields);
  }

  sendHead(head: ResponseHead, body: Buffer | null, last: boolean, lent = false): boolean {
    if (this.#isGone()) return true;
    const exchange = this.#exchange!;
    const stream = this.#stream;
    if (this.#webSocketKey !== null && head.status >= 200 && head.status < 300) {
      // To the client this would say that the WebSocket is open (RFC 8441 section 5).
      this.#webSocketKey = null;
      failExchange(
        exchange,
        new GatewayError("response_malformed", `status ${head.status} for a WebSocket: expected 101`),
      );
      return true;
    }
    exchange.status = head.status;
    const { method } = exchange.request;
    const bodiless = framingOf(head, method, "HTTP/1.1") === FRAME_NONE || head.status === 205;
    this.#bodiless = bodiless;
    const fields = responseFields(head, head.status !== 204 && head.status !== 205);
    const waits = last && this.#mustWait();
    if (bodiless || (last && body === null && !waits)) {
      stream.respond(fields as never, HEAD_ONLY);
      if (last) this.#responseEnded();
      return true;
    }
    this.#mayHaveTrailers = !last && (head.bodyLength === UNKNOWN_LENGTH || this.#asksForTrailers);
    stream.respond(fields as never, this.#mayHaveTrailers ? WITH_TRAILERS : WITH_BODY);
    if (body !== null) exchange.bytesOut += body.length;
    if (last && !waits && body !== null) {
      stream.end(lent ? body : Buffer.from(body));
      this.#responseEnded();
      return true;
    }
    const flows = body === null || this.#write(body, lent);
    if (last) this.#waitForRequest();
    return flows;
  }

  sendBody(chunk: Buffer, lent = false): boolean {
    if (this.#bodiless || this.#isGone()) return true;
    this.#exchange!.bytesOut += chunk.length;
    return this.#write(chunk, lent);
  }

  sendEnd(trailers: HeaderList | null): void {
    if (this.#isGone()) return;
    if (!this.#bodiless) {
      if (trailers !== null && this.#mayHaveTrailers) {
        this.#trailers = trailers;
        this.#stream.on("wantTrailers", onWantTrailers);
      }
      if (this.#mustWait()) {
        this.#waitForRequest();
        return;
      }
      this.#stream.end();
    }
    this.#responseEnded();
  }

  #write(chunk: Buffer, lent: boolean): boolean {
    const stream = this.#stream;
    if (stream.write(lent ? chunk : Buffer.from(chunk))) return true;
    if (!this.#awaitsDrain) {
      this.#awaitsDrain = true;
      stream.on("drain", onDrain);
    }
    this.#waitForClient();
    return false;
  }

  cut(): void {
    this.#finish();
    this.#reset();
  }

  switchProtocols(head: ResponseHead, _protocol: string): TunnelEnd {
    const exchange = this.#exchange;
    const key = this.#webSocketKey;
    const stream = this.#stream;
    if (exchange === null || key === null || stream.closed) return closedEnd();
    if (!acceptsKey(head.headers, key)) {
      failExchange(
        exchange,
        new GatewayError("response_malformed", "101 with another Sec-WebSocket-Accept than expected"),
      );
      return closedEnd();
    }
    this.#state = TUNNEL;
    exchange.status = 200;
    head.headers.removeNamed("sec-websocket-accept");
    this.#home.thread.deadlines.clear(this);
    stream.respond(responseFields({ ...head, status: 200 }, false) as never, WITH_BODY);
    return { socket: stream, early: null, receive: (listener) => this.#divert(listener) };
  }

  #divert(listener: Receive): void {
    this.#stream.on("data", (chunk: Buffer) => {
      try {
        listener(chunk);
      } catch (bug) {
        this.bugFound(bug);
      }
    });
  }

  finishTunnel(): void {
    this.#finish();
  }

  finished(): void {}

  // ---- ending ----

  /** A stream that is closed says so later: until then nothing can be sent on it. */
  #isGone(): boolean {
    if (this.#exchange !== null && !this.#stream.closed) return false;
    this.#clientReset();
    return true;
  }

  #responseEnded(): void {
    this.#finish();
    this.#afterEnd();
  }

  #afterEnd(): void {
    this.#waitForClient();
    if (this.#state === COMPLETE) return;
    this.#stream.on("finish", onFinish);
    this.#stream.readable = false;
    if (this.#rest <= REST_BYTES) this.#read();
  }

  /**
   * What is left of the request is of no use to anybody, and is reset (RFC 9113 section 8.1). Not at once: nghttp2 drops
   * what it has not sent yet of a stream that is reset, and that may be all of the response.
   */
  responseSent(): void {
    if (this.#state !== COMPLETE) this.#wait(WAIT_REST, REST_TIMEOUT_MS);
  }

  /**
   * Where a response ends before its request, the client closes the stream at its own last byte, and may open another one
   * in the same moment; here the stream is closed later. A client at its limit would be over it, and `node:http2` refuses
   * the new one. So the end of the response waits a moment for that of the request; of calls that go both ways (gRPC) only
   * where it has to.
   */
  #mustWait(): boolean {
    if (this.#state !== BODY || this.#expectsContinue) return false;
    return !this.#asksForTrailers || this.#home.crowded;
  }

  #waitForRequest(): void {
    this.#finish();
    this.#endHeld = true;
    this.#read();
    this.#wait(WAIT_REST, REST_TIMEOUT_MS);
  }

  #release(): void {
    if (!this.#endHeld) return;
    this.#endHeld = false;
    this.#stream.end();
    this.#afterEnd();
  }

  #clientReset(): void {
    if (this.#exchange === null) return;
    this.#wasReset = true;
    this.#abort(new GatewayError("client_gone", "the client reset the stream"));
  }

  #abort(error: GatewayError): void {
    const exchange = this.#exchange!;
    const action = exchange.action;
    exchange.action = null;
    exchange.error ??= error;
    exchange.cut = exchange.status !== 0;
    this.#finish();
    action?.onAborted(error);
    this.#reset();
  }

  /**
   * RST_STREAM with INTERNAL_ERROR. Not by `close`, which ends the response first: what was broken off would look whole.
   */
  #reset(): void {
    this.#stream.destroy(BROKEN_OFF);
  }

  #finish(): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    this.#exchange = null;
    finishExchange(this.#home.thread, exchange);
  }
}
