// How many requests each key has had of late, over all data threads: for each key its theoretical arrival time (GCRA), in
// shared memory. One table is one limit.
//
//   | seed (2) |  locks, each on a cache line  |  per place: hash of the key (2) | …      int32
//   |  per place: theoretical arrival time | …                                            float64
//
// A key has a place among the PLACES_PER_SET of its set, or none: then it has had no requests of late. Nothing is ever
// removed: a place whose time has passed says the same as none, and is free.

import { KeyedHash } from "../keyed-hash.ts";
import { lock, unlock } from "./mutex.ts";

const SEED_CELLS = 2;
/** Sets share locks, so that threads seldom meet at one. */
const LOCKS = 64;
const CACHE_LINE_CELLS = 16;
const FIRST_LOCK = CACHE_LINE_CELLS;
const HASHES = FIRST_LOCK + LOCKS * CACHE_LINE_CELLS;

const PLACES_PER_SET = 16;
/** With so many places for each key that is to have one, a set of a table with all of them is full once in a million. */
const PLACES_PER_KEY = 4;

/** Times `burst`, which is below a million, a sum is still exact. */
const MOST_TICKS = 2 ** 30;

/** So many requests in that time, and `burst` at once. */
export interface Rate {
  readonly requests: number;
  readonly periodMs: number;
  readonly burst: number;
}

/** Memory for so many keys that have had requests of late; the system gives it when it is used. */
export function createRateTable(keys: number): SharedArrayBuffer {
  const places = 2 ** Math.ceil(Math.log2(Math.max(PLACES_PER_KEY * keys, PLACES_PER_SET)));
  const shared = new SharedArrayBuffer(4 * HASHES + 16 * places);
  new Int32Array(shared).set(KeyedHash.randomSeed());
  return shared;
}

/** Microseconds of the one clock of all threads: those of `performance.now()` begin when each thread does. */
export function sharedClock(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + nanoseconds / 1000;
}

/**
 * The view of one thread. A request holds the place of its key (`hold`), asks whether it may pass (`passes`), is counted
 * (`charge`) and lets go (`release`), all in one go: what lies between is a section of mutex.ts, so it throws nothing. What
 * the table says of the request is valid until the next one.
 */
export class RateTable {
  readonly hash: KeyedHash;
  readonly #cells: Int32Array;
  readonly #times: Float64Array;
  readonly #setMask: number;
  /** Time is counted in ticks of at most a microsecond, or 2^-30 of the interval. So many are between two requests. */
  readonly #interval: number;
  readonly #limit: number;
  readonly #ticksPerMicrosecond: number;
  readonly #ticksPerSecond: number;
  #lock = 0;
  #place = 0;
  #now = 0;
  /** Ticks until the key has had nothing of late. */
  #used = 0;
  #isNew = false;

  constructor(shared: SharedArrayBuffer, { requests, periodMs, burst }: Rate) {
    this.#cells = new Int32Array(shared);
    this.hash = new KeyedHash(this.#cells.slice(0, SEED_CELLS));
    const places = (shared.byteLength - 4 * HASHES) / 16;
    this.#times = new Float64Array(shared, 4 * HASHES + 8 * places, places);
    this.#setMask = places / PLACES_PER_SET - 1;
    const intervalMicroseconds = (periodMs * 1000) / requests;
    // Whole numbers only: sums of them are exact, so exactly `burst` pass at once.
    this.#interval = Math.min(Math.ceil(intervalMicroseconds), MOST_TICKS);
    this.#limit = burst * this.#interval;
    this.#ticksPerMicrosecond = this.#interval / intervalMicroseconds;
    this.#ticksPerSecond = this.#ticksPerMicrosecond * 1e6;
  }

  /** Finds the place of the key that was hashed last, and keeps every other thread from it. `now` is of `sharedClock`. */
  hold(now: number): void {
    const cells = this.#cells;
    const { first, second } = this.hash;
    const set = second & this.#setMask;
    this.#lock = FIRST_LOCK + (set & (LOCKS - 1)) * CACHE_LINE_CELLS;
    this.#now = Math.floor(now * this.#ticksPerMicrosecond);
    lock(cells, this.#lock);
    const from = set * PLACES_PER_SET;
    let earliest = from;
    for (let place = from; place < from + PLACES_PER_SET; place++) {
      if (cells[HASHES + 2 * place] === first && cells[HASHES + 2 * place + 1] === second) {
        this.#place = place;
        this.#isNew = false;
        this.#used = Math.max(this.#times[place]! - this.#now, 0);
        return;
      }
      if (this.#times[place]! < this.#times[earliest]!) earliest = place;
    }
    this.#place = earliest;
    this.#isNew = true;
    this.#used = 0;
  }

  get passes(): boolean {
    return this.#used + this.#interval <= this.#limit;
  }

  /**
   * Returns false where another key was forgotten for this one, because the set is full of keys that have had requests of
   * late: the one that would have been forgotten next.
   */
  charge(): boolean {
    const isFree = !this.#isNew || this.#times[this.#place]! <= this.#now;
    this.#cells[HASHES + 2 * this.#place] = this.hash.first;
    this.#cells[HASHES + 2 * this.#place + 1] = this.hash.second;
    this.#used += this.#interval;
    this.#times[this.#place] = this.#now + this.#used;
    return isFree;
  }

  release(): void {
    unlock(this.#cells, this.#lock);
  }

  /** Requests that may come at once now. */
  get remaining(): number {
    return Math.floor((this.#limit - this.#used) / this.#interval);
  }

  /** Seconds until one more may come, rounded up; 0 for now. */
  get waitSeconds(): number {
    return Math.ceil(Math.max(this.#used + this.#interval - this.#limit, 0) / this.#ticksPerSecond);
  }

  /** Seconds until `burst` may come at once, rounded up. */
  get fullSeconds(): number {
    return Math.ceil(this.#used / this.#ticksPerSecond);
  }
}
