// How many there were of all, and how many of a kind, in the last so many milliseconds: counts in shared memory.
//
//   ten buckets, each a tenth of the window:  | epoch, all, some | epoch, all, some | …
//
// A bucket whose epoch has passed is emptied by the first that counts in it. It takes off what was there before, so that
// what other threads count meanwhile stays, however long the system stops it in between.

const BUCKETS = 10;
const EPOCH = 0;
const ALL = 1;
const SOME = 2;
const BUCKET_CELLS = 3;

/** Int32 cells of one window. */
export const ROLLING_COUNT_CELLS = BUCKETS * BUCKET_CELLS;

export class RollingCounts {
  readonly #cells: Int32Array;
  readonly #bucketMs: number;

  constructor(cells: Int32Array, windowMs: number) {
    this.#cells = cells;
    this.#bucketMs = Math.max(1, windowMs / BUCKETS);
  }

  /** Counts one of all, and one of the kind too if it is of it. `nowMs` as from `Date.now()`. */
  add(nowMs: number, isSome: boolean): void {
    const bucket = this.#bucketAt(nowMs);
    Atomics.add(this.#cells, bucket + ALL, 1);
    if (isSome) Atomics.add(this.#cells, bucket + SOME, 1);
  }

  /** Counts one of the kind that was counted among all before. */
  addSome(nowMs: number): void {
    Atomics.add(this.#cells, this.#bucketAt(nowMs) + SOME, 1);
  }

  all(nowMs: number): number {
    return this.#sum(nowMs, ALL);
  }

  some(nowMs: number): number {
    return this.#sum(nowMs, SOME);
  }

  clear(): void {
    for (let i = 0; i < ROLLING_COUNT_CELLS; i++) Atomics.store(this.#cells, i, 0);
  }

  #bucketAt(nowMs: number): number {
    const number = Math.floor(nowMs / this.#bucketMs);
    const bucket = (number % BUCKETS) * BUCKET_CELLS;
    const cells = this.#cells;
    const epoch = number | 0;
    const found = Atomics.load(cells, bucket + EPOCH);
    if (found === epoch) return bucket;
    const all = Atomics.load(cells, bucket + ALL);
    const some = Atomics.load(cells, bucket + SOME);
    if (Atomics.compareExchange(cells, bucket + EPOCH, found, epoch) === found) {
      Atomics.sub(cells, bucket + ALL, all);
      Atomics.sub(cells, bucket + SOME, some);
    }
    return bucket;
  }

  #sum(nowMs: number, field: number): number {
    const last = Math.floor(nowMs / this.#bucketMs);
    let sum = 0;
    for (let number = last - BUCKETS + 1; number <= last; number++) {
      const bucket = (number % BUCKETS) * BUCKET_CELLS;
      if (this.#cells[bucket + EPOCH] === (number | 0)) sum += this.#cells[bucket + field]!;
    }
    return sum;
  }
}
