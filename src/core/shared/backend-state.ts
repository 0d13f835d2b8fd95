// What all threads know of one backend, in a piece of shared memory of its own: it comes with the snapshot and is gone with
// the last one that has the backend. Times are those of `Date.now()`, the only clock that threads share.
//
//   | int32: connections, in flight, health, … | window of failures | float64: times, measures | per thread: own counts |

import { ROLLING_COUNT_CELLS, RollingCounts } from "./rolling-counts.ts";

// Int32 cells.
const CONNECTIONS = 0;
const IN_FLIGHT = 1;
const CHECK = 2;
const EJECTED = 3;
const FAILURES_IN_A_ROW = 4;
const EJECTIONS_IN_A_ROW = 5;
const SLOW_START = 6;
const WINDOW = 8;
const INTS = WINDOW + ROLLING_COUNT_CELLS;

// Float64 cells.
const EJECTED_UNTIL = 0;
const SLOW_SINCE = 1;
const TIME_US = 2;
const TIME_AT = 3;
const REPORTED_UTILISATION = 4;
const REPORTED_AT = 5;
const EJECTIONS = 6;
const FLOATS = 8;

// Float64 cells of each thread.
const OWN_CONNECTIONS = 0;
const OWN_IN_FLIGHT = 1;
const REQUESTS = 2;
const FAILURES = 3;
const RESPONSES_2XX = 4;
const OWN_CELLS = 8;

const FLOATS_OFFSET = Math.ceil((INTS * 4) / 64) * 64;
const OWN_OFFSET = FLOATS_OFFSET + FLOATS * 8;

/** What active checks say of a backend. */
export const Check = {
  passed: 0,
  failed: 1,
  /** None was made yet, and until then it gets nothing. */ awaited: 2,
} as const;
export type Check = (typeof Check)[keyof typeof Check];

/** The time constant of the response time: what is older than this counts little. */
const TIME_DECAY_MS = 10_000;
/** Of one measure among all. */
const LEAST_WEIGHT = 0.01;
/** A report has faded out after this. */
const REPORT_MS = 30_000;

export function createBackendState(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(OWN_OFFSET + threads * OWN_CELLS * 8);
}

/** Anybody's view. What a data thread holds and counts goes through `BackendShare`. */
export class BackendState {
  protected readonly ints: Int32Array;
  protected readonly floats: Float64Array;
  readonly #shared: SharedArrayBuffer;

  constructor(shared: SharedArrayBuffer) {
    this.#shared = shared;
    this.ints = new Int32Array(shared, 0, INTS);
    this.floats = new Float64Array(shared, FLOATS_OFFSET, FLOATS);
  }

  /** Open connections, unused ones among them. */
  get connections(): number {
    return this.ints[CONNECTIONS]!;
  }

  /** Connections that carry an exchange. */
  get inFlight(): number {
    return this.ints[IN_FLIGHT]!;
  }

  /** Neither failed checks nor failed exchanges keep it out. */
  get up(): boolean {
    return this.ints[CHECK] === Check.passed && this.ints[EJECTED] === 0;
  }

  get check(): Check {
    return Atomics.load(this.ints, CHECK) as Check;
  }

  set check(check: Check) {
    Atomics.store(this.ints, CHECK, check);
  }

  // ---- ejection ----

  get ejected(): boolean {
    return Atomics.load(this.ints, EJECTED) === 1;
  }

  get ejectedUntil(): number {
    return this.floats[EJECTED_UNTIL]!;
  }

  /** Ejections since the start of the gateway. */
  get ejections(): number {
    return this.floats[EJECTIONS]!;
  }

  /** Returns false when another thread was faster. `timeMs` doubles with each ejection in a row, up to `maxTimeMs`. */
  eject(nowMs: number, timeMs: number, maxTimeMs: number): boolean {
    if (Atomics.compareExchange(this.ints, EJECTED, 0, 1) !== 0) return false;
    const before = Atomics.add(this.ints, EJECTIONS_IN_A_ROW, 1);
    this.floats[EJECTED_UNTIL] = nowMs + Math.min(maxTimeMs, timeMs * 2 ** Math.min(before, 30));
    this.floats[EJECTIONS]! += 1;
    Atomics.store(this.ints, FAILURES_IN_A_ROW, 0);
    return true;
  }

  /** Returns false when it was not ejected. */
  readmit(): boolean {
    return Atomics.compareExchange(this.ints, EJECTED, 1, 0) === 1;
  }

  /** The next ejection is the first in a row again. */
  forgiveEjections(): void {
    Atomics.store(this.ints, EJECTIONS_IN_A_ROW, 0);
  }

  get ejectionsInARow(): number {
    return Atomics.load(this.ints, EJECTIONS_IN_A_ROW);
  }

  /** Failures in a row, this one among them. */
  addFailure(): number {
    return Atomics.add(this.ints, FAILURES_IN_A_ROW, 1) + 1;
  }

  endFailures(): void {
    if (this.ints[FAILURES_IN_A_ROW] !== 0) Atomics.store(this.ints, FAILURES_IN_A_ROW, 0);
  }

  /** Exchanges, and those that failed among them. */
  window(windowMs: number): RollingCounts {
    return new RollingCounts(this.ints.subarray(WINDOW, WINDOW + ROLLING_COUNT_CELLS), windowMs);
  }

