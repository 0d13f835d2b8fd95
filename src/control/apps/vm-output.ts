// What a VM says, with `console` and by what its process prints: line by line into the log within a rate, whatever the app
// does, and the last of what was printed kept for the report of how the VM ended. All of it is read as fast as it comes.
// Control thread.

import { LineLimit } from "../../core/line-limit.ts";
import { LOG_RATE, leftOutText, MAX_LINE, TELL_MS } from "../../wire/log-limits.ts";
import type { LogFromVm } from "../../wire/vm.ts";

export type OutputName = "stdout" | "stderr";

/** A line for the log. */
export interface VmLine {
  readonly level: LogFromVm["level"];
  readonly message: string;
  /** Id of the request, or empty. */
  readonly request: string;
  /** Where it was printed; null for one of `console`. */
  readonly output: OutputName | null;
}

const LF = 10;
const LAST_BYTES = 4096;
const LEVELS = { stdout: "info", stderr: "warn" } as const;

export class VmOutput {
  readonly #onLine: (line: VmLine) => void;
  /** A VM that keeps to the rules passes: it has the same rate, and what was held up on the way comes together. */
  readonly #said = new LineLimit({ ...LOG_RATE, lines: 2 * LOG_RATE.lines, bytes: 8 * LOG_RATE.bytes });
  readonly #printed = new LineLimit(LOG_RATE);
  readonly #unfinished = { stdout: new UnfinishedLine(), stderr: new UnfinishedLine() };
  #last = Buffer.alloc(0);
  #timer: NodeJS.Timeout | null = null;

  constructor(onLine: (line: VmLine) => void) {
    this.#onLine = onLine;
  }

  /** What was printed last. */
  get last(): string {
    return this.#last.toString();
  }

  add(output: OutputName, chunk: Buffer): void {
    this.#last = Buffer.concat([this.#last, chunk.subarray(-LAST_BYTES)]).subarray(-LAST_BYTES);
    const unfinished = this.#unfinished[output];
    const now = performance.now();
    let start = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, start)) {
      // Nothing is made of a line that goes nowhere.
      if (this.#isOpen(this.#printed, now)) {
        unfinished.add(chunk.subarray(start, end));
        this.#print(unfinished, output);
      }
      unfinished.clear();
      start = end + 1;
    }
    if (start < chunk.length) unfinished.add(chunk.subarray(start));
  }

  /** A call of `console`, as the VM tells of it. */
  say({ level, message, request }: LogFromVm): void {
    if (!this.#isOpen(this.#said, performance.now())) return;
    const text = message.slice(0, 2 * MAX_LINE);
    this.#said.take(text.length);
    this.#onLine({ level, message: text, request, output: null });
  }

  /** Nothing more comes. */
  end(): void {
    for (const output of ["stdout", "stderr"] as const) {
      const unfinished = this.#unfinished[output];
      if (unfinished.length > 0 && this.#isOpen(this.#printed, performance.now()))
        this.#print(unfinished, output);
      unfinished.clear();
    }
    this.#tellLeftOut();
  }

  #print(unfinished: UnfinishedLine, output: OutputName): void {
    const message = unfinished.text();
    this.#printed.take(message.length);
    this.#onLine({ level: LEVELS[output], message, request: "", output });
  }

  #isOpen(limit: LineLimit, now: number): boolean {
    if (limit.isOpen(now)) return true;
    limit.leaveOut(1);
    this.#timer ??= setTimeout(() => this.#tellLeftOut(), TELL_MS).unref();
    return false;
  }

  #tellLeftOut(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#tell(this.#said, "console");
    this.#tell(this.#printed, "its output");
  }

  #tell(limit: LineLimit, of: string): void {
    const leftOut = limit.told();
    if (leftOut > 0)
      this.#onLine({ level: "warn", message: leftOutText(leftOut, of), request: "", output: null });
  }
}

/** The first bytes of a line, and how many there were. */
class UnfinishedLine {
  #pieces: Buffer[] = [];
  #kept = 0;
  length = 0;

  add(piece: Buffer): void {
    this.length += piece.length;
    const kept = piece.subarray(0, MAX_LINE - this.#kept);
    if (kept.length === 0) return;
    // A copy: a slice would keep the whole buffer that was read.
    this.#pieces.push(Buffer.from(kept));
    this.#kept += kept.length;
  }

  text(): string {
    const text = Buffer.concat(this.#pieces).toString().replace(/\r$/, "");
    return this.length > this.#kept ? `${text}… (${this.length} bytes)` : text;
  }

  clear(): void {
    this.#pieces = [];
    this.#kept = 0;
    this.length = 0;
  }
}
