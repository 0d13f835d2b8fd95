// Writes a line per exchange to a file or to standard output: in batches, off the event loop. Data threads.
//
// Every thread appends to the same file by itself; a batch is whole lines in one write, so lines do not mix. Trouble
// with the file never reaches an exchange: lines are lost, counted, and reported once until lines are written again.

import { close, open, write } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import type { AccessLogSpec } from "../config/snapshot.ts";
import { type AccessRecord, accessRecord, combinedLine, jsonLine, type Logged } from "../core/access-line.ts";

const openFile = promisify(open);
const closeFile = promisify(close);
const writeFile = promisify(write);

const BATCH_BYTES = 32 * 1024;
const FLUSH_INTERVAL_MS = 1000;
/** What may wait for a file that is slower than the requests. */
const MAX_PENDING_BYTES = 4 * 1024 * 1024;
/** A pipe whose reader is slow is tried again this often, so far apart, before a batch is given up. */
const BUSY_RETRIES = 20;
const BUSY_WAIT_MS = 50;

const STDOUT = 1;
const NEWLINE = 10;

export interface AccessLogEvents {
  /** Lines are being lost, or the file could not be opened again and the old one is still written. */
  onError(error: Error): void;
  /** Lines are written again, after so many were lost. */
  onRecovered(lost: number): void;
}

export class AccessLog {
  /** Rejects where the file cannot be opened at first. With each batch of lines it is tried again. */
  readonly opened: Promise<void>;
  /** Null for standard output. */
  readonly #path: string | null;
  readonly #line: (record: AccessRecord) => string;
  readonly #events: AccessLogEvents;
  readonly #timer: NodeJS.Timeout;
  #fd: number | null = null;
  /** Lines that no write has taken yet. ASCII: as many bytes as characters. */
  #pending = "";
  /** Opens, writes and closes, one after the other. Never rejects. */
  #work: Promise<void> = Promise.resolve();
  #writeQueued = false;
  #closed = false;
  /** The file ends within a line, as a write to a full disk leaves it. */
  #torn = false;
  #failing = false;
  #lostWhileFailing = 0;
  #dropped = 0;

  constructor(spec: AccessLogSpec, events: AccessLogEvents) {
    this.#path = spec.path;
    this.#line = spec.format === "json" ? jsonLine : combinedLine;
    this.#events = events;
    this.#timer = setInterval(() => this.flush(), FLUSH_INTERVAL_MS).unref();
    this.opened = this.#open();
    this.#work = this.opened.catch((error: Error) => this.#lose(0, error.message));
  }

  /** Lines lost since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Never throws and never waits. */
  write(exchange: Logged, durationMs: number): void {
    if (this.#closed || this.#pending.length >= MAX_PENDING_BYTES) {
      this.#lose(1, this.#closed ? "it is closed" : "it is slower than the requests");
      return;
    }
    this.#pending += this.#line(accessRecord(exchange, durationMs, Date.now()));
    if (this.#pending.length >= BATCH_BYTES) this.flush();
  }

  /** Resolves when every line so far is written or lost. */
  flush(): Promise<void> {
    if (this.#pending === "" || this.#writeQueued) return this.#work;
    this.#writeQueued = true;
    return this.#enqueue(() => this.#writePending());
  }

  /** Opens the path again, for a file that was moved away. The old file is kept where that fails. */
  reopen(): Promise<void> {
    this.flush();
    return this.#enqueue(() => this.#open());
  }

  /** Resolves when every line is written or lost. Later lines are lost. */
  close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    this.flush();
    return this.#enqueue(() => this.#use(null));
  }

  #enqueue(step: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(step).catch((error: Error) => this.#lose(0, error.message));
    return this.#work;
  }

  async #open(): Promise<void> {
    await this.#use(this.#path === null ? STDOUT : await openFile(this.#path, "a"));
  }

  async #use(fd: number | null): Promise<void> {
    const old = this.#fd;
    this.#fd = fd;
    this.#torn = false;
    if (old !== null && old !== STDOUT) await closeFile(old);
  }

  async #writePending(): Promise<void> {
    const bytes = Buffer.from(this.#pending, "latin1");
    this.#pending = "";
    this.#writeQueued = false;
    let written = 0;
    try {
      if (this.#fd === null) await this.#open();
      if (this.#torn) await writeSome(this.#fd!, Buffer.from("\n"));
      this.#torn = false;
      while (written < bytes.length) written += await writeSome(this.#fd!, bytes.subarray(written));
      this.#recover();
    } catch (error) {
      this.#torn ||= written > 0 && bytes[written - 1] !== NEWLINE;
      this.#lose(linesIn(bytes.subarray(written)), (error as Error).message);
    }
  }

  #lose(lines: number, reason: string): void {
    this.#dropped += lines;
    this.#lostWhileFailing += lines;
    if (this.#failing) return;
    this.#failing = true;
    this.#events.onError(
      new Error(`cannot write the access log ${this.#path ?? "on standard output"}: ${reason}`),
    );
  }

  #recover(): void {
    if (this.#lostWhileFailing > 0) this.#events.onRecovered(this.#lostWhileFailing);
    this.#failing = false;
    this.#lostWhileFailing = 0;
  }
}

/** One write, which may take a part of the bytes. A full pipe is given time. */
async function writeSome(fd: number, bytes: Buffer): Promise<number> {
  for (let retry = 0; ; retry++) {
    try {
      const { bytesWritten } = await writeFile(fd, bytes);
      return bytesWritten;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN" || retry === BUSY_RETRIES) throw error;
      await wait(BUSY_WAIT_MS);
    }
  }
}

function linesIn(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}
