// The body of a request on its way to a VM: sent by credit, and kept until the handler reads, so that it can be sent again.
// Runs in data threads.

import type { FrameWriter } from "../../wire/frame-writer.ts";
import { FrameType, REQUEST_WINDOW_BYTES } from "../../wire/frames.ts";

export class RequestPieces {
  /** Those that were sent stay here until the first credit comes. */
  #pieces: Buffer[] = [];
  /** Where the next byte to send is. */
  #next = 0;
  #offset = 0;
  #credit = 0;
  /** Bytes that were not sent. */
  waitingBytes = 0;
  /** All of it is here. */
  ended = false;
  #endSent = false;
  #bytes = 0;
  /** Some of it is not here any more. */
  #gone = false;

  add(chunk: Buffer): void {
    this.#pieces.push(Buffer.from(chunk));
    this.waitingBytes += chunk.length;
    this.#bytes += chunk.length;
  }

  /** Begins on a new stream. Returns the whole body where that may go with its head; else `send` comes next. */
  begin(): Buffer | null {
    this.#credit = REQUEST_WINDOW_BYTES;
    if (!this.ended || this.#bytes > REQUEST_WINDOW_BYTES) return null;
    this.#endSent = true;
    this.waitingBytes = 0;
    return this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
  }

  /** As much as the VM takes. Returns whether it is to have more than there is yet. */
  send(writer: FrameWriter, stream: number): boolean {
    if (this.#endSent) return false;
    while (this.#next < this.#pieces.length && this.#credit > 0) {
      const piece = this.#pieces[this.#next]!;
      const end = Math.min(piece.length, this.#offset + this.#credit);
      writer.body(stream, piece.subarray(this.#offset, end));
      this.#credit -= end - this.#offset;
      this.waitingBytes -= end - this.#offset;
      this.#offset = end;
      if (end < piece.length) break;
      this.#next++;
      this.#offset = 0;
    }
    if (this.#next < this.#pieces.length) return false;
    if (this.#gone) this.#dropSent();
    if (!this.ended) return true;
    this.#endSent = true;
    writer.empty(FrameType.end, stream);
    return false;
  }

  /** The handler has read so much. Returns what is wrong, or null. */
  grant(bytes: number): string | null {
    this.#credit += bytes;
    if (this.#credit > REQUEST_WINDOW_BYTES) return "more credit than there was to give back";
    this.#gone = true;
    this.#dropSent();
    return null;
  }

  /** Back to the start, for another VM. Returns false where what was sent is gone. */
  rewind(): boolean {
    if (this.#gone) return false;
    this.#next = 0;
    this.#offset = 0;
    this.#endSent = false;
    this.waitingBytes = this.#bytes;
    return true;
  }

  #dropSent(): void {
    this.#pieces.splice(0, this.#next);
    this.#next = 0;
  }
}
