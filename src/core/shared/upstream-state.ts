// What all threads know of one upstream: how many backends are ejected, its circuit, its retries, and who waits for it.
// A piece of shared memory of its own, as that of a backend (backend-state.ts).

import { ROLLING_COUNT_CELLS, RollingCounts } from "./rolling-counts.ts";
import { WaitingLine, waitingLineCells } from "./waiting-line.ts";

// Int32 cells.
const EJECTED = 0;
const PENDING = 1;
const CIRCUIT = 2;
const RETRIES = 16;
const CIRCUIT_WINDOW = RETRIES + ROLLING_COUNT_CELLS;
const OWN_PENDING = CIRCUIT_WINDOW + ROLLING_COUNT_CELLS;

/** The time that the retry budget looks back on. */
const RETRY_WINDOW_MS = 10_000;

// Float64, on the first eight-byte border behind the cells above.
const OPEN_UNTIL_OFFSET = 16;

const CLOSED = 0;
const OPEN = 1;
/** One exchange is on trial: this, and the index of its thread added. */
const TRIAL = 2;

export function createUpstreamState(threads: number, queueSize: number): SharedArrayBuffer {
  return new SharedArrayBuffer((OWN_PENDING + threads + waitingLineCells(queueSize)) * 4);
}

export class UpstreamState {
  /** Who waits for a backend with room. */
  readonly line: WaitingLine;
  /** Requests sent, and the repeated ones among them. */
  readonly retries: RollingCounts;
  readonly #ints: Int32Array;
  readonly #openUntil: Float64Array;

  /** `threads` and `queueSize` as the memory was made for. */
  constructor(shared: SharedArrayBuffer, threads: number, queueSize: number) {
    this.#ints = new Int32Array(shared);
    this.#openUntil = new Float64Array(shared, OPEN_UNTIL_OFFSET, 1);
    this.retries = new RollingCounts(
      this.#ints.subarray(RETRIES, RETRIES + ROLLING_COUNT_CELLS),
      RETRY_WINDOW_MS,
    );
    this.line = new WaitingLine(this.#ints.subarray(OWN_PENDING + threads), queueSize);
  }

  /** Exchanges, and those that failed among them, for the circuit. */
  circuitWindow(windowMs: number): RollingCounts {
    return new RollingCounts(
      this.#ints.subarray(CIRCUIT_WINDOW, CIRCUIT_WINDOW + ROLLING_COUNT_CELLS),
      windowMs,
    );
  }

  /** Backends that are ejected. */
  get ejected(): number {
    return Atomics.load(this.#ints, EJECTED);
  }

  /** Makes room for one more ejected backend unless `most` are. */
  tryEject(most: number): boolean {
    return this.#tryAdd(EJECTED, most);
  }

  readmit(): void {
    Atomics.sub(this.#ints, EJECTED, 1);
  }

  // ---- circuit ----

  /** Exchanges that wait for the head of a response. */
  get pending(): number {
    return Atomics.load(this.#ints, PENDING);
  }

  tryPend(thread: number, most: number): boolean {
    if (!this.#tryAdd(PENDING, most)) return false;
    this.#ints[OWN_PENDING + thread]! += 1;
    return true;
  }

  endPending(thread: number): void {
    this.#ints[OWN_PENDING + thread]! -= 1;
    Atomics.sub(this.#ints, PENDING, 1);
  }

  get circuit(): "closed" | "open" | "trial" {
    const circuit = Atomics.load(this.#ints, CIRCUIT);
    return circuit === CLOSED ? "closed" : circuit === OPEN ? "open" : "trial";
  }

  get openUntil(): number {
    return this.#openUntil[0]!;
  }

  /** Opens a closed circuit; returns false when another thread did. */
  open(untilMs: number): boolean {
    // An exchange that began before it opened and fails now must not keep it open for longer.
    if (Atomics.load(this.#ints, CIRCUIT) !== CLOSED) return false;
    this.#openUntil[0] = untilMs;
    return Atomics.compareExchange(this.#ints, CIRCUIT, CLOSED, OPEN) === CLOSED;
  }

  /** Claims the one trial of an open circuit whose time is over. */
  tryTrial(thread: number, nowMs: number): boolean {
    if (nowMs < this.openUntil) return false;
    return Atomics.compareExchange(this.#ints, CIRCUIT, OPEN, TRIAL + thread) === OPEN;
  }

  /** The trial of that thread is over, if it has one. `untilMs` is null where it went well. */
  endTrial(thread: number, untilMs: number | null): void {
    if (Atomics.load(this.#ints, CIRCUIT) !== TRIAL + thread) return;
    if (untilMs !== null) this.#openUntil[0] = untilMs;
    Atomics.store(this.#ints, CIRCUIT, untilMs === null ? CLOSED : OPEN);
  }

  /** Gives back what a data thread held that ended. */
  forgetThread(thread: number): void {
    Atomics.sub(this.#ints, PENDING, this.#ints[OWN_PENDING + thread]!);
    this.#ints[OWN_PENDING + thread] = 0;
    this.line.forgetThread(thread);
    this.endTrial(thread, 0);
  }

  #tryAdd(cell: number, most: number): boolean {
    let count = Atomics.load(this.#ints, cell);
    while (count < most) {
      const found = Atomics.compareExchange(this.#ints, cell, count, count + 1);
      if (found === count) return true;
      count = found;
    }
    return false;
  }
}
