// The action `app`: an exchange is answered by a handler in one of the app's VMs. Runs in data threads.
//
//   gathering ─▶ at a VM ◀──▶ queued ─▶ answering ─▶ over
//     │          ▲  │  ▲        │
//     └─▶ waiting ◀─┘  └────────┘     the VM ended before the handler was begun: another VM
//                   doubtful          the VM ended after that: another one where that does no harm, which is asked for first

import type { AppActionSpec, AppSpec } from "../../config/snapshot.ts";
import { AppFault } from "../../core/app-fault.ts";
import { clockMs } from "../../core/clock.ts";
import { Timed } from "../../core/deadlines.ts";
import { ERRORS, type ErrorCode, GatewayError } from "../../core/errors.ts";
import type { Action, Exchange, ResponseHead } from "../../core/exchange.ts";
import { Field } from "../../core/headers.ts";
import { readNumber } from "../../wire/frame-reader.ts";
import { FrameType, HEAD_ENDS, MAX_HEAD_BYTES } from "../../wire/frames.ts";
import { requestHeadFor } from "../apps/request-head.ts";
import { RequestPieces } from "../apps/request-pieces.ts";
import { StreamedBody } from "../apps/streamed-body.ts";
import type { EndWaiter } from "../apps/vm-ends.ts";
import type { StreamUser, VmLink } from "../apps/vm-link.ts";
import type { VmPool, VmWaiter } from "../apps/vm-pool.ts";
import { startAppWebSocket } from "../apps/websocket/app-websocket.ts";
import { agree, asksForWebSocket, faultHeaders, handshakeFault } from "../apps/websocket/handshake.ts";
import { failExchange } from "../pipeline.ts";
import type { ThreadContext } from "../thread-context.ts";
import { isIdempotent } from "../upstream/retry.ts";
import type { StartAction } from "./route.ts";

/** What the exchanges of a route share, made once per snapshot. */
interface AppRoute {
  readonly action: AppActionSpec;
  readonly app: AppSpec;
  readonly pool: VmPool;
  readonly thread: ThreadContext;
}

export function createApp(
  action: AppActionSpec,
  app: AppSpec,
  pool: VmPool,
  thread: ThreadContext,
): StartAction {
  const route: AppRoute = { action, app, pool, thread };
  return (exchange) => new AppRun(route, exchange).start();
}

const EVENT_STREAM = "text/event-stream";
/** An exchange that has seen so many VMs end, without its handler having been begun as far as is known, sees no more. */
const MOST_MOVES = 3;
/** How a VM ended is known by then. */
const DOUBT_MS = 1000;

/** The body comes in; no VM has heard of the exchange. */
const GATHERING = 0;
/** For a VM that serves. */
const WAITING = 1;
/** Its handler was begun, or will be when the VM comes to it. */
const AT_VM = 2;
/** The VM has said that others are before it. */
const QUEUED = 3;
/** The VM ended, and how is not known yet. */
const DOUBTFUL = 4;
/** The head of the response is out. */
const ANSWERING = 5;
const OVER = 6;

export class AppRun extends Timed implements Action, StreamUser, VmWaiter, EndWaiter {
  readonly #route: AppRoute;
  readonly #exchange: Exchange;
  #state = GATHERING;
  /** Where it is, or was last. */
  #pool: VmPool;
  #link: VmLink | null = null;
  #stream = 0;
  /** What a VM gets of the request, but for its body. */
  #requestHead: string | null = null;
  /** Null where there is none. */
  readonly #body: RequestPieces | null;
  /** From `performance.now()`: since when it waits. */
  #waitingSince = 0;
  #moves = 0;
  /** How its VM ended. */
  #why = "";
  /** Of a response that comes piece by piece, from its head on. */
  #streamed: StreamedBody | null = null;
  #idleMs = 0;

