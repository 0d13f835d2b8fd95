// One exchange in a VM: makes a Request of what came over the link, runs the handler, sends its Response. Runs in VMs.
//
//   begin ─▶ (queued) ─▶ run ─▶ answer ─▶ sent
//              └──────────┴───────┴─ aborted: the data thread does not want it any more

import { readNumber } from "../wire/frame-reader.ts";
import {
  FrameType,
  HEAD_ENDS,
  HEAD_PREFIX_BYTES,
  MAX_HEAD_BYTES,
  MAX_PIECE_BYTES,
  RESPONSE_WINDOW_BYTES,
} from "../wire/frames.ts";
import { Context } from "./context.ts";
import { type Failure, failureOf, textOf } from "./failure.ts";
import type { GatewayLink, LinkUser } from "./gateway-link.ts";
import { lengthOf, saidLength, withLength } from "./http/known-length.ts";
import { requestOf } from "./http/request-of.ts";
import type { RequestSource } from "./http/request-source.ts";
import { partsOf, type ResponseParts } from "./http/response-parts.ts";
import { InContext } from "./in-context.ts";
import { RequestBody } from "./request-body.ts";
import { ResponseBody } from "./response-body.ts";
import { type HeadParts, headText } from "./sent-heads.ts";
import type { Turn } from "./turns.ts";
import { UpstreamError } from "./upstream-error.ts";
import { LinkClient } from "./websocket/link-client.ts";
import { freshHalf, loseWebSocket } from "./websocket/web-socket.ts";

/** For what the head of a response has beside what the app gives it: its version and status, its length, the empty line. */
const HEAD_RESERVE_BYTES = 64;

const HOLD = Uint8Array.of(1);
const LET_GO = Uint8Array.of(0);

export class Served implements LinkUser, Turn, RequestSource {
  method = "";
  url = "";
  headerLines = "";
  readonly link: GatewayLink;
  readonly stream: number;
  isTold = false;
  #head = "";
  body: RequestBody | null = null;
  #abort: AbortController | null = null;
  /** Why nobody waits for the response any more. */
  #reason: DOMException | null = null;
  #sending: ResponseBody | null = null;
  /** It has its turn: the handler runs. */
  #running = false;
  #over = false;
  /** The exchange was over before the handler was. */
  #abandoned = false;
  #credit = RESPONSE_WINDOW_BYTES;
  /** What goes on after it, or may. */
  #holds = 0;

  constructor(link: GatewayLink, stream: number) {
    this.link = link;
    this.stream = stream;
  }

