// A stream that the data thread is done with before the VM is: what still comes on it is left alone, up to the last word
// of the VM. Until then it keeps its place there. Data threads.

import type { Exchange } from "../../core/exchange.ts";
import { FrameType, MAX_PIECE_BYTES, RESPONSE_WINDOW_BYTES } from "../../wire/frames.ts";
import type { ResponseReader } from "./response-reader.ts";
import type { StreamUser } from "./vm-link.ts";

/** More than what may be under way of a body, or of messages. */
const MOST_BYTES = 2 * RESPONSE_WINDOW_BYTES + MAX_PIECE_BYTES;

export class EndingStream implements StreamUser {
  /** The VM may ask to have it held before its last word. */
  readonly exchange: Exchange | null;
  readonly #reader: ResponseReader;
  #bytes = 0;

  constructor(exchange: Exchange | null, reader: ResponseReader) {
    this.exchange = exchange;
    this.#reader = reader;
  }

  onFrame(type: number, bytes: Buffer, start: number, end: number): string | null {
    if (type === FrameType.head) {
      // It may be the one that the VM names from then on.
      const read = this.#reader.read(bytes, start, end, this.exchange?.request.method ?? "");
      return typeof read === "string" ? read : null;
    }
    if (type !== FrameType.body && type !== FrameType.message) return null;
    this.#bytes += end - start;
    return this.#bytes > MOST_BYTES ? "more than there was credit for" : null;
  }

  onLinkEnded(): void {}
}
