// Feeds the bytes of a client to the receiver of its WebSocket, no faster than they can be taken. Runs in data threads.

import type { TunnelEnd, TunnelSocket } from "../../../core/exchange.ts";
import type { Receiver } from "./ws-halves.ts";

/** Compressed input is read in pieces of so much: each of them may grow a thousandfold. */
const DEFLATED_PIECE_BYTES = 1024;

export class FrameInput {
  readonly #socket: TunnelSocket;
  readonly #receiver: Receiver;
  readonly #compressed: boolean;
  readonly #pieceRead = () => {
    this.#reading = false;
    this.#readOn();
  };
  /** Bytes that came and were not read. */
  #held: Buffer[] = [];
  #reading = false;
  #paused = false;
  #ended = false;

  /** `compressed`: frames may be. */
  constructor({ socket }: TunnelEnd, receiver: Receiver, compressed: boolean) {
    this.#socket = socket;
    this.#receiver = receiver;
    this.#compressed = compressed;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** `chunk` is copied. */
  feed(chunk: Buffer): void {
    if (this.#ended) return;
    // Kept pieces belong to the receiver, which unmasks them in their place.
    if (!this.#compressed && !this.#paused) this.#receiver.write(Buffer.from(chunk));
    else {
      this.#held.push(Buffer.from(chunk));
      this.#readOn();
    }
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#readOn();
  }

  /** What comes from now on is discarded. */
  end(): void {
    this.#ended = true;
    this.#held = [];
    this.#socket.resume();
  }

  #readOn(): void {
    while (!this.#ended && !this.#paused && !this.#reading) {
      const chunk = this.#held[0];
      if (chunk === undefined) {
        this.#socket.resume();
        return;
      }
      if (!this.#compressed) {
        this.#held.shift();
        this.#receiver.write(chunk);
        continue;
      }
      this.#socket.pause();
      this.#reading = true;
      if (chunk.length > DEFLATED_PIECE_BYTES) this.#held[0] = chunk.subarray(DEFLATED_PIECE_BYTES);
      else this.#held.shift();
      this.#receiver.write(chunk.subarray(0, DEFLATED_PIECE_BYTES), this.#pieceRead);
    }
  }
}
