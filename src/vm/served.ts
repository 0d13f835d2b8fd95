// One exchange in a VM: makes a Request of what came over the link, runs the handler, sends its Response. Runs in VMs.
//
//   begin ─▶ (queued) ─▶ run ─▶ answer ─▶ sent
//              └──────────┴───────┴─ aborted: the data thread does not want it any more

import { inspect } from "node:util";
import { readNumber } from "../wire/frame-reader.ts";
import { FrameType, HEAD_ENDS, HEAD_PREFIX_BYTES, RESPONSE_WINDOW_BYTES } from "../wire/frames.ts";
import type { GatewayLink, LinkUser } from "./gateway-link.ts";
import { RequestBody } from "./request-body.ts";
import { ResponseBody } from "./response-body.ts";
import type { Turn } from "./turns.ts";

export class Served implements LinkUser, Turn {
  readonly #link: GatewayLink;
  readonly #stream: number;
  #head = "";
  #body: RequestBody | null = null;
  #abort: AbortController | null = null;
  #sending: ResponseBody | null = null;
  /** It has its turn: the handler runs. */
  #running = false;
  #over = false;
  #credit = RESPONSE_WINDOW_BYTES;

  constructor(link: GatewayLink, stream: number) {
    this.#link = link;
    this.#stream = stream;
  }

  begin(bytes: Buffer, start: number, end: number): void {
    const bodyStart = start + HEAD_PREFIX_BYTES + readNumber(bytes, start + 1);
    const isWhole = (bytes[start]! & HEAD_ENDS) !== 0;
    this.#head = bytes.toString("latin1", start + HEAD_PREFIX_BYTES, bodyStart);
    if (!isWhole || end > bodyStart) {
      // A copy: the payload is gone after the call.
      const piece = Uint8Array.prototype.slice.call(bytes, bodyStart, end);
      this.#body = new RequestBody(this.#link, this.#stream, isWhole ? piece : null);
      if (!isWhole && piece.length > 0) this.#body.add(piece);
    }
    this.#link.turns.enter(this);
  }

  onQueued(): void {
    this.#link.writer.empty(FrameType.queued, this.#stream);
  }

  run(waited: boolean): void {
    if (waited) this.#link.writer.empty(FrameType.started, this.#stream);
    this.#running = true;
    const { fetch, env } = this.#link.turns.app;
    let result: unknown;
    try {
      result = fetch(this.#request(), env, {});
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (isThenable(result))
      result.then(
        (response) => this.#answer(response),
        (error) => this.#fail(error),
      );
    else this.#answer(result);
  }

  onFrame(type: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case FrameType.body:
        this.#body?.add(Uint8Array.prototype.slice.call(bytes, start, end));
        break;
      case FrameType.end:
        this.#body?.end();
        break;
      case FrameType.credit:
        this.#credit += readNumber(bytes, start);
        this.#sending?.onCredit();
        break;
      case FrameType.abort:
        this.#link.forget(this.#stream);
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
    this.#link.writer.bytes(FrameType.body, this.#stream, piece);
  }

  sendEnd(): void {
    this.#link.writer.empty(FrameType.end, this.#stream);
    this.#sent();
  }

  /** The body broke off. */
  breakOff(error: unknown): void {
    if (this.#over) return;
    this.#link.writer.text(FrameType.abort, this.#stream, `failed\n${messageOf(error)}`);
    this.#sent();
  }

  // ---- answering ----

  #request(): Request {
    const head = this.#head;
    const space = head.indexOf(" ");
    const lineEnd = head.indexOf("\n");
    const clientEnd = head.indexOf("\n", lineEnd + 1);
    const headers: [string, string][] = [];
    for (const line of head.slice(clientEnd + 1).split("\r\n")) {
      const colon = line.indexOf(":");
      if (colon > 0) headers.push([line.slice(0, colon), line.slice(colon + 2)]);
    }
    this.#abort = new AbortController();
    const body = this.#body;
    const init = { method: head.slice(0, space), headers, signal: this.#abort.signal };
    const url = head.slice(space + 1, lineEnd);
    if (body === null) return new Request(url, init);
    const stream = new ReadableStream({
      pull: async (controller) => {
        const piece = await body.read();
        if (piece === null) controller.close();
        else controller.enqueue(piece);
      },
    });
    return new Request(url, { ...init, body: stream, duplex: "half" } as RequestInit);
  }

  #answer(response: unknown): void {
    if (this.#over) return;
    if (!(response instanceof Response)) {
      this.#invalid(`the handler returned ${inspect(response, { depth: 0 })}: expected a Response`);
      return;
    }
    let lines = "";
    for (const [name, value] of response.headers) lines += `${name}: ${value}\r\n`;
    const head = `HTTP/1.1 ${response.status} ${response.statusText}\r\n${lines}\r\n`;
    if (response.body === null || this.#head.startsWith("HEAD ")) {
      this.#link.writer.head(this.#stream, head, null, true);
      this.#sent();
      return;
    }
    this.#link.writer.head(this.#stream, head, null, false);
    this.#release();
    this.#sending = new ResponseBody(response.body, this);
    this.#sending.start();
  }

  #invalid(message: string): void {
    if (this.#over) return;
    this.#link.writer.text(FrameType.abort, this.#stream, `invalid\n${message}`);
    this.#sent();
  }

  #fail(error: unknown): void {
    this.breakOff(error);
  }

  /** All that there is was sent. */
  #sent(): void {
    this.#over = true;
    this.#link.forget(this.#stream);
    this.#release();
  }

  #aborted(why: string): void {
    if (this.#over) return;
    this.#over = true;
    const error = new DOMException(why, "AbortError");
    this.#body?.fail(error);
    this.#sending?.cancel(error);
    this.#abort?.abort(error);
    if (!this.#link.turns.giveUp(this)) this.#release();
  }

  /** Its turn is over: the next one begins. */
  #release(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#link.turns.leave();
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
