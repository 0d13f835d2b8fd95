// Sends pieces of an open file at the pace of the client: one read, one write, and the next read when the client has taken
// that. Runs in data threads.

import { read } from "node:fs";
import { GatewayError } from "../../core/errors.ts";
import type { Action, Exchange } from "../../core/exchange.ts";
import { failExchange } from "../pipeline.ts";
import { closeFile, fileError } from "./file-system.ts";
import type { Part, Piece } from "./parts.ts";

/** Of one read. A client that is slow to take it holds so much. */
const READ_BYTES = 65_536;

/** Buffers for reading, used again by the streams of one route. */
export class ReadBuffers {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES);
  }

  giveBack(buffer: Buffer): void {
    if (this.#free.length < MOST_FREE) this.#free.push(buffer);
  }
}

const MOST_FREE = 16;
const NOTHING: Piece = { before: "", start: 0, end: 0 };

export class FileStream implements Action {
  readonly #buffers: ReadBuffers;
  readonly #exchange: Exchange;
  readonly #fd: number;
  readonly #part: Part;
  readonly #buffer: Buffer;
  #next = 0;
  #piece: Piece = NOTHING;
  /** The next byte of the file. */
  #at = 0;
  #reading = false;
  /** For the client. */
  #waiting = false;
  #headSent = false;
  #over = false;

  /** Takes over the open file. */
  constructor(buffers: ReadBuffers, exchange: Exchange, fd: number, part: Part) {
    this.#buffers = buffers;
    this.#exchange = exchange;
    this.#fd = fd;
    this.#part = part;
    this.#buffer = buffers.take();
    exchange.action = this;
  }

  start(): void {
    this.#goOn();
  }

  /** Sends what comes next, until a read or the client has to be waited for. */
  #goOn(): void {
    for (;;) {
      if (this.#at < this.#piece.end) {
        this.#read();
        return;
      }
      const piece = this.#part.pieces[this.#next++];
      if (piece === undefined) {
        this.#end();
        return;
      }
      this.#piece = piece;
      this.#at = piece.start;
      if (piece.before !== "" && !this.#send(Buffer.from(piece.before, "latin1"))) return;
    }
  }

  #read(): void {
    this.#reading = true;
    const length = Math.min(READ_BYTES, this.#piece.end - this.#at);
    read(this.#fd, this.#buffer, 0, length, this.#at, (error, bytes) => {
      this.#reading = false;
      if (this.#over) {
        this.#letGo();
        return;
      }
      try {
        this.#received(error, bytes);
      } catch (bug) {
        failExchange(this.#exchange, new GatewayError("internal", "an error in the gateway itself", bug));
      }
    });
  }

  #received(error: Error | null, bytes: number): void {
    const { path } = this.#exchange.request;
    if (error !== null) failExchange(this.#exchange, fileError(path, error));
    else if (bytes === 0) {
      // RFC 9112 section 8: what was promised cannot be kept, and the client has to see that.
      const message = `the file for ${path} became shorter while it was sent`;
      failExchange(this.#exchange, new GatewayError("file_changed", message));
    } else {
      this.#at += bytes;
      if (this.#send(this.#buffer.subarray(0, bytes))) this.#goOn();
    }
  }

  /** Returns false when the client has to be waited for. */
  #send(chunk: Buffer): boolean {
    const { client } = this.#exchange;
    const isFirst = !this.#headSent;
    this.#headSent = true;
    const flows = isFirst ? client.sendHead(this.#part.head, chunk, false) : client.sendBody(chunk);
    this.#waiting = !flows;
    return flows;
  }

  #end(): void {
    const exchange = this.#exchange;
    exchange.action = null;
    this.#letGo();
    exchange.client.sendEnd(null);
  }

  #letGo(): void {
    this.#over = true;
    closeFile(this.#fd);
    this.#buffers.giveBack(this.#buffer);
  }

  onClientDrain(): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    this.#goOn();
  }

  /** A file that is being read is closed after that: its number could be another file's by then. */
  onAborted(): void {
    this.#over = true;
    if (!this.#reading) this.#letGo();
  }

  onRequestBody(): void {}
  onRequestEnd(): void {}
}
