// A request of an app to an upstream of the gateway, on a stream that the VM opens on the link of the exchange in whose
// handler it is asked. Runs in VMs.
//
//   ask ─▶ request body ─▶ response head ─▶ response body ─▶ over
//    └────────┴────────────────┴────────────────┴─ aborted, by either side

import { readNumber } from "../wire/frame-reader.ts";
import {
  FrameType,
  HEAD_ENDS,
  HEAD_PREFIX_BYTES,
  MAX_HEAD_BYTES,
  MAX_PIECE_BYTES,
  REQUEST_WINDOW_BYTES,
} from "../wire/frames.ts";
import { askedHead } from "./asked-head.ts";
import type { GatewayLink, LinkUser } from "./gateway-link.ts";
import { lengthOf, saidLength } from "./http/known-length.ts";
import { requestPartsOf } from "./http/request-of.ts";
import { lightResponseOf } from "./http/response.ts";
import { RequestBody } from "./request-body.ts";
import { type BodyWriter, ResponseBody } from "./response-body.ts";
import type { Served } from "./served.ts";
import { UpstreamError } from "./upstream-error.ts";

/** Their responses have no body. */
const NULL_BODY = [204, 205, 304];

export class Asked implements LinkUser, BodyWriter {
  readonly #served: Served;
  readonly #link: GatewayLink;
  readonly #place: number;
  readonly #name: string;
  readonly #answer = Promise.withResolvers<Response>();
  #stream = 0;
  #over = false;
  #method = "";
  #signal: AbortSignal | null = null;
  readonly #onAbort = () => this.#abort(this.#signal?.reason);
  /** Of the request, while it is sent. */
  #sending: ResponseBody | null = null;
  #credit = REQUEST_WINDOW_BYTES;
  /** Of the response, while it comes. */
  #body: RequestBody | null = null;

  constructor(served: Served, place: number, name: string) {
    this.#served = served;
    this.#link = served.link;
    this.#place = place;
    this.#name = name;
  }

  /** Uses the request up. Rejects with an UpstreamError, a TypeError for what nobody can ask, or the reason of the signal. */
  async ask(request: Request): Promise<Response> {
    const parts = requestPartsOf(request);
    const { signal } = parts;
    signal?.throwIfAborted();
    const body = typeof parts.body === "string" ? Buffer.from(parts.body) : parts.body;
    const head = `${this.#place} ${this.#served.stream}\n${askedHead(parts, lengthOfBody(body))}`;
    if (head.length > MAX_HEAD_BYTES)
      throw new TypeError(`Cannot send a head of ${head.length} bytes: expected at most ${MAX_HEAD_BYTES}`);
    if (this.#link.closed) throw this.#linkClosed();
    this.#method = parts.method;
    this.#stream = this.#link.openAsk(this);
    this.#signal = signal;
    signal?.addEventListener("abort", this.#onAbort);
    const { writer } = this.#link;
    if (body === null || (body instanceof Uint8Array && body.length <= MAX_PIECE_BYTES))
      writer.head(this.#stream, head, body, HEAD_ENDS);
    else {
      writer.head(this.#stream, head, null, 0);
      this.#sending = new ResponseBody(body, this);
      void this.#sending.start();
    }
    return await this.#answer.promise;
  }

  onFrame(type: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case FrameType.head:
        this.#onHead(bytes, start, end);
        break;
      case FrameType.body:
        this.#body?.add(Uint8Array.prototype.slice.call(bytes, start, end));
        break;
      case FrameType.end:
        this.#close();
        this.#body?.end();
        break;
      case FrameType.credit:
        this.#credit += readNumber(bytes, start);
        this.#sending?.onCredit();
        break;
      case FrameType.abort:
        this.#onFailure(bytes.toString("utf8", start, end));
        break;
    }
  }

  onLinkEnded(): void {
    this.#fail(this.#linkClosed());
  }

  #linkClosed(): UpstreamError {
    return new UpstreamError(this.#name, "client_gone", "the link to the gateway closed");
  }

  // ---- for who sends the body of the request ----

  get credit(): number {
    return this.#credit;
  }

  sendBody(piece: Uint8Array): void {
    this.#credit -= piece.length;
    this.#link.writer.bytes(FrameType.body, this.#stream, piece);
  }

  sendEnd(): void {
    this.#sending = null;
    this.#link.writer.empty(FrameType.end, this.#stream);
  }

  breakOff(error: unknown): void {
    this.#sending = null;
    this.#abort(error);
  }

  // ---- the response ----

  #onHead(bytes: Buffer, start: number, end: number): void {
    const bodyStart = start + HEAD_PREFIX_BYTES + readNumber(bytes, start + 1);
    const isWhole = (bytes[start]! & HEAD_ENDS) !== 0;
    const head = bytes.toString("latin1", start + HEAD_PREFIX_BYTES, bodyStart);
    const lineEnd = head.indexOf("\r\n");
    const status = Number(head.slice(9, 12));
    const lines = head.slice(lineEnd + 2, -2);
    const isBodyless = this.#method === "HEAD" || NULL_BODY.includes(status);
    const piece = Uint8Array.prototype.slice.call(bytes, bodyStart, end);
    if (isWhole) this.#close();
    const known = isWhole
      ? { whole: piece, length: piece.length }
      : { whole: null, length: saidLength(lines) };
    const source = new RequestBody(this.#link, this.#stream, known, () =>
      this.#abort(new DOMException("the body is not wanted", "AbortError")),
    );
    if (!isWhole) this.#body = source;
    const body = isBodyless ? null : source;
    this.#answer.resolve(
      lightResponseOf(status, head.slice(13, lineEnd), lines, body) as unknown as Response,
    );
  }

  /** The text begins with the code of the error. */
  #onFailure(text: string): void {
    const at = text.indexOf("\n");
    this.#fail(new UpstreamError(this.#name, text.slice(0, at), text.slice(at + 1)));
  }

  /** The app does not want it any more. */
  #abort(reason: unknown): void {
    if (this.#over) return;
    this.#link.writer.text(FrameType.abort, this.#stream, "");
    this.#fail(reason);
  }

  #fail(reason: unknown): void {
    if (this.#over) return;
    this.#close();
    this.#answer.reject(reason);
    this.#body?.fail(reason);
  }

  #close(): void {
    this.#over = true;
    this.#link.endAsk(this.#stream);
    this.#signal?.removeEventListener("abort", this.#onAbort);
    // What is left of the request is of no use to anybody.
    this.#sending?.cancel(new DOMException("the exchange with the upstream is over", "AbortError"));
    this.#sending = null;
  }
}

function lengthOfBody(body: ReadableStream | Uint8Array | null): number | null {
  if (body === null) return 0;
  return body instanceof Uint8Array ? body.length : lengthOf(body);
}
