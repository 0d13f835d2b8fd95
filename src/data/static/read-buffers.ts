// Buffers that files are read into, used again by the exchanges of a route. Runs in data threads.

/**
 * The more is read at once, the fewer system calls and ways to the thread pool and back: 10 MB in reads of 64 KB, 256 KB
 * and 512 KB cost 9.8, 7.0 and 5.9 ms of CPU. But what a client is slow to take is held so long.
 */
export const SMALL_READ_BYTES = 65_536;
export const LARGE_READ_BYTES = 524_288;

const MOST_FREE = 16;

export class ReadBuffers {
  readonly #small: Buffer[] = [];
  readonly #large: Buffer[] = [];

  take(large: boolean): Buffer {
    const free = large ? this.#large : this.#small;
    return free.pop() ?? Buffer.allocUnsafeSlow(large ? LARGE_READ_BYTES : SMALL_READ_BYTES);
  }

  giveBack(buffer: Buffer): void {
    const free = buffer.length === LARGE_READ_BYTES ? this.#large : this.#small;
    if (free.length < MOST_FREE) free.push(buffer);
  }
}
