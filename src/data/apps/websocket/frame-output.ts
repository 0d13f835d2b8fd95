// Where the frames to a client go: each in one piece, and all of one turn in one write. Runs in data threads.

import type { TunnelSocket } from "../../../core/exchange.ts";
import type { FrameOutput } from "./ws-halves.ts";

export class SocketOutput implements FrameOutput {
  /** Nothing is written any more. */
  destroyed = false;
  /** The client takes what is sent. */
  flows = true;
  readonly #socket: TunnelSocket;
  readonly #count: (bytes: number) => void;
  readonly #flush = () => this.#uncork();
  #scheduled = false;
  /** A frame is being written: its first piece is held until the second one comes. */
  #inFrame = false;
  #start: Buffer | null = null;

  constructor(socket: TunnelSocket, count: (bytes: number) => void) {
    this.#socket = socket;
    this.#count = count;
  }

  cork(): void {
    this.#inFrame = true;
  }

  write(piece: Buffer, done?: () => void): void {
    if (this.#inFrame && this.#start === null) this.#start = piece;
    else {
      // A copy in any case: what comes over a link is valid for a moment only.
      this.#send(this.#start === null ? Buffer.from(piece) : Buffer.concat([this.#start, piece]));
      this.#start = null;
    }
    done?.();
  }

  uncork(): void {
    this.#inFrame = false;
  }

  #send(frame: Buffer): void {
    if (this.destroyed) return;
    this.#count(frame.length);
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#socket.cork();
      process.nextTick(this.#flush);
    }
    if (!this.#socket.write(frame)) this.flows = false;
  }

  #uncork(): void {
    this.#scheduled = false;
    this.#socket.uncork();
  }
}
