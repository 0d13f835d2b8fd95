// A body on its way into the cache, and those who are sent it, each at its own pace. Data threads.

import type { GatewayError } from "../../core/errors.ts";
import { type Action, type Exchange, LENT_BYTES, type ResponseHead } from "../../core/exchange.ts";
import { failExchange } from "../pipeline.ts";
import type { Room } from "./cache-room.ts";

/** One piece of a body to a client. It is lent: what is kept is never written to again. */
const PIECE_BYTES = LENT_BYTES;
const FIRST_BYTES = 16_384;
const NO_BYTES = Buffer.alloc(0);

/** Grows up to `maxBytes`, while there is room. */
export class GrowingBody {
  readonly #room: Room;
  readonly #maxBytes: number;
  #bytes: Buffer = NO_BYTES;
  /** Of the room. */
  #taken = 0;
  length = 0;
  whole = false;

  constructor(maxBytes: number, room: Room) {
    this.#maxBytes = maxBytes;
    this.#room = room;
  }

  /** Returns false where there is no room for so much. */
  reserve(bytes: number): boolean {
    if (bytes > this.#maxBytes || !this.#room.take(bytes - this.#bytes.length)) return false;
    this.#taken += bytes - this.#bytes.length;
    // Of its own, not of the pool: a piece of that would keep 8 KB.
    const larger = Buffer.allocUnsafeSlow(bytes);
    this.#bytes.copy(larger, 0, 0, this.length);
    this.#bytes = larger;
    return true;
  }

  /** What there is so far. */
  get bytes(): Buffer {
    return this.whole ? this.#bytes : this.#bytes.subarray(0, this.length);
  }

  /** Copies a piece. Returns false, without it, where the body would be too long. */
  append(chunk: Buffer): boolean {
    const needed = this.length + chunk.length;
    if (needed > this.#bytes.length) {
      const most = Math.min(this.#maxBytes, Math.max(2 * this.#bytes.length, FIRST_BYTES));
      if (!this.reserve(Math.max(needed, most))) return false;
    }
    chunk.copy(this.#bytes, this.length);
    this.length = needed;
    return true;
  }

  /** It is kept now, or of no use. */
  leaveRoom(): void {
    this.#room.give(this.#taken);
    this.#taken = 0;
  }

  /** Nothing more comes. */
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
  /** What it is a part of, if it is one. */
  readonly of?: Buffer;
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

  readonly #room: Room;
  readonly #watcher: SenderWatcher | null;
  /** What of the room is held on to, or null. */
  #held: Buffer | null = null;

  constructor(exchange: Exchange, source: BodySource, room: Room, watcher: SenderWatcher | null = null) {
    this.#exchange = exchange;
    this.#source = source;
    this.#room = room;
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
    // A body that still grows is in the room by itself.
    if (this.#source.whole && this.#held === null && !exchange.finished) {
      this.#held = this.#source.of ?? this.#source.bytes;
      this.#room.hold(this.#held);
    }
  }

  #letGo(): void {
    if (this.#held !== null) this.#room.letGo(this.#held);
    this.#held = null;
  }

  /** The rest of the body will never come. */
  fail(error: GatewayError): void {
    failExchange(this.#exchange, error);
  }

  #end(): void {
    this.#letGo();
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
    this.#letGo();
    this.#watcher?.gone();
  }
}
