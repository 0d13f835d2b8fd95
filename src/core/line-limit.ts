// Keeps a source of log lines within a rate: so many lines and bytes at once, and so many a second. Runs anywhere.

export interface LineRate {
  readonly lines: number;
  readonly linesPerSecond: number;
  readonly bytes: number;
  readonly bytesPerSecond: number;
}

export class LineLimit {
  readonly #rate: LineRate;
  #lines: number;
  #bytes: number;
  /** Milliseconds of the caller's clock. */
  #at: number | null = null;
  /** Since `told` was called last. */
  #leftOut = 0;

  constructor(rate: LineRate) {
    this.#rate = rate;
    this.#lines = rate.lines;
    this.#bytes = rate.bytes;
  }

  get leftOut(): number {
    return this.#leftOut;
  }

  /** Whether a line may be written now. */
  isOpen(nowMs: number): boolean {
    const { lines, linesPerSecond, bytes, bytesPerSecond } = this.#rate;
    const seconds = this.#at === null ? 0 : (nowMs - this.#at) / 1000;
    this.#at = nowMs;
    this.#lines = Math.min(lines, this.#lines + seconds * linesPerSecond);
    this.#bytes = Math.min(bytes, this.#bytes + seconds * bytesPerSecond);
    return this.#lines >= 1 && this.#bytes > 0;
  }

  /** One was written. */
  take(bytes: number): void {
    this.#lines--;
    this.#bytes -= bytes;
  }

  leaveOut(lines: number): void {
    this.#leftOut += lines;
  }

  /** Returns how many were left out since the last call. */
  told(): number {
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut;
  }
}
