// Takes the bytes of a link apart into frames. A small state machine with its one limit where the length comes in.
// Runs in data threads and in VMs.

import { FRAME_HEADER_BYTES, LAST_FRAME_TYPE, MAX_PAYLOAD_BYTES } from "./frames.ts";

export interface FrameSink {
  /** The payload is `bytes` from `start` to `end`, valid during the call only. Returns what is wrong with the frame, or null. */
  onFrame(type: number, stream: number, bytes: Buffer, start: number, end: number): string | null;
}

export class FrameReader {
  readonly #sink: FrameSink;
  /** Bytes of a frame that is not whole yet. */
  #kept = Buffer.alloc(0);
  #keptLength = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Returns what is wrong, after which the link is of no more use, or null. */
  feed(chunk: Buffer): string | null {
    if (this.#keptLength === 0) return this.#read(chunk, chunk.length);
    this.#keep(chunk, 0);
    const { length } = this.#kept;
    const whole = this.#kept.subarray(0, this.#keptLength);
    this.#keptLength = 0;
    const fault = this.#read(whole, whole.length);
    // What is left was kept again, from within the same memory: `copy` takes care of that.
    if (this.#keptLength === 0 && length > MAX_PAYLOAD_BYTES) this.#kept = Buffer.alloc(0);
    return fault;
  }

  #read(bytes: Buffer, length: number): string | null {
    let at = 0;
    while (length - at >= FRAME_HEADER_BYTES) {
      const payload = readNumber(bytes, at);
      const type = bytes[at + 4]!;
      if (payload > MAX_PAYLOAD_BYTES)
        return `a frame of ${payload} bytes: expected at most ${MAX_PAYLOAD_BYTES}`;
      if (type === 0 || type > LAST_FRAME_TYPE)
        return `a frame of type ${type}: expected 1 to ${LAST_FRAME_TYPE}`;
      const start = at + FRAME_HEADER_BYTES;
      const end = start + payload;
      if (end > length) break;
      const fault = this.#sink.onFrame(type, readNumber(bytes, at + 5), bytes, start, end);
      if (fault !== null) return fault;
      at = end;
    }
    if (at < length) this.#keep(bytes.subarray(0, length), at);
    return null;
  }

  #keep(bytes: Buffer, from: number): void {
    const needed = this.#keptLength + bytes.length - from;
    if (this.#kept.length < needed) {
      const grown = Buffer.allocUnsafeSlow(Math.max(4096, 2 * needed));
      this.#kept.copy(grown, 0, 0, this.#keptLength);
      this.#kept = grown;
    }
    bytes.copy(this.#kept, this.#keptLength, from);
    this.#keptLength = needed;
  }
}

/** An unsigned number of 32 bits. */
export function readNumber(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
