// Long streams for tests: bytes that can be told apart by their place, their checksum, and what a process needs for them.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { crc32 } from "node:zlib";

const PIECE_BYTES = 64 * 1024;
const BLOCK = makeBlock(1024 * 1024 + PIECE_BYTES);

/** Bytes without a pattern, the same in every run. */
function makeBlock(length: number): Buffer {
  const words = new Uint32Array(length / 4);
  let state = 0x9e3779b9;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return Buffer.from(words.buffer);
}

/** Piece number `i` of a stream: neighbours differ, so that none can be lost or swapped unseen. */
function pieceOf(i: number): Buffer {
  const at = (i * 40_961) % (BLOCK.length - PIECE_BYTES);
  return BLOCK.subarray(at, at + PIECE_BYTES);
}

/** Writes so many bytes, a multiple of 64 KB, at the pace of the reader; resolves with their checksum. */
export async function pour(socket: Socket, bytes: number): Promise<number> {
  let checksum = 0;
  for (let i = 0; i < bytes / PIECE_BYTES; i++) {
    const piece = pieceOf(i);
    checksum = crc32(piece, checksum);
    if (!socket.write(piece)) await once(socket, "drain");
  }
  return checksum;
}

/** Reads one message from a socket and keeps nothing of its body but the sum. */
export class MessageReader {
  head = "";
  bytes = 0;
  checksum = 0;
  readonly #socket: Socket;
  readonly #gone = new AbortController();

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("close", () => this.#gone.abort(`the connection ended after ${this.bytes} bytes of the body`));
  }

  /** Resolves when the head is there. */
  async untilHead(): Promise<string> {
    while (!this.head.endsWith("\r\n\r\n")) await this.#more();
    return this.head;
  }

  /** Resolves with bytes and checksum when there are so many bytes of the body. */
  async untilBody(bytes: number): Promise<{ bytes: number; checksum: number }> {
    while (this.bytes < bytes) await this.#more();
    return { bytes: this.bytes, checksum: this.checksum };
  }

  async #more(): Promise<void> {
    await once(this.#socket, "data", { signal: this.#gone.signal });
  }

  #take(chunk: Buffer): void {
    let piece = chunk;
    if (!this.head.endsWith("\r\n\r\n")) {
      const text = this.head + chunk.toString("latin1");
      const end = text.indexOf("\r\n\r\n") + 4;
      const headLength = end < 4 ? text.length : end;
      piece = chunk.subarray(headLength - this.head.length);
      this.head = text.slice(0, headLength);
    }
    this.bytes += piece.length;
    this.checksum = crc32(piece, this.checksum);
  }
}

/** The most memory that a process has had in RAM so far, in MB. */
export function peakMemoryMb(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024;
}

/** What a process holds of memory now. */
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]);
}