  constructor(route: AppRoute, exchange: Exchange) {
    super();
    this.#route = route;
    this.#pool = route.pool;
    this.#exchange = exchange;
    this.#body = exchange.request.bodyLength === 0 ? null : new RequestPieces();
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
    if (this.#body === null) this.#dispatch();
    else {
      this.#exchange.client.resumeBody();
      this.#gathered(this.#body);
    }
  }

  // ---- the request ----

  onRequestBody(chunk: Buffer): void {
    const body = this.#body!;
    body.add(chunk);
    this.#send(body);
    if (body.waitingBytes > 0 && body.waitingBytes >= this.#route.app.requestBufferBytes)
      this.#exchange.client.pauseBody();
    this.#gathered(body);
  }

  onRequestEnd(): void {
    const body = this.#body!;
    body.ended = true;
    this.#send(body);
    this.#gathered(body);
  }

  /** A body that trickles in is at no VM, and before nobody in a queue, until enough of it is there. */
  #gathered(body: RequestPieces): void {
    if (this.#state !== GATHERING) return;
    if (body.ended || body.waitingBytes >= this.#route.app.requestBufferBytes) this.#dispatch();
  }

  #send(body: RequestPieces): void {
    const link = this.#link;
    // What comes while it is not known whether the exchange goes on is kept.
    if (link !== null && this.#state !== DOUBTFUL && body.send(link.writer, this.#stream))
      this.#exchange.client.resumeBody();
  }

  /** Goes to a VM, waits for one, or fails. */
  #dispatch(): void {
    const { app, thread, action } = this.#route;
    const exchange = this.#exchange;
    const { realIpHeader } = thread.active.server;
    this.#requestHead ??= requestHeadFor(exchange, action.stripPrefix, realIpHeader);
    const head = this.#requestHead;
    if (head.length > MAX_HEAD_BYTES) {
      this.#fail(
        "header_fields_too_large",
        `a request head of ${head.length} bytes: expected ${MAX_HEAD_BYTES}`,
      );
      return;
    }
    const pool = this.#route.pool.current;
    this.#pool = pool;
    const link = pool.acquire();
    if (link === null) {
      if (pool.size > 0) this.#reject("app_queue_full", "every VM has all it may have");
      else this.#wait();
      return;
    }
    const stream = link.begin(this);
    this.#state = AT_VM;
    this.#link = link;
    this.#stream = stream;
    exchange.backend = link.label;
    thread.deadlines.set(this, app.timeoutMs);
    const body = this.#body;
    if (body === null) link.writer.head(stream, head, null, HEAD_ENDS);
    else {
      const whole = body.begin();
      link.writer.head(stream, head, whole, whole === null ? 0 : HEAD_ENDS);
      if (whole === null) this.#send(body);
    }
  }

  #wait(): void {
    const pool = this.#pool;
    const { app, thread } = this.#route;
    if (pool.down !== null) this.#reject("app_unavailable", `it has no VM: ${pool.down}`);
    else if (!pool.wait(this))
      this.#reject("app_unavailable", `it has no VM, and ${app.queue.size} exchanges wait for one`);
    else {
      this.#state = WAITING;
      this.#waitingSince = clockMs();
      thread.deadlines.set(this, app.queue.timeoutMs);
    }
  }

