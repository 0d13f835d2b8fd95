// What was sent of a request body, kept so that it can be sent again, up to a bound.

export class KeptBody {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** All that came is here: nothing was too long. */
  whole = true;
  /** The end of the body came. */
  ended = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Copies the chunk: it is valid during the call only. */
  add(chunk: Buffer): void {
    if (!this.whole) return;
    this.#bytes += chunk.length;
    if (this.#bytes <= this.#maxBytes) {
      this.#chunks.push(Buffer.from(chunk));
      return;
    }
    this.whole = false;
    this.#chunks = [];
  }

  get chunks(): readonly Buffer[] {
    return this.#chunks;
  }
}
