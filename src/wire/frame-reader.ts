// Takes the bytes of a link apart into frames. A small state machine with its limits where the header comes in.
// Runs in data threads and in VMs.

import { headerFault } from "./frame-rules.ts";
import { FRAME_HEADER_BYTES, MAX_PIECE_BYTES } from "./frames.ts";

export interface FrameSink {
  /** The payload is `bytes` from `start` to `end`, valid during the call only. Returns what is wrong with the frame, or null. */
  onFrame(type: number, stream: number, bytes: Buffer, start: number, end: number): string | null;
}

const FIRST_KEPT_BYTES = 4096;

export class FrameReader {
  readonly #sink: FrameSink;
  /** A frame that is not whole yet, from its header on. */
  #kept = Buffer.alloc(0);
  #keptLength = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Returns what is wrong, after which the link is of no more use, or null. */
  feed(chunk: Buffer): string | null {
    return this.#keptLength === 0 ? this.#read(chunk, 0) : this.#readOn(chunk);
  }

  #read(bytes: Buffer, from: number): string | null {
    const { length } = bytes;
    let at = from;
    while (length - at >= FRAME_HEADER_BYTES) {
      const payload = readNumber(bytes, at);
      const type = bytes[at + 4]!;
      const stream = readNumber(bytes, at + 5);
      const start = at + FRAME_HEADER_BYTES;
      const end = start + payload;
      const fault = headerFault(type, payload, stream);
      if (fault !== null) return fault;
      if (end > length) break;
      const wrong = this.#sink.onFrame(type, stream, bytes, start, end);
      if (wrong !== null) return wrong;
      at = end;
    }
    this.#take(bytes, at, length - at);
    return null;
  }

  /** With the rest of the frame that is kept first. */
  #readOn(chunk: Buffer): string | null {
    let at = this.#take(chunk, 0, FRAME_HEADER_BYTES);
    if (this.#keptLength < FRAME_HEADER_BYTES) return null;
    const payload = readNumber(this.#kept, 0);
    const type = this.#kept[4]!;
    const stream = readNumber(this.#kept, 5);
    const fault = headerFault(type, payload, stream);
    if (fault !== null) return fault;
    const end = FRAME_HEADER_BYTES + payload;
    at = this.#take(chunk, at, end);
    if (this.#keptLength < end) return null;
    const frame = this.#kept;
    this.#keptLength = 0;
    // Long frames are rare: no link holds the memory of its longest one for ever.
    if (frame.length > 2 * MAX_PIECE_BYTES) this.#kept = Buffer.alloc(0);
    const wrong = this.#sink.onFrame(type, stream, frame, FRAME_HEADER_BYTES, end);
    return wrong ?? this.#read(chunk, at);
  }

  /** Keeps what there is from `at` on, until so many bytes are kept. Returns where it stopped. */
  #take(bytes: Buffer, at: number, until: number): number {
    const end = Math.min(bytes.length, at + until - this.#keptLength);
    if (end <= at) return at;
    const length = this.#keptLength + end - at;
    if (this.#kept.length < length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_KEPT_BYTES, 2 * length));
      this.#kept.copy(grown, 0, 0, this.#keptLength);
      this.#kept = grown;
    }
    bytes.copy(this.#kept, this.#keptLength, at, end);
    this.#keptLength = length;
    return end;
  }
}

/** An unsigned number of 32 bits. */
export function readNumber(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
