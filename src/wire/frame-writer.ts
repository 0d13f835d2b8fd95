// Writes frames into a buffer that leaves in one write at the end of the turn of the event loop. Runs in data threads and
// in VMs.

import { FRAME_HEADER_BYTES, FrameType, HEAD_PREFIX_BYTES, MAX_PIECE_BYTES } from "./frames.ts";

const BUFFER_BYTES = 65_536;

/** What a writer needs of a `net.Socket`. */
export interface FrameSocket {
  readonly writableLength: number;
  write(bytes: Uint8Array): boolean;
}

export class FrameWriter {
  readonly #socket: FrameSocket;
  readonly #flush = () => this.flush();
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #end = 0;
  #scheduled = false;

  constructor(socket: FrameSocket) {
    this.#socket = socket;
  }

  /**
   * A head as latin1 text, with all of a body that is no longer than MAX_PIECE_BYTES (text is written as UTF-8).
   * `flags` are those of frames.ts.
   */
  head(stream: number, head: string, body: string | Uint8Array | null, flags: number): void {
    const bodyRoom = body === null ? 0 : typeof body === "string" ? 3 * body.length : body.length;
    const start = this.#reserve(HEAD_PREFIX_BYTES + head.length + bodyRoom);
    const buffer = this.#buffer;
    buffer[start] = flags;
    writeNumber(buffer, start + 1, head.length);
    let at = start + HEAD_PREFIX_BYTES;
    at += buffer.write(head, at, "latin1");
    if (typeof body === "string") at += buffer.write(body, at, "utf8");
    else if (body !== null) {
      buffer.set(body, at);
      at += body.length;
    }
    this.#close(FrameType.head, stream, start, at);
  }

  /** A piece of a body of any length. */
  body(stream: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += MAX_PIECE_BYTES)
      this.bytes(FrameType.body, stream, bytes.subarray(at, at + MAX_PIECE_BYTES));
  }

  bytes(type: number, stream: number, bytes: Uint8Array): void {
    const start = this.#reserve(bytes.length);
    this.#buffer.set(bytes, start);
    this.#close(type, stream, start, start + bytes.length);
  }

  /** `flags` before the bytes: a `message`. */
  flagged(type: number, stream: number, flags: number, bytes: Uint8Array): void {
    const start = this.#reserve(1 + bytes.length);
    this.#buffer[start] = flags;
    this.#buffer.set(bytes, start + 1);
    this.#close(type, stream, start, start + 1 + bytes.length);
  }

  number(type: number, stream: number, value: number): void {
    const start = this.#reserve(4);
    writeNumber(this.#buffer, start, value);
    this.#close(type, stream, start, start + 4);
  }

  empty(type: number, stream: number): void {
    const start = this.#reserve(0);
    this.#close(type, stream, start, start);
  }

  /** What is too long of the text is left out. */
  text(type: number, stream: number, text: string): void {
    this.bytes(type, stream, Buffer.from(text).subarray(0, MAX_PIECE_BYTES));
  }

  /** Sends at once what was written so far. */
  flush(): void {
    this.#scheduled = false;
    if (this.#end === 0) return;
    const socket = this.#socket;
    socket.write(this.#buffer.subarray(0, this.#end));
    this.#end = 0;
    // The kernel nearly always takes all of it at once; else what waits is left alone.
    if (socket.writableLength > 0 || this.#buffer.length > BUFFER_BYTES)
      this.#buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  }

  /** Room for a frame with so long a payload. Returns where the payload starts. */
  #reserve(payload: number): number {
    const needed = FRAME_HEADER_BYTES + payload;
    if (this.#end + needed > this.#buffer.length) {
      this.flush();
      if (needed > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(needed);
    }
    return this.#end + FRAME_HEADER_BYTES;
  }

  #close(type: number, stream: number, start: number, end: number): void {
    const buffer = this.#buffer;
    const header = start - FRAME_HEADER_BYTES;
    writeNumber(buffer, header, end - start);
    buffer[header + 4] = type;
    writeNumber(buffer, header + 5, stream);
    this.#end = end;
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }
}

function writeNumber(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