  begin(bytes: Buffer, start: number, end: number): void {
    const bodyStart = start + HEAD_PREFIX_BYTES + readNumber(bytes, start + 1);
    const isWhole = (bytes[start]! & HEAD_ENDS) !== 0;
    this.#head = bytes.toString("latin1", start + HEAD_PREFIX_BYTES, bodyStart);
    if (!isWhole || end > bodyStart) {
      // A copy: the payload is gone after the call.
      const piece = Uint8Array.prototype.slice.call(bytes, bodyStart, end);
      const known = isWhole
        ? { whole: piece, length: piece.length }
        : { whole: null, length: saidLength(this.#head) };
      this.body = new RequestBody(this.link, this.stream, known);
      if (!isWhole && piece.length > 0) this.body.add(piece);
    }
    this.link.turns.enter(this);
  }

  onQueued(): void {
    this.link.writer.empty(FrameType.queued, this.stream);
  }

  onStarted(): void {
    this.link.writer.empty(FrameType.started, this.stream);
  }

  flush(): void {
    this.link.writer.flush();
  }

  run(): void {
    this.#running = true;
    const { fetch, envFor, requests } = this.link.turns.app;
    // It holds until the next one is begun: what waits has the context that it began to wait in.
    if (requests !== null) requests.enterWith(this);
    let result: unknown;
    try {
      result = fetch(this.#request(), envFor(this), new Context(this));
      if (isThenable(result)) {
        result.then(
          (response) => this.#answer(response),
          (error) => this.#fail(error),
        );
        return;
      }
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#answer(result);
  }

  onFrame(type: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case FrameType.body:
        this.body?.add(Uint8Array.prototype.slice.call(bytes, start, end));
        break;
      case FrameType.end:
        this.body?.end();
        break;
      case FrameType.credit:
        this.#credit += readNumber(bytes, start);
        this.#sending?.onCredit();
        break;
      case FrameType.abort:
        this.#aborted(bytes.toString("utf8", start, end));
        break;
    }
  }

  onLinkEnded(): void {
    this.#aborted("the link to the gateway closed");
  }

  // ---- for who sends the body of the response ----

  get credit(): number {
    return this.#credit;
  }

  sendBody(piece: Uint8Array): void {
    this.#credit -= piece.length;
    this.link.writer.bytes(FrameType.body, this.stream, piece);
  }

  sendEnd(): void {
    this.link.writer.empty(FrameType.end, this.stream);
    this.#sent();
  }

  /** The body broke off. */
  breakOff(error: unknown): void {
    if (!this.#over) this.#giveUp(error instanceof UpstreamError ? error.code : "failed", failureOf(error));
  }

  /** What the gateway tells of the client. */
  get clientLine(): string {
    const head = this.#head;
    const start = head.indexOf("\n") + 1;
    return head.slice(start, head.indexOf("\n", start));
  }

  signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#reason !== null) this.#abort.abort(this.#reason);
    return this.#abort.signal;
  }

  /** Its client is remembered when the exchange is over, for what still asks upstreams. */
  hold(): void {
    if (this.#holds++ === 0 && this.link.turns.app.asks)
      this.link.writer.bytes(FrameType.hold, this.stream, HOLD);
  }

  letGo(): void {
    if (--this.#holds === 0 && this.link.turns.app.asks)
      this.link.writer.bytes(FrameType.hold, this.stream, LET_GO);
  }

  // ---- answering ----

  #request(): Request {
    const head = this.#head;
    const space = head.indexOf(" ");
    const lineEnd = head.indexOf("\n");
    this.method = head.slice(0, space);
    this.url = head.slice(space + 1, lineEnd);
    this.headerLines = head.slice(head.indexOf("\n", lineEnd + 1) + 1);
    return requestOf(this);
  }

  #answer(response: unknown): void {
    if (this.#over) {
      this.#returnedLate();
      if (response instanceof Response) loseWebSocket(response);
      return;
    }
    if (!(response instanceof Response)) {
      this.#invalid(`the handler returned ${textOf(response)}: expected a Response`);
      return;
    }
    let parts: ResponseParts;
    try {
      parts = partsOf(response);
    } catch (error) {
      this.#invalid(`the handler returned a Response that cannot be sent: ${failureOf(error).message}`);
      return;
    }
    const { body, headerLines, webSocket } = parts;
    if (headerLines.length + parts.statusText.length > MAX_HEAD_BYTES - HEAD_RESERVE_BYTES) {
      this.#invalid(`the handler returned a Response with ${headerLines.length} bytes of headers`);
      return;
    }
    if (webSocket !== null) this.#switchTo(webSocket, headText(parts));
    else if (body === null || typeof body === "string" || body instanceof Uint8Array)
      this.#sendKnown(parts, body);
    else if (this.method === "HEAD") {
      this.#sendHeadOnly(parts);
      body.cancel().catch(() => {});
    } else this.#sendPieces(sized(parts, lengthOf(body)), body);
  }

  /** Piece by piece, at the pace of the client. */
  #sendPieces(parts: HeadParts, body: ReadableStream<Uint8Array> | Uint8Array): void {
    this.link.writer.head(this.stream, headText(parts), null, 0);
    this.#sending = new ResponseBody(body, this);
    // Before another turn begins, so that the app makes its pieces in the name of this request.
    this.#sending.start();
    this.#release();
  }

  /** A body that is at hand: a short one goes with its head. */
  #sendKnown(parts: ResponseParts, body: string | Uint8Array | null): void {
    if (this.method === "HEAD") {
      this.#sendHeadOnly(body === null ? parts : sized(parts, Buffer.byteLength(body)));
    } else if (body === null || body.length <= MAX_PIECE_BYTES / 3) {
      // How long it is, the gateway sees.
      this.link.sentHeads.send(this.link.writer, this.stream, parts, body);
      this.#sent();
    } else {
      const bytes = typeof body === "string" ? Buffer.from(body) : body;
      this.#sendPieces(sized(parts, bytes.length), bytes);
    }
  }

  #sendHeadOnly(parts: HeadParts): void {
    this.link.writer.head(this.stream, headText(parts), null, HEAD_ENDS);
    this.#sent();
  }

  /** The stream is that of a WebSocket from now on. */
  #switchTo(webSocket: object, head: string): void {
    const half = freshHalf(webSocket);
    if (typeof half === "string") {
      this.#invalid(half);
      return;
    }
    const link = this.link;
    const { webSocketQueueBytes, requests } = link.turns.app;
    const client = new LinkClient(link, this.stream, half.other, webSocketQueueBytes);
    link.writer.head(this.stream, head, null, 0);
    this.#over = true;
    link.handOver(this.stream, requests === null ? client : new InContext(client));
    half.give(client);
    this.#release();
  }

  #invalid(message: string): void {
    if (!this.#over) this.#giveUp("invalid", { message, stack: "" });
  }

  /** `code` is `failed`, `invalid`, or that of an upstream. */
  #giveUp(code: string, { message, stack }: Failure): void {
    this.link.writer.text(FrameType.abort, this.stream, `${code}\n${message}\0${stack}`);
    this.#sent();
  }

  #fail(error: unknown): void {
    this.#returnedLate();
    this.breakOff(error);
  }

  /** All that there is was sent. */
  #sent(): void {
    this.#over = true;
    this.body?.exchangeEnded();
    this.link.forget(this.stream);
    this.#release();
  }

  #aborted(why: string): void {
    if (this.#over) return;
    this.#over = true;
    const error = new DOMException(why, "AbortError");
    this.body?.fail(error);
    this.#sending?.cancel(error);
    this.#reason = error;
    this.#abortSignal(error);
    if (this.link.turns.giveUp(this) || !this.#running) return;
    this.#abandoned = true;
    this.hold();
    this.link.turns.work.abandoned++;
    this.#release();
  }

  #returnedLate(): void {
    if (!this.#abandoned) return;
    this.#abandoned = false;
    this.letGo();
    this.link.turns.work.abandoned--;
  }

  /** Whoever hears of it does so as in the handler. */
  #abortSignal(reason: DOMException): void {
    const { requests } = this.link.turns.app;
    if (this.#abort === null) return;
    if (requests === null) this.#abort.abort(reason);
    else requests.run(this, () => this.#abort?.abort(reason));
  }

  /** Its turn is over: the next one begins. */
  #release(): void {
    if (!this.#running) return;
    this.#running = false;
    this.link.turns.leave();
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";
}

function sized(parts: HeadParts, length: number | null): HeadParts {
  const { status, statusText, headerLines } = parts;
  return { status, statusText, headerLines: withLength(headerLines, length) };
}
