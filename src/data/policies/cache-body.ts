// A body on its way into the cache, and those who are sent it, each at its own pace. Data threads.

import type { GatewayError } from "../../core/errors.ts";
import { type Action, type Exchange, LENT_BYTES, type ResponseHead } from "../../core/exchange.ts";
import { failExchange } from "../pipeline.ts";

/** One piece of a body to a client. It is lent: what is kept is never written to again. */
const PIECE_BYTES = LENT_BYTES;
const FIRST_BYTES = 16_384;

/** Grows up to `maxBytes`. */
export class GrowingBody {
  #bytes: Buffer;
  readonly #maxBytes: number;
  length = 0;
  whole = false;

  /** `length` is the one that was declared, or negative. */
  constructor(length: number, maxBytes: number) {
    this.#maxBytes = maxBytes;
    // Of its own, not of the pool: a piece of that would keep 8 KB.
    this.#bytes = Buffer.allocUnsafeSlow(length < 0 ? Math.min(FIRST_BYTES, maxBytes) : length);
  }

  /** What there is so far. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.length);
  }

  /** Copies a piece. Returns false, without it, where the body would be too long. */
  append(chunk: Buffer): boolean {
    const needed = this.length + chunk.length;
    if (needed > this.#maxBytes) return false;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(
        Math.min(this.#maxBytes, Math.max(needed, 2 * this.#bytes.length)),
      );
      this.#bytes.copy(larger, 0, 0, this.length);
      this.#bytes = larger;
    }
    chunk.copy(this.#bytes, this.length);
    this.length = needed;
    return true;
  }

  /** Nothing more comes. Gives back what was taken too much. */
  end(): Buffer {
    this.whole = true;
    if (this.length < this.#bytes.length) {
      const exact = Buffer.allocUnsafeSlow(this.length);
      this.#bytes.copy(exact, 0, 0, this.length);
      this.#bytes = exact;
    }
    return this.#bytes;
  }
}

/** What a body is sent from: one that is kept, or one that still grows. */
export interface BodySource {
  readonly bytes: Buffer;
  readonly whole: boolean;
}

export interface SenderWatcher {
  /** The client, which was slower before, took everything that there is. */
  caughtUp(): void;
  /** The client went away. */
  gone(): void;
}

/** Sends a response to a client, no faster than that takes it. The action of its exchange while something is to be sent. */
export class BodySender implements Action {
  readonly #exchange: Exchange;
  readonly #source: BodySource;
  #sent = 0;
  /** The client takes more. */
  #flows = true;

  readonly #watcher: SenderWatcher | null;

  constructor(exchange: Exchange, source: BodySource, watcher: SenderWatcher | null = null) {
    this.#exchange = exchange;
    this.#source = source;
    this.#watcher = watcher;
  }

  /** `head` is of this exchange alone. */
  start(head: ResponseHead): void {
    const exchange = this.#exchange;
    const { bytes, whole } = this.#source;
    if (whole && bytes.length <= PIECE_BYTES) {
      exchange.action = null;
      exchange.client.sendHead(head, bytes.length > 0 ? bytes : null, true, true);
      return;
    }
    exchange.action = this;
    const first = bytes.subarray(0, PIECE_BYTES);
    this.#sent = first.length;
    this.#flows = exchange.client.sendHead(head, first.length > 0 ? first : null, false, true);
    this.pump();
  }

  /** The client took everything that there is, and takes more. */
  get caughtUp(): boolean {
    return this.#flows && this.#sent >= this.#source.bytes.length;
  }

  /** There may be more to send. */
  pump(): void {
    const exchange = this.#exchange;
    while (this.#flows && !exchange.finished) {
      const { bytes, whole } = this.#source;
      if (this.#sent >= bytes.length) {
        if (whole) this.#end();
        return;
      }
      const piece = bytes.subarray(this.#sent, this.#sent + PIECE_BYTES);
      this.#sent += piece.length;
      this.#flows = exchange.client.sendBody(piece, true);
    }
  }

  /** The rest of the body will never come. */
  fail(error: GatewayError): void {
    failExchange(this.#exchange, error);
  }

  #end(): void {
    this.#exchange.action = null;
    this.#exchange.client.sendEnd(null);
  }

  onClientDrain(): void {
    this.#flows = true;
    this.pump();
    if (this.caughtUp) this.#watcher?.caughtUp();
  }

  onRequestBody(): void {}
  onRequestEnd(): void {}

  onAborted(): void {
    this.#watcher?.gone();
  }
}
