// The action `app`: an exchange is answered by a handler in one of the app's VMs. Runs in data threads.
//
//   gather the body ─▶ find a VM ─▶ send the head ─▶ (queued ─▶ started) ─▶ response head ─▶ response body ─▶ end
//                       │    ▲                          │
//                       ▼    │                          └─ the VM ended before it began: another VM
//                   wait for one that serves

import type { AppActionSpec, AppSpec } from "../../config/snapshot.ts";
import { AppFault } from "../../core/app-fault.ts";
import { Timed } from "../../core/deadlines.ts";
import { ERRORS, type ErrorCode, GatewayError } from "../../core/errors.ts";
import { type Action, type Exchange, type ResponseHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { Field } from "../../core/headers.ts";
import { readNumber } from "../../wire/frame-reader.ts";
import {
  FrameType,
  HEAD_ENDS,
  HEAD_PREFIX_BYTES,
  REQUEST_WINDOW_BYTES,
  RESPONSE_WINDOW_BYTES,
} from "../../wire/frames.ts";
import { requestHeadFor } from "../apps/request-head.ts";
import { ResponseReader } from "../apps/response-reader.ts";
import type { StreamUser, VmLink } from "../apps/vm-link.ts";
import type { VmPool } from "../apps/vm-pool.ts";
import { startAppWebSocket } from "../apps/websocket/app-websocket.ts";
import { agree, asksForWebSocket, faultHeaders, handshakeFault } from "../apps/websocket/handshake.ts";
import { failExchange } from "../pipeline.ts";
import type { ThreadContext } from "../thread-context.ts";
import type { StartAction } from "./route.ts";

/** What the exchanges of a route share, made once per snapshot. */
interface AppRoute {
  readonly action: AppActionSpec;
  readonly app: AppSpec;
  readonly pool: VmPool;
  readonly thread: ThreadContext;
  readonly reader: ResponseReader;
}

export function createApp(
  action: AppActionSpec,
  app: AppSpec,
  pool: VmPool,
  thread: ThreadContext,
): StartAction {
  const route: AppRoute = { action, app, pool, thread, reader: new ResponseReader() };
  return (exchange) => new AppRun(route, exchange).start();
}

const EVENT_STREAM = "text/event-stream";
const NO_PIECES: Buffer[] = [];

export class AppRun extends Timed implements Action, StreamUser {
  readonly #route: AppRoute;
  readonly #exchange: Exchange;
  #link: VmLink | null = null;
  #stream = 0;
  /** Pieces of the request body that were not sent. */
  #pieces = NO_PIECES;
  #pieceBytes = 0;
  #bodyEnded: boolean;
  #endSent = false;
  /** What the VM takes of the request body now. */
  #credit = 0;
  /** The VM has said that others are before it. */
  #queued = false;
  /** The body comes in; no VM has heard of the exchange. */
  #gathering = false;
  /** Waits for a VM that serves. */
  #waiting = false;
  #head: ResponseHead | null = null;
  /** Of the response body, since credit was granted last. */
  #taken = 0;
  #slow = false;
  #sentBytes = 0;
  #idleMs = 0;

  constructor(route: AppRoute, exchange: Exchange) {
    super();
    this.#route = route;
    this.#exchange = exchange;
    this.#bodyEnded = exchange.request.bodyLength === 0;
  }

  get exchange(): Exchange {
    return this.#exchange;
  }

  start(): void {
    const { request } = this.#exchange;
    if (request.upgrade !== null && asksForWebSocket(request)) {
      const fault = handshakeFault(request);
      if (fault !== null) {
        failExchange(this.#exchange, fault, faultHeaders(fault, request));
        return;
      }
    }
    this.#exchange.action = this;
    if (this.#bodyEnded) this.#dispatch(null);
    else {
      this.#pieces = [];
      this.#gathering = true;
      this.#exchange.client.resumeBody();
      this.#gathered();
    }
  }

  // ---- the request ----

  onRequestBody(chunk: Buffer): void {
    this.#pieces.push(Buffer.from(chunk));
    this.#pieceBytes += chunk.length;
    if (this.#link !== null) this.#sendBody();
    if (this.#pieceBytes >= this.#route.app.requestBufferBytes) this.#exchange.client.pauseBody();
    this.#gathered();
  }

  onRequestEnd(): void {
    this.#bodyEnded = true;
    if (this.#link !== null) this.#sendBody();
    this.#gathered();
  }

  /** A body that trickles in is at no VM, and before nobody in a queue, until enough of it is there. */
  #gathered(): void {
    if (!this.#gathering) return;
    if (!this.#bodyEnded && this.#pieceBytes < this.#route.app.requestBufferBytes) return;
    this.#gathering = false;
    this.#dispatch(null);
  }

  /** Goes to a VM other than `not`, waits for one, or fails. */
  #dispatch(not: VmLink | null): void {
    const { app, thread, action } = this.#route;
    const pool = this.#route.pool.current;
    const link = pool.acquire(not);
    if (link === null) {
      if (pool.size > 0) this.#fail("app_queue_full", `every VM of app "${app.name}" has all it may have`);
      else this.#wait();
      return;
    }
    this.#link = link;
    this.#credit = REQUEST_WINDOW_BYTES;
    const stream = link.begin(this);
    this.#stream = stream;
    this.#exchange.backend = `vm ${link.address.id}`;
    thread.deadlines.set(this, app.timeoutMs);
    const { realIpHeader } = thread.active.server;
    const head = requestHeadFor(this.#exchange, action.stripPrefix, realIpHeader);
    const isSmall = this.#bodyEnded && this.#pieceBytes <= REQUEST_WINDOW_BYTES;
    if (isSmall) {
      const body = this.#pieceBytes === 0 ? null : Buffer.concat(this.#pieces);
      this.#endSent = true;
      link.writer.head(stream, head, body, true);
    } else {
      link.writer.head(stream, head, null, false);
      this.#sendBody();
    }
  }

  #wait(): void {
    const { app, thread } = this.#route;
    const pool = this.#route.pool.current;
    if (pool.down !== null) {
      this.#fail("app_unavailable", `app "${app.name}" has no VM: ${pool.down}`);
      return;
    }
    if (!pool.wait(this)) {
      this.#fail(
        "app_unavailable",
        `app "${app.name}" has no VM, and ${app.queue.size} exchanges wait for one`,
      );
      return;
    }
    this.#waiting = true;
    thread.deadlines.set(this, app.queue.timeoutMs);
  }

  /** A VM serves. */
  onVm(): void {
    this.#waiting = false;
    this.#dispatch(null);
  }

  /** Sends as much of the body as the VM takes. */
  #sendBody(): void {
    const link = this.#link!;
    while (this.#pieces.length > 0 && this.#credit > 0) {
      const piece = this.#pieces[0]!;
      const sent = piece.length <= this.#credit ? piece : piece.subarray(0, this.#credit);
      link.writer.body(this.#stream, sent);
      this.#credit -= sent.length;
      this.#pieceBytes -= sent.length;
      if (sent.length === piece.length) this.#pieces.shift();
      else this.#pieces[0] = piece.subarray(sent.length);
    }
    if (this.#pieces.length > 0 || this.#endSent) return;
    if (this.#bodyEnded) {
      this.#endSent = true;
      link.writer.empty(FrameType.end, this.#stream);
    } else this.#exchange.client.resumeBody();
  }

  // ---- from the VM ----

  onFrame(type: number, bytes: Buffer, start: number, end: number): string | null {
    switch (type) {
      case FrameType.head:
        return this.#onHead(bytes, start, end);
      case FrameType.body:
        return this.#onBody(bytes.subarray(start, end));
      case FrameType.end:
        return this.#onEnd();
      case FrameType.credit:
        if (end - start !== 4) return "a credit without its number";
        this.#credit += readNumber(bytes, start);
        if (!this.#endSent) this.#sendBody();
        return null;
      case FrameType.queued:
        this.#queued = true;
        this.#route.thread.deadlines.set(this, this.#route.app.queue.timeoutMs);
        return null;
      case FrameType.started:
        this.#queued = false;
        this.#route.thread.deadlines.set(this, this.#route.app.timeoutMs);
        return null;
      case FrameType.abort:
        this.#onAbort(bytes.toString("utf8", start, end));
        return null;
      default:
        return `a frame of type ${type} on the stream of an exchange`;
    }
  }

  #onHead(bytes: Buffer, start: number, end: number): string | null {
    if (this.#head !== null) return "two heads on one stream";
    if (end - start < HEAD_PREFIX_BYTES) return "a head without its length";
    const ends = (bytes[start]! & HEAD_ENDS) !== 0;
    const headStart = start + HEAD_PREFIX_BYTES;
    const bodyStart = headStart + readNumber(bytes, start + 1);
    if (bodyStart > end) return "a head that is longer than its frame";
    const exchange = this.#exchange;
    const { method } = exchange.request;
    const read = this.#route.reader.read(bytes, headStart, bodyStart, method);
    if (typeof read === "string") return read;
    if (read.status === 101) return this.#onSwitch(read);
    const length = end - bodyStart;
    // A body that is there as a whole is as long as it is, whatever the app says.
    const isSeen = ends && method !== "HEAD" && read.status !== 304;
    const bodyLength = isSeen ? length : read.bodyLength;
    const head: ResponseHead = {
      status: read.status,
      reason: read.reason,
      headers: read.headers,
      bodyLength,
    };
    this.#head = head;
    this.#queued = false;
    exchange.upstreamMs = performance.now() - exchange.startedMs;
    if (ends) this.#close();
    else this.#streamed(head);
    const body = length === 0 ? null : bytes.subarray(bodyStart, end);
    this.#sentBytes = length;
    if (!exchange.client.sendHead(head, body, ends) && !ends) this.#slow = true;
    if (!ends) this.#took(length);
    return null;
  }

  /** The handler accepts a WebSocket. */
  #onSwitch(head: ResponseHead): string | null {
    const { thread, app, action } = this.#route;
    const exchange = this.#exchange;
    const link = this.#link!;
    const agreement = agree(exchange.request, head.headers, app.websocket);
    if (typeof agreement === "string") {
      this.#fail("app_response_invalid", agreement);
      return null;
    }
    this.#link = null;
    exchange.action = null;
    exchange.upstreamMs = performance.now() - exchange.startedMs;
    thread.deadlines.remove(this);
    const idleMs = action.timeouts.websocketIdleMs;
    startAppWebSocket({ thread, exchange, app, link, stream: this.#stream, idleMs }, head, agreement);
    return null;
  }

  /** A response whose body comes piece by piece: what counts from now on is that it goes on. */
  #streamed({ headers }: ResponseHead): void {
    const { sseIdleMs, idleMs } = this.#route.action.timeouts;
    const isEvents = headers.get(Field.contentType)?.toLowerCase().startsWith(EVENT_STREAM) === true;
    this.#idleMs = isEvents ? sseIdleMs : idleMs;
    this.#route.thread.deadlines.set(this, this.#idleMs);
  }

  #onBody(chunk: Buffer): string | null {
    if (this.#head === null) return "a body before its head";
    this.#sentBytes += chunk.length;
    const { bodyLength } = this.#head;
    if (bodyLength !== UNKNOWN_LENGTH && this.#sentBytes > bodyLength)
      return `a body of more than the ${bodyLength} bytes that its head says`;
    if (chunk.length === 0) return null;
    if (this.#taken + chunk.length > 2 * RESPONSE_WINDOW_BYTES)
      return "more of a body than there was credit for";
    this.#route.thread.deadlines.set(this, this.#idleMs);
    if (!this.#exchange.client.sendBody(chunk)) this.#slow = true;
    this.#took(chunk.length);
    return null;
  }

  /** Grants as much again as the client has taken. */
  #took(bytes: number): void {
    this.#taken += bytes;
    if (this.#slow || this.#taken < RESPONSE_WINDOW_BYTES / 2 || this.#link === null) return;
    this.#link.writer.number(FrameType.credit, this.#stream, this.#taken);
    this.#taken = 0;
  }

  #onEnd(): string | null {
    if (this.#head === null) return "the end of a body before its head";
    const { bodyLength } = this.#head;
    if (
      bodyLength !== UNKNOWN_LENGTH &&
      this.#sentBytes < bodyLength &&
      this.#exchange.request.method !== "HEAD"
    ) {
      this.#fail(
        "app_response_invalid",
        `a body of ${this.#sentBytes} bytes where its head says ${bodyLength}`,
      );
      return null;
    }
    this.#close();
    this.#exchange.client.sendEnd(null);
    return null;
  }

  /** The handler failed. The text begins with the code of the error. */
  #onAbort(text: string): void {
    const [code, rest] = splitOnce(text, "\n");
    const [message, stack] = splitOnce(rest, "\0");
    this.#fail(codeOf(code), message, stack);
  }

  onLinkEnded(why: string): void {
    if (this.#queued && this.#endSent) {
      const link = this.#link;
      this.#link = null;
      this.#queued = false;
      this.#endSent = false;
      this.#dispatch(link);
      return;
    }
    this.#fail("vm_ended", `${this.#exchange.backend} of app "${this.#route.app.name}" ended: ${why}`);
  }

  // ---- from the client ----

  onClientDrain(): void {
    this.#slow = false;
    this.#took(0);
  }

  onAborted(error: GatewayError): void {
    this.#letGo(error.code);
  }

  override onDeadline(): void {
    const { app } = this.#route;
    if (this.#waiting)
      this.#fail("app_queue_timeout", `no VM of app "${app.name}" within ${app.queue.timeoutMs} ms`);
    else if (this.#queued)
      this.#fail("app_queue_timeout", `not begun by app "${app.name}" within ${app.queue.timeoutMs} ms`);
    else if (this.#head === null)
      this.#fail("app_timeout", `no response of app "${app.name}" within ${app.timeoutMs} ms`);
    else if (this.#slow) this.#route.thread.deadlines.set(this, this.#idleMs);
    else this.#fail("app_response_stalled", `nothing of the response within ${this.#idleMs} ms`);
  }

  #fail(code: ErrorCode, message: string, stack = ""): void {
    const { name, detailedErrors } = this.#route.app;
    const link = this.#link;
    const fault = new AppFault({
      app: name,
      vm: link === null ? 0 : link.address.id,
      requestId: link === null ? "" : link.requestId(this.#stream),
      stack,
      isDetailed: detailedErrors,
    });
    this.#exchange.action = null;
    this.#letGo(code);
    failExchange(this.#exchange, new GatewayError(code, message, fault));
  }

  #letGo(why: string): void {
    if (this.#waiting) this.#route.pool.current.leave(this);
    this.#waiting = false;
    this.#route.thread.deadlines.remove(this);
    const link = this.#link;
    this.#link = null;
    link?.abort(this.#stream, why);
  }

  /** The response is whole. */
  #close(): void {
    this.#route.thread.deadlines.remove(this);
    this.#link?.forget(this.#stream);
    this.#link = null;
    this.#exchange.action = null;
  }
}

/** What an upstream did to the handler that asked it, it did to the client. Nothing else is believed of a VM. */
function codeOf(text: string): ErrorCode {
  if (text === "invalid") return "app_response_invalid";
  const isUpstreams = Object.hasOwn(ERRORS, text) && ERRORS[text as ErrorCode].source === "upstream";
  return isUpstreams ? (text as ErrorCode) : "app_failed";
}

function splitOnce(text: string, separator: string): [first: string, rest: string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