  // ---- slow start ----

  get slowStarting(): boolean {
    return this.ints[SLOW_START] === 1;
  }

  get slowSince(): number {
    return this.floats[SLOW_SINCE]!;
  }

  startSlowly(nowMs: number): void {
    this.floats[SLOW_SINCE] = nowMs;
    Atomics.store(this.ints, SLOW_START, 1);
  }

  endSlowStart(): void {
    Atomics.store(this.ints, SLOW_START, 0);
  }

  // ---- measures ----

  /** Time to the head of a response, as an average that forgets (EWMA, weighted by the time since the last one). */
  recordTime(us: number, nowMs: number): void {
    const { floats } = this;
    const since = Math.max(0, nowMs - floats[TIME_AT]!);
    // Answers that come at the same time count too.
    const weight = since === 0 ? LEAST_WEIGHT : Math.max(1 - Math.exp(-since / TIME_DECAY_MS), LEAST_WEIGHT);
    floats[TIME_US]! += (us - floats[TIME_US]!) * weight;
    floats[TIME_AT] = nowMs;
  }

  /** Microseconds; what was measured long ago fades towards 0, so that a slow backend is tried again. */
  timeUs(nowMs: number): number {
    return this.floats[TIME_US]! * Math.exp(-Math.max(0, nowMs - this.floats[TIME_AT]!) / TIME_DECAY_MS);
  }

  /** `utilisation` is 0 to 1. */
  report(utilisation: number, nowMs: number): void {
    this.floats[REPORTED_UTILISATION] = utilisation;
    this.floats[REPORTED_AT] = nowMs;
  }

  /** What was reported last, fading to 0 over 30 seconds. */
  utilisation(nowMs: number): number {
    const age = Math.max(0, nowMs - this.floats[REPORTED_AT]!);
    return age >= REPORT_MS ? 0 : this.floats[REPORTED_UTILISATION]! * (1 - age / REPORT_MS);
  }

  // ---- sums over threads ----

  /** Requests sent to it, by how they ended. */
  get totals(): BackendTotals {
    const sums = new Array<number>(OWN_CELLS).fill(0);
    for (const own of this.#threads()) for (let i = 0; i < OWN_CELLS; i++) sums[i]! += own[i]!;
    const [, , requests = 0, failures = 0, ok = 0, redirects = 0, clientErrors = 0, serverErrors = 0] = sums;
    return { requests, failures, responses: [ok, redirects, clientErrors, serverErrors] };
  }

  /** Gives back what a data thread held that ended. What it counted stays. */
  forgetThread(index: number): void {
    const own = [...this.#threads()][index];
    if (own === undefined) return;
    Atomics.sub(this.ints, CONNECTIONS, own[OWN_CONNECTIONS]!);
    Atomics.sub(this.ints, IN_FLIGHT, own[OWN_IN_FLIGHT]!);
    own[OWN_CONNECTIONS] = 0;
    own[OWN_IN_FLIGHT] = 0;
  }

  *#threads(): Generator<Float64Array> {
    for (let at = OWN_OFFSET; at < this.#shared.byteLength; at += OWN_CELLS * 8)
      yield new Float64Array(this.#shared, at, OWN_CELLS);
  }
}

export interface BackendTotals {
  /** Sent, repeated ones among them. */
  readonly requests: number;
  /** Without a response, or with one that counts as a failure. */
  readonly failures: number;
  /** By class: 2xx, 3xx, 4xx, 5xx. */
  readonly responses: readonly number[];
}

/** The view of one data thread, the only one that writes its own counts. */
export class BackendShare extends BackendState {
  readonly #own: Float64Array;

  constructor(shared: SharedArrayBuffer, thread: number) {
    super(shared);
    this.#own = new Float64Array(shared, OWN_OFFSET + thread * OWN_CELLS * 8, OWN_CELLS);
  }

  /** Counts one more connection unless `max` are open over all threads. */
  tryConnect(max: number): boolean {
    let open = Atomics.load(this.ints, CONNECTIONS);
    while (open < max) {
      const found = Atomics.compareExchange(this.ints, CONNECTIONS, open, open + 1);
      if (found === open) {
        this.#own[OWN_CONNECTIONS]! += 1;
        return true;
      }
      open = found;
    }
    return false;
  }

  disconnected(): void {
    this.#own[OWN_CONNECTIONS]! -= 1;
    Atomics.sub(this.ints, CONNECTIONS, 1);
  }

  /** A connection is taken into use; `endExchange` follows. */
  beginExchange(): void {
    this.#own[OWN_IN_FLIGHT]! += 1;
    Atomics.add(this.ints, IN_FLIGHT, 1);
  }

  endExchange(): void {
    this.#own[OWN_IN_FLIGHT]! -= 1;
    Atomics.sub(this.ints, IN_FLIGHT, 1);
  }

  countRequest(): void {
    this.#own[REQUESTS]! += 1;
  }

  countFailure(): void {
    this.#own[FAILURES]! += 1;
  }

  /** `status` is 200 to 599. */
  countResponse(status: number): void {
    this.#own[RESPONSES_2XX + Math.floor(status / 100) - 2]! += 1;
  }
}
