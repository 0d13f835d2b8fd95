// Sends pieces of an open file at the pace of the client: one read, one write, and the next read when the client has taken
// that. Runs in data threads.

import { read } from "node:fs";
import { GatewayError } from "../../core/errors.ts";
import { type Action, type Exchange, LENT_BYTES } from "../../core/exchange.ts";
import { failExchange } from "../pipeline.ts";
import { closeFile, fileError } from "./file-system.ts";
import type { Part, Piece } from "./parts.ts";
import { SMALL_READ_BYTES } from "./read-buffers.ts";
import type { Site } from "./site.ts";

/** A client that takes a piece within this gets larger ones. On the clock of deadlines, which moves by 100. */
const FAST_MS = 100;

const NOTHING: Piece = { before: "", start: 0, end: 0 };

export class FileStream implements Action {
  readonly #site: Site;
  readonly #exchange: Exchange;
  readonly #fd: number;
  readonly #part: Part;
  /** Being read into, or lent to the client. */
  #buffer: Buffer | null = null;
  #next = 0;
  #piece = NOTHING;
  /** The next byte of the file. */
  #at = 0;
  #reading = false;
  /** For the client, since then; negative while there is nothing to wait for. */
  #waitingSince = -1;
  #fast = false;
  #headSent = false;
  #over = false;

  /** Takes over the open file. */
  constructor(site: Site, exchange: Exchange, fd: number, part: Part) {
    this.#site = site;
    this.#exchange = exchange;
    this.#fd = fd;
    this.#part = part;
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
      if (piece.before !== "" && !this.#send(Buffer.from(piece.before, "latin1"), false)) return;
    }
  }

  #read(): void {
    this.#giveBack();
    const rest = this.#piece.end - this.#at;
    this.#buffer = this.#site.buffers.take(this.#fast && rest > SMALL_READ_BYTES);
    this.#reading = true;
    const length = Math.min(rest, this.#buffer.length);
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
      const flows = this.#send(this.#buffer!.subarray(0, bytes), bytes >= LENT_BYTES);
      if (flows) this.#goOn();
    }
  }

  /** Returns false when the client has to be waited for. */
  #send(chunk: Buffer, lent: boolean): boolean {
    const { client } = this.#exchange;
    const isFirst = !this.#headSent;
    this.#headSent = true;
    const flows = isFirst
      ? client.sendHead(this.#part.head, chunk, false, lent)
      : client.sendBody(chunk, lent);
    if (flows) this.#fast = true;
    else this.#waitingSince = this.#site.thread.deadlines.now;
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
    this.#giveBack();
  }

  #giveBack(): void {
    if (this.#buffer !== null) this.#site.buffers.giveBack(this.#buffer);
    this.#buffer = null;
  }

  onClientDrain(): void {
    if (this.#waitingSince < 0) return;
    this.#fast = this.#site.thread.deadlines.now - this.#waitingSince <= FAST_MS;
    this.#waitingSince = -1;
    this.#goOn();
  }

  /** A file that is being read is closed after that: its number could be another file's by then. */
  onAborted(): void {
    this.#over = true;
    if (this.#reading) return;
    // Lent to a connection that may not be done with it.
    if (this.#waitingSince >= 0) this.#buffer = null;
    this.#letGo();
  }

  onRequestBody(): void {}
  onRequestEnd(): void {}
}
