// How many connections each client address has, over all data threads: a hash table in shared memory, under one lock that
// is taken when a connection comes and when it goes. Used only where there is a limit for each client.
//
//   | lock | entries in use | seed |  then per entry: | address (4) | connections | those of each thread … |     int32
//
// Open addressing, probed one by one; a removed entry leaves no gap behind, so a search ends at the first empty one.

import { readAddressCells } from "../ip.ts";
import { exclusively } from "./mutex.ts";

const LOCK = 0;
const USED = 1;
const SEED = 2;
const ENTRIES = 3;

const ADDRESS_CELLS = 4;
const COUNT = 4;
const OWN_COUNTS = 5;

const MIN_CAPACITY = 64;
const MAX_BYTES = 2 ** 28;

/** `uncounted`: it may come, but the limit does not know of it, for it has no address or the table has no room. */
export type Admission = "counted" | "uncounted" | "refused";

/** Memory for the clients of so many connections, half full at most; the system gives it when it is used. */
export function createClientCounts(threads: number, maxConnections: number): SharedArrayBuffer {
  const entryCells = OWN_COUNTS + threads;
  const wanted = Math.ceil(Math.log2(Math.max(2 * maxConnections, MIN_CAPACITY)));
  const most = Math.floor(Math.log2(MAX_BYTES / (4 * entryCells)));
  const capacity = 2 ** Math.min(wanted, most);
  const shared = new SharedArrayBuffer(4 * (ENTRIES + capacity * entryCells));
  // Nobody outside knows which addresses fall on one place.
  new Int32Array(shared)[SEED] = crypto.getRandomValues(new Int32Array(1))[0]!;
  return shared;
}

export class ClientCounts {
  readonly #cells: Int32Array;
  readonly #entryCells: number;
  readonly #capacity: number;
  readonly #wanted = new Int32Array(ADDRESS_CELLS);

  /** `threads` as the memory was made for. */
  constructor(shared: SharedArrayBuffer, threads: number) {
    this.#cells = new Int32Array(shared);
    this.#entryCells = OWN_COUNTS + threads;
    this.#capacity = Math.floor((this.#cells.length - ENTRIES) / this.#entryCells);
  }

  /** Counts one more connection of a client unless it has `most`. What is `counted` is given back by `release`. */
  tryAcquire(thread: number, address: string, most: number): Admission {
    if (!readAddressCells(address, this.#wanted)) return "uncounted";
    const cells = this.#cells;
    return exclusively(cells, LOCK, () => {
      const entry = this.#find();
      const count = cells[entry + COUNT]!;
      if (count >= most) return "refused";
      if (count === 0) {
        // The last empty entry stays empty: a search needs one.
        if (cells[USED]! + 1 >= this.#capacity) return "uncounted";
        cells[USED]! += 1;
        cells.set(this.#wanted, entry);
      }
      cells[entry + COUNT] = count + 1;
      cells[entry + OWN_COUNTS + thread]! += 1;
      return "counted";
    });
  }

  release(thread: number, address: string): void {
    if (!readAddressCells(address, this.#wanted)) return;
    exclusively(this.#cells, LOCK, () => {
      const entry = this.#find();
      this.#cells[entry + OWN_COUNTS + thread]! -= 1;
      this.#subtract(entry, 1);
    });
  }

  /** Connections of a client. */
  of(address: string): number {
    if (!readAddressCells(address, this.#wanted)) return 0;
    return exclusively(this.#cells, LOCK, () => this.#cells[this.#find() + COUNT]!);
  }

  /** Clients that have connections. */
  get clients(): number {
    return Atomics.load(this.#cells, USED);
  }

  /** Gives back what a data thread held that ended. */
  forgetThread(thread: number): void {
    const cells = this.#cells;
    exclusively(cells, LOCK, () => {
      let empty = 0;
      while (cells[this.#entryAt(empty) + COUNT] !== 0) empty++;
      // Backwards from an empty entry, which nothing moves across: what moves into a gap was looked at.
      for (let i = 1; i < this.#capacity; i++) {
        const entry = this.#entryAt((empty - i) & (this.#capacity - 1));
        const held = cells[entry + OWN_COUNTS + thread]!;
        if (held === 0) continue;
        cells[entry + OWN_COUNTS + thread] = 0;
        this.#subtract(entry, held);
      }
    });
  }

  #subtract(entry: number, by: number): void {
    this.#cells[entry + COUNT]! -= by;
    if (this.#cells[entry + COUNT] === 0) this.#remove(entry);
  }

  /** The entry of the wanted address, or the empty one where it would stand. */
  #find(): number {
    const cells = this.#cells;
    const [a, b, c, d] = this.#wanted;
    for (let place = this.#home(a!, b!, c!, d!); ; place = this.#after(place)) {
      const entry = this.#entryAt(place);
      if (cells[entry + COUNT] === 0) return entry;
      if (cells[entry] === a && cells[entry + 1] === b && cells[entry + 2] === c && cells[entry + 3] === d)
        return entry;
    }
  }

  /** Moves up what stands behind the gap and could not be found any more. */
  #remove(entry: number): void {
    const cells = this.#cells;
    let gap = (entry - ENTRIES) / this.#entryCells;
    for (
      let place = this.#after(gap);
      cells[this.#entryAt(place) + COUNT] !== 0;
      place = this.#after(place)
    ) {
      const at = this.#entryAt(place);
      const home = this.#home(cells[at]!, cells[at + 1]!, cells[at + 2]!, cells[at + 3]!);
      const mask = this.#capacity - 1;
      // It was found from its home on, which lies behind the gap: it stays.
      if (((place - home) & mask) < ((place - gap) & mask)) continue;
      cells.copyWithin(this.#entryAt(gap), at, at + this.#entryCells);
      gap = place;
    }
    cells.fill(0, this.#entryAt(gap), this.#entryAt(gap) + this.#entryCells);
    cells[USED]! -= 1;
  }

  #home(a: number, b: number, c: number, d: number): number {
    const hash = mixed(mixed(mixed(mixed(this.#cells[SEED]! ^ a) ^ b) ^ c) ^ d);
    return hash & (this.#capacity - 1);
  }

  #after(place: number): number {
    return (place + 1) & (this.#capacity - 1);
  }

  #entryAt(place: number): number {
    return ENTRIES + place * this.#entryCells;
  }
}

/** Each bit of the result depends on every bit (the last step of MurmurHash3). */
function mixed(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
