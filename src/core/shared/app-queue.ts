// How the exchanges of an app wait, counted by each data thread in shared memory and read by any other: those that wait at a
// VM for their turn, those that wait for a VM, how long they waited, and those that waited in vain.
//
//   int32:   | waiting for a VM, all threads | per thread: queued, waiting for a VM |
//   float64: | per thread: rejected, timed out, the histogram of waits |

import { HISTOGRAM_CELLS, Histogram } from "../histogram.ts";

const INTS = 2;
const QUEUED = 0;
const WAITING = 1;

const FLOATS = 2 + HISTOGRAM_CELLS;
const REJECTED = 0;
const TIMED_OUT = 1;
const WAITS = 2;

export function createAppQueue(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(floatsAt(threads) + threads * FLOATS * Float64Array.BYTES_PER_ELEMENT);
}

function floatsAt(threads: number): number {
  return 8 * Math.ceil(((1 + INTS * threads) * Int32Array.BYTES_PER_ELEMENT) / 8);
}

/** The part of one data thread. */
export class AppQueueShare {
  readonly #ints: Int32Array;
  readonly #own: Int32Array;
  readonly #counts: Float64Array;
  readonly #waits: Histogram;

  constructor(shared: SharedArrayBuffer, threads: number, thread: number) {
    this.#ints = new Int32Array(shared, 0, 1 + INTS * threads);
    this.#own = this.#ints.subarray(1 + INTS * thread, 1 + INTS * (thread + 1));
    this.#counts = floatsOf(shared, threads, thread);
    this.#waits = new Histogram(this.#counts.subarray(WAITS));
  }

  /** An exchange waits at a VM, from now on or no more. */
  addQueued(count: 1 | -1): void {
    this.#own[QUEUED]! += count;
  }

  /** One more waits for a VM, unless `most` do so over all data threads. */
  tryWait(most: number): boolean {
    let count = Atomics.load(this.#ints, 0);
    while (count < most) {
      const found = Atomics.compareExchange(this.#ints, 0, count, count + 1);
      if (found === count) {
        this.#own[WAITING]! += 1;
        return true;
      }
      count = found;
    }
    return false;
  }

  endWait(): void {
    this.#own[WAITING]! -= 1;
    Atomics.sub(this.#ints, 0, 1);
  }

  /** It was begun after so long. */
  waited(ms: number): void {
    this.#waits.record(1000 * ms);
  }

  /** There was no place for it. */
  rejected(): void {
    this.#counts[REJECTED]! += 1;
  }

  timedOut(): void {
    this.#counts[TIMED_OUT]! += 1;
  }

  /** Gives back what the thread held, which has ended. */
  forget(): void {
    Atomics.sub(this.#ints, 0, this.#own[WAITING]!);
    this.#own.fill(0);
  }
}

/** Over all data threads. */
export interface AppQueueNumbers {
  /** Now at VMs, and for VMs. */
  readonly queued: number;
  readonly waiting: number;
  /** Since the start of the gateway, of all versions of the app. */
  readonly rejected: number;
  readonly timedOut: number;
  /** Of those that waited and were begun, in µs. */
  readonly waits: Histogram;
}

export function readAppQueue(shared: SharedArrayBuffer, threads: number): AppQueueNumbers {
  const ints = new Int32Array(shared, 0, 1 + INTS * threads);
  const numbers = { queued: 0, waiting: 0, rejected: 0, timedOut: 0, waits: new Histogram() };
  for (let thread = 0; thread < threads; thread++) {
    const counts = floatsOf(shared, threads, thread);
    numbers.queued += ints[1 + INTS * thread + QUEUED]!;
    numbers.waiting += ints[1 + INTS * thread + WAITING]!;
    numbers.rejected += counts[REJECTED]!;
    numbers.timedOut += counts[TIMED_OUT]!;
    numbers.waits.merge(new Histogram(counts.subarray(WAITS)));
  }
  return numbers;
}

function floatsOf(shared: SharedArrayBuffer, threads: number, thread: number): Float64Array {
  const offset = floatsAt(threads) + thread * FLOATS * Float64Array.BYTES_PER_ELEMENT;
  return new Float64Array(shared, offset, FLOATS);
}
