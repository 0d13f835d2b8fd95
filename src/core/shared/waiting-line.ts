// Who waits for a place, over all data threads, first in, first out: a doubly linked list in shared memory.
//
//   | lock | waiting | head | tail | free | then per place: thread, before, after |     0 is no place
//
// Nobody is handed anything: the one at the head may take what is free, and leaves; the next one is told by its thread
// being woken. So a waiter that gives up, or a thread that dies, holds nothing that would be lost with it.

import { exclusively } from "./mutex.ts";

const LOCK = 0;
const WAITING = 1;
const HEAD = 2;
const TAIL = 3;
const FREE = 4;
const PLACES = 5;

const THREAD = 0;
const BEFORE = 1;
const AFTER = 2;
const PLACE_CELLS = 3;

/** Not in the line, for lack of a place. */
export const LINE_FULL = 0;
export const NOBODY = -1;

/** Int32 cells that a line for `size` waiters needs. All zero is an empty line. */
export function waitingLineCells(size: number): number {
  return PLACES + size * PLACE_CELLS;
}

export class WaitingLine {
  readonly #cells: Int32Array;
  readonly #size: number;

  constructor(cells: Int32Array, size: number) {
    this.#cells = cells;
    this.#size = size;
  }

  /**
   * Waiters over all threads. Asked for with every request, so it is read plainly: whoever made room has just changed a
   * count with `Atomics`, which orders this read behind it.
   */
  get waiting(): number {
    return this.#cells[WAITING]!;
  }

  /** Goes to the end of the line. Returns the place, or `LINE_FULL` where `most` wait already. */
  join(thread: number, most: number = this.#size): number {
    const cells = this.#cells;
    return exclusively(cells, LOCK, () => {
      const waiting = cells[WAITING]!;
      if (waiting >= this.#size || waiting >= most) return LINE_FULL;
      // Places that were never used follow each other; those that were given back are linked from FREE.
      let place = cells[FREE]!;
      if (place === 0) place = waiting + 1;
      else cells[FREE] = cells[this.#at(place, AFTER)]!;
      const tail = cells[TAIL]!;
      cells[this.#at(place, THREAD)] = thread;
      cells[this.#at(place, BEFORE)] = tail;
      cells[this.#at(place, AFTER)] = 0;
      if (tail === 0) cells[HEAD] = place;
      else cells[this.#at(tail, AFTER)] = place;
      cells[TAIL] = place;
      Atomics.store(cells, WAITING, waiting + 1);
      return place;
    });
  }

  /** Gives a place back: its waiter got what it waited for, or gave up. */
  leave(place: number): void {
    exclusively(this.#cells, LOCK, () => this.#unlink(place));
  }

  /** Whether it is the turn of the waiter in that place. */
  isFirst(place: number): boolean {
    return Atomics.load(this.#cells, HEAD) === place;
  }

  /** The thread of the first waiter, or `NOBODY`. */
  get firstThread(): number {
    const cells = this.#cells;
    if (this.waiting === 0) return NOBODY;
    return exclusively(cells, LOCK, () => {
      const head = cells[HEAD]!;
      return head === 0 ? NOBODY : cells[this.#at(head, THREAD)]!;
    });
  }

  /** Takes out all waiters of a thread that ended. */
  forgetThread(thread: number): void {
    const cells = this.#cells;
    exclusively(cells, LOCK, () => {
      for (let place = cells[HEAD]!; place !== 0; ) {
        const after = cells[this.#at(place, AFTER)]!;
        if (cells[this.#at(place, THREAD)] === thread) this.#unlink(place);
        place = after;
      }
    });
  }

  #unlink(place: number): void {
    const cells = this.#cells;
    const before = cells[this.#at(place, BEFORE)]!;
    const after = cells[this.#at(place, AFTER)]!;
    if (before === 0) Atomics.store(cells, HEAD, after);
    else cells[this.#at(before, AFTER)] = after;
    if (after === 0) cells[TAIL] = before;
    else cells[this.#at(after, BEFORE)] = before;
    cells[this.#at(place, AFTER)] = cells[FREE]!;
    cells[FREE] = place;
    Atomics.store(cells, WAITING, cells[WAITING]! - 1);
  }

  #at(place: number, field: number): number {
    return PLACES + (place - 1) * PLACE_CELLS + field;
  }
}
