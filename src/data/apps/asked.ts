// A request of a VM to an upstream, on a stream that the VM opened: an exchange of the gateway's own, on whose one side the
// VM stands. Bodies go both ways at the pace of the slower side. Runs in data threads.
//
//   head ─▶ checked ─▶ the way of a proxied exchange ─▶ head, body and end of the response, or an abort with what is wrong

import { Timed } from "../../core/deadlines.ts";
import { type ErrorCode, GatewayError } from "../../core/errors.ts";
import { type RequestHead, type ResponseHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { readNumber } from "../../wire/frame-reader.ts";
import {
  FrameType,
  HEAD_ENDS,
  HEAD_PREFIX_BYTES,
  MAX_PIECE_BYTES,
  REQUEST_WINDOW_BYTES,
  RESPONSE_WINDOW_BYTES,
} from "../../wire/frames.ts";
import type { StartAction } from "../actions/route.ts";
import { InnerClient, type InnerUser } from "../inner-client.ts";
import type { AskedUpstreams } from "./asked-upstreams.ts";
import { NOBODY } from "./asker.ts";
import type { StreamUser, VmLink } from "./vm-link.ts";

export class Asked extends Timed implements StreamUser, InnerUser {
  readonly exchange = null;
  readonly #upstreams: AskedUpstreams;
  readonly #link: VmLink;
  readonly #stream: number;
  #inner: InnerClient | null = null;
  /** Of the request body, what the upstream has not taken. */
  readonly #pieces: Buffer[] = [];
  /** Bytes of it that came, and those that the VM was granted. */
  #received = 0;
  #granted = REQUEST_WINDOW_BYTES;
  #bodyEnded = false;
  #endGiven = false;
  /** Bytes of the response that the VM has not read. */
  #unread = 0;
  #isSlow = false;

  constructor(upstreams: AskedUpstreams, link: VmLink, stream: number) {
    super();
    this.#upstreams = upstreams;
    this.#link = link;
    this.#stream = stream;
  }

  // ---- from the VM ----

  onFrame(type: number, bytes: Buffer, start: number, end: number): string | null {
    const inner = this.#inner;
    if (inner === null) return this.#onHead(bytes, start, end);
    switch (type) {
      case FrameType.body:
        return this.#onPiece(inner, bytes.subarray(start, end));
      case FrameType.end:
        return this.#onBodyEnd(inner);
      case FrameType.credit:
        return this.#onCredit(inner, readNumber(bytes, start));
      case FrameType.abort:
        this.#close();
        inner.abort(new GatewayError("client_gone", "the app does not want the response"));
        return null;
      default:
        return `a frame of type ${type} on the stream of a request to an upstream`;
    }
  }

  onBug(error: GatewayError): void {
    this.#upstreams.thread.reporter.connectionFailed(error);
    this.onFailed(error);
    this.#inner?.abort(error);
  }

  onLinkEnded(why: string): void {
    this.#upstreams.thread.deadlines.remove(this);
    this.#inner?.abort(new GatewayError("client_gone", why));
  }

  #onHead(bytes: Buffer, start: number, end: number): string | null {
    const flags = bytes[start]!;
    if ((flags & ~HEAD_ENDS) !== 0) return `a head with flags ${flags}`;
    const headStart = start + HEAD_PREFIX_BYTES;
    const bodyStart = headStart + readNumber(bytes, start + 1);
    if (bodyStart > end) return "a head that is longer than its frame";
    const head = this.#upstreams.heads.read(bytes, headStart, bodyStart);
    if (typeof head === "string") return head;
    if (head instanceof GatewayError) {
      this.onFailed(head);
      return null;
    }
    const action = this.#upstreams.actionFor(head.place);
    if (action === null) {
      this.onFailed(new GatewayError("backend_unavailable", "the configuration has this upstream no more"));
      return null;
    }
    const body = bodyStart === end ? null : bytes.subarray(bodyStart, end);
    return this.#begin(head.request, head.stream, action, body, flags === HEAD_ENDS);
  }

  #begin(
    asked: RequestHead,
    stream: number,
    action: StartAction,
    body: Buffer | null,
    ends: boolean,
  ): string | null {
    const asker = this.#link.askerOn(stream) ?? NOBODY;
    const { authority, host, protocol } = asker.request;
    const { thread } = this.#upstreams;
    asked.headers.removeVariable(thread.active.server.realIpHeader);
    // What the client named goes into X-Forwarded-Host, what the app named into Host.
    const inner = new InnerClient(thread, asker, { ...asked, authority, host, protocol }, this);
    inner.exchange.backendHost = asked.authority;
    this.#inner = inner;
    let fault: string | null = null;
    if (body !== null) {
      // Bytes with the head need no credit.
      this.#granted += body.length;
      fault = this.#onPiece(inner, body);
    }
    if (ends) fault ??= this.#onBodyEnd(inner);
    if (fault === null) inner.start(action, null);
    return fault;
  }

  // ---- the request body ----

  #onPiece(inner: InnerClient, piece: Buffer): string | null {
    if (this.#bodyEnded) return "a body behind its end";
    this.#received += piece.length;
    if (this.#received > this.#granted) return "more of a request body than there was credit for";
    const { bodyLength } = inner.exchange.request;
    // To a backend the rest would be another request.
    if (bodyLength !== UNKNOWN_LENGTH && this.#received > bodyLength)
      return `a request body of more than the ${bodyLength} bytes that its head says`;
    if (inner.bodyWanted && this.#pieces.length === 0) {
      inner.giveBody(piece);
      this.#grant(piece.length);
    } else this.#pieces.push(Buffer.from(piece));
    return null;
  }

  #onBodyEnd(inner: InnerClient): string | null {
    if (this.#bodyEnded) return "two ends of a request body";
    const { bodyLength } = inner.exchange.request;
    if (bodyLength !== UNKNOWN_LENGTH && this.#received !== bodyLength)
      return `a request body of ${this.#received} bytes where its head says ${bodyLength}`;
    this.#bodyEnded = true;
    if (inner.bodyWanted) this.onBodyWanted();
    return null;
  }

  onBodyWanted(): void {
    const inner = this.#inner!;
    while (inner.bodyWanted && this.#pieces.length > 0) {
      const piece = this.#pieces.shift()!;
      inner.giveBody(piece);
      this.#grant(piece.length);
    }
    if (!this.#bodyEnded || this.#endGiven || this.#pieces.length > 0 || !inner.bodyWanted) return;
    this.#endGiven = true;
    inner.endBody(null);
  }

  #grant(bytes: number): void {
    if (this.#bodyEnded) return;
    this.#granted += bytes;
    this.#link.writer.number(FrameType.credit, this.#stream, bytes);
  }

  // ---- from the upstream ----

  onWhole(head: ResponseHead, body: Buffer | null): void {
    const text = textOf(head);
    if (body === null || body.length <= MAX_PIECE_BYTES)
      this.#link.writer.head(this.#stream, text, body, HEAD_ENDS);
    else {
      this.#link.writer.head(this.#stream, text, null, 0);
      this.#link.writer.body(this.#stream, body);
      this.#link.writer.empty(FrameType.end, this.#stream);
    }
    this.#close();
  }

  onHead(head: ResponseHead): void {
    this.#link.writer.head(this.#stream, textOf(head), null, 0);
  }

  onBody(chunk: Buffer): boolean {
    this.#link.writer.body(this.#stream, chunk);
    this.#unread += chunk.length;
    if (this.#unread < RESPONSE_WINDOW_BYTES) return true;
    this.#isSlow = true;
    const { thread } = this.#upstreams;
    thread.deadlines.set(this, thread.active.server.writeTimeoutMs);
    return false;
  }

  #onCredit(inner: InnerClient, bytes: number): string | null {
    if (bytes > this.#unread) return "more credit than there was to give back";
    this.#unread -= bytes;
    if (!this.#isSlow || this.#unread >= RESPONSE_WINDOW_BYTES) return null;
    this.#isSlow = false;
    this.#upstreams.thread.deadlines.clear(this);
    inner.drained();
    return null;
  }

  onEnd(): void {
    this.#link.writer.empty(FrameType.end, this.#stream);
    this.#close();
  }

  /** What is wrong goes to the app: its code for programs, and the message. */
  onFailed({ code, message }: { readonly code: ErrorCode; readonly message: string }): void {
    this.#link.writer.text(FrameType.abort, this.#stream, `${code}\n${message}`);
    this.#close();
  }

  /** The app has taken nothing of the response for too long: it may never, and the backend's connection waits. */
  override onDeadline(): void {
    const { writeTimeoutMs } = this.#upstreams.thread.active.server;
    const error = new GatewayError(
      "client_stalled",
      `the app took nothing of the response for ${writeTimeoutMs} ms`,
    );
    this.onFailed(error);
    this.#inner?.abort(error);
  }

  #close(): void {
    this.#upstreams.thread.deadlines.remove(this);
    this.#link.forget(this.#stream);
  }
}

/** With the length of the body, where that is known: a Response may be the answer of the handler as it is. */
function textOf({ status, reason, headers, bodyLength }: ResponseHead): string {
  const length = bodyLength === UNKNOWN_LENGTH || status === 204 ? "" : `Content-Length: ${bodyLength}\r\n`;
  return `HTTP/1.1 ${status} ${reason}\r\n${headers.forwardLines()}${length}\r\n`;
}
