// The heads of whole responses on a link: one that comes again and again crosses it once. Runs in VMs.

import type { FrameWriter } from "../wire/frame-writer.ts";
import { HEAD_AGAIN, HEAD_ENDS, HEAD_KEPT } from "../wire/frames.ts";

/** What is before the body of a response. */
export interface HeadParts {
  readonly status: number;
  readonly statusText: string;
  /** latin1 text, `name: value\r\n` for each field. */
  readonly headerLines: string;
}

export function headText({ status, statusText, headerLines }: HeadParts): string {
  return `HTTP/1.1 ${status} ${statusText}\r\n${headerLines}\r\n`;
}

export class SentHeads {
  /** The last one that was sent. */
  #status = 0;
  #statusText = "";
  #headerLines = "";
  /** The data thread has it. */
  #isKept = false;

  /** Sends a response, but none to HEAD, as a whole. */
  send(writer: FrameWriter, stream: number, parts: HeadParts, body: string | Uint8Array | null): void {
    const { status, statusText, headerLines } = parts;
    const isLast =
      status === this.#status && headerLines === this.#headerLines && statusText === this.#statusText;
    if (isLast && this.#isKept) {
      writer.head(stream, "", body, HEAD_ENDS | HEAD_AGAIN);
      return;
    }
    writer.head(stream, headText(parts), body, isLast ? HEAD_ENDS | HEAD_KEPT : HEAD_ENDS);
    this.#isKept = isLast;
    this.#status = status;
    this.#statusText = statusText;
    this.#headerLines = headerLines;
  }
}