  #reject(code: "app_queue_full" | "app_unavailable", why: string): void {
    this.#pool.queue.rejected();
    this.#fail(code, `app "${this.#route.app.name}" takes no more: ${why}`);
  }

  /** A VM serves, or it is known that none will. */
  onVm(): void {
    const { queue } = this.#pool;
    this.#dispatch();
    if (this.#state === AT_VM) queue.waited(clockMs() - this.#waitingSince);
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
        return this.#onCredit(readNumber(bytes, start));
      case FrameType.queued:
        return this.#onQueued();
      case FrameType.started:
        return this.#onStarted();
      case FrameType.abort:
        this.#onAbort(bytes.toString("utf8", start, end));
        return null;
      default:
        return `a frame of type ${type} on the stream of an exchange`;
    }
  }

  #onCredit(bytes: number): string | null {
    const body = this.#body;
    if (body === null) return "credit for a request that has no body";
    const fault = body.grant(bytes);
    if (fault === null) this.#send(body);
    return fault;
  }

  #onQueued(): string | null {
    if (this.#state !== AT_VM) return "queued, where the exchange was begun or was queued before";
    this.#state = QUEUED;
    this.#waitingSince = clockMs();
    this.#pool.queue.addQueued(1);
    this.#route.thread.deadlines.set(this, this.#route.app.queue.timeoutMs);
    return null;
  }

  #onStarted(): string | null {
    if (this.#state !== QUEUED) return "started, where the exchange was not queued";
    this.#unqueue(AT_VM);
    this.#pool.queue.waited(clockMs() - this.#waitingSince);
    this.#route.thread.deadlines.set(this, this.#route.app.timeoutMs);
    return null;
  }

  #unqueue(state: number): void {
    if (this.#state === QUEUED) this.#pool.queue.addQueued(-1);
    this.#state = state;
  }

  #onHead(bytes: Buffer, start: number, end: number): string | null {
    if (this.#state !== AT_VM) return "a head where the exchange was not begun, or has one";
    const exchange = this.#exchange;
    const { responses: reader } = this.#link!;
    const head = reader.read(bytes, start, end, exchange.request.method);
    if (typeof head === "string") return head;
    if (head instanceof GatewayError) return this.#invalid(head.message);
    if (head.status === 101)
      return reader.ends || reader.bodyStart < end ? "a 101 with a body" : this.#onSwitch(head);
    const body = reader.bodyStart === end ? null : bytes.subarray(reader.bodyStart, end);
    exchange.upstreamMs = clockMs() - exchange.startedMs;
    if (reader.ends) {
      this.#close();
      exchange.client.sendHead(head, body, true);
    } else this.#beginBody(head, body);
    return null;
  }

  /** The handler accepts a WebSocket. */
  #onSwitch(head: ResponseHead): null {
    const { thread, app, action } = this.#route;
    const exchange = this.#exchange;
    const link = this.#link!;
    const agreement = agree(exchange.request, head.headers, app.websocket);
    if (typeof agreement === "string") return this.#invalid(agreement);
    this.#state = OVER;
    this.#link = null;
    exchange.action = null;
    exchange.upstreamMs = clockMs() - exchange.startedMs;
    thread.deadlines.remove(this);
    const idleMs = action.timeouts.websocketIdleMs;
    startAppWebSocket({ thread, exchange, app, link, stream: this.#stream, idleMs }, head, agreement);
    return null;
  }

  /** What the app has made of it is no response; the VM does as it should. */
  #invalid(message: string): null {
    this.#fail("app_response_invalid", message);
    return null;
  }

  /** A body that comes piece by piece: what counts from now on is that it goes on. */
  #beginBody(head: ResponseHead, first: Buffer | null): void {
    const { action, thread } = this.#route;
    const { sseIdleMs, idleMs } = action.timeouts;
    const link = this.#link!;
    const isEvents = head.headers.get(Field.contentType)?.toLowerCase().startsWith(EVENT_STREAM) === true;
    // A stream of events may go on for ever: its place at the VM is for others.
    if (isEvents) link.givePlaceBack(this.#stream);
    this.#state = ANSWERING;
    this.#idleMs = isEvents ? sseIdleMs : idleMs;
    thread.deadlines.set(this, this.#idleMs);
    const streamed = new StreamedBody(this.#exchange, link, this.#stream, head.bodyLength);
    this.#streamed = streamed;
    const length = first === null ? 0 : first.length;
    streamed.onPiece(length);
    streamed.sent(length, this.#exchange.client.sendHead(head, first, false));
  }

  #onBody(chunk: Buffer): string | null {
    const streamed = this.#streamed;
    if (streamed === null) return "a body before its head";
    const fault = streamed.onPiece(chunk.length);
    if (fault instanceof GatewayError) return this.#invalid(fault.message);
    if (fault !== null) return fault;
    this.#route.thread.deadlines.set(this, this.#idleMs);
    streamed.sent(chunk.length, this.#exchange.client.sendBody(chunk));
    return null;
  }

  #onEnd(): string | null {
    if (this.#streamed === null) return "the end of a body before its head";
    const missing = this.#streamed.atEnd();
    if (missing !== null) return this.#invalid(missing);
    this.#close();
    this.#exchange.client.sendEnd(null);
    return null;
  }

  /** The handler failed. The text begins with the code of the error. */
  #onAbort(text: string): void {
    this.#link?.forget(this.#stream);
    const [code, rest] = splitOnce(text, "\n");
    const [message, stack] = splitOnce(rest, "\0");
    this.#fail(codeOf(code), message, stack);
  }

  /** Its handler was not begun, or may be begun again: another VM; else the client is told. */
  onLinkEnded(why: string, isUnread: boolean): void {
    const wasQueued = this.#state === QUEUED;
    const isAnswered = this.#state === ANSWERING;
    this.#why = why;
    if (isAnswered || this.#moves === MOST_MOVES || this.#body?.rewind() === false) this.#failEnded();
    else if (isUnread || wasQueued) this.#move();
    else if (this.#route.app.repeatsIdempotent && isIdempotent(this.#exchange.request.method)) {
      const { thread } = this.#route;
      this.#state = DOUBTFUL;
      thread.deadlines.set(this, DOUBT_MS);
      thread.vms.ends.ask(this.#link!.address.id, this);
    } else this.#failEnded();
  }

  onVmEnd(harmful: boolean): void {
    if (harmful) this.#failEnded();
    else this.#move();
  }

  #move(): void {
    this.#unqueue(AT_VM);
    this.#moves++;
    this.#link = null;
    this.#dispatch();
  }

  #failEnded(): void {
    const { name } = this.#route.app;
    this.#fail("vm_ended", `${this.#exchange.backend} of app "${name}" ended: ${this.#why}`);
  }

  // ---- from the client ----

  onClientDrain(): void {
    if (this.#streamed === null) return;
    this.#route.thread.deadlines.set(this, this.#idleMs);
    this.#streamed.drained();
  }

  onAborted(error: GatewayError): void {
    this.#letGo(error.code);
  }

  override onDeadline(): void {
    const { app, thread } = this.#route;
    const { timeoutMs } = app.queue;
    switch (this.#state) {
      case WAITING:
        this.#pool.queue.timedOut();
        this.#fail("app_queue_timeout", `no VM of app "${app.name}" within ${timeoutMs} ms`);
        break;
      case QUEUED:
        this.#pool.queue.timedOut();
        this.#fail("app_queue_timeout", `not begun by app "${app.name}" within ${timeoutMs} ms`);
        break;
      case DOUBTFUL:
        this.#failEnded();
        break;
      case ANSWERING:
        // A client that takes nothing has a deadline of its own.
        if (this.#streamed?.slow === true) thread.deadlines.set(this, this.#idleMs);
        else this.#fail("app_response_stalled", `nothing of the response within ${this.#idleMs} ms`);
        break;
      default:
        this.#fail("app_timeout", `no response of app "${app.name}" within ${app.timeoutMs} ms`);
    }
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
    const { thread } = this.#route;
    const link = this.#link;
    if (this.#state === WAITING) this.#pool.leave(this);
    if (this.#state === DOUBTFUL && link !== null) thread.vms.ends.leave(link.address.id, this);
    this.#unqueue(OVER);
    thread.deadlines.remove(this);
    this.#link = null;
    link?.abort(this.#stream, why);
  }

  /** The response is whole. */
  #close(): void {
    this.#state = OVER;
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
