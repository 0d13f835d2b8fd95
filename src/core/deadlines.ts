// Deadlines of a data thread: one coarse timer sweeps a wheel of slots; refreshing a deadline is one field write.
//
//   slot = floor(at / tick) mod SLOTS. An entry stands in the slot of the deadline it had when it was placed. A later
//   deadline leaves it there: the sweep finds it early, sees that its time has not come and places it again.

import { clockMs } from "./clock.ts";

const TICK_MS = 100;
const SLOTS = 1024;
const UNPLACED = -1;
/**
 * A sweep moves the clock by this at most. Where the thread stood still for longer (a suspended machine, a blocked loop),
 * the rest does not count: bytes that came meanwhile are read only after the sweep.
 */
const MAX_STEP_MS = 2 * TICK_MS;

/** Something with at most one deadline. Subclasses say what happens when it passes. */
export abstract class Timed {
  /** Milliseconds of the wheel's clock; 0 when there is no deadline. */
  deadlineAt = 0;
  /** The absolute tick of the slot this entry stands in. */
  placedTick = UNPLACED;
  before: Timed | null = null;
  after: Timed | null = null;

  abstract onDeadline(): void;
}

export class Deadlines {
  /** Coarse clock in milliseconds; never goes back. It rests while the thread stands still. */
  now = 0;
  /** `Date.now()` of the last sweep: for what need not be exact and is asked for with every request. */
  wallMs = Date.now();
  readonly #slots: Array<Timed | null> = new Array(SLOTS).fill(null);
  readonly #startedAt = clockMs();
  #sweptAtMs = 0;
  #tick = 0;
  #timer: NodeJS.Timeout | null = null;

  start(): void {
    this.#timer ??= setInterval(() => this.sweep(clockMs() - this.#startedAt), TICK_MS).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Sets or moves the deadline of an entry; it fires at most two ticks late, and after a standstill at most one early. */
  set(entry: Timed, timeoutMs: number): void {
    const at = this.now + timeoutMs + TICK_MS;
    entry.deadlineAt = at;
    const tick = Math.ceil(at / TICK_MS);
    if (entry.placedTick !== UNPLACED) {
      if (entry.placedTick <= tick) return;
      this.#unlink(entry);
    }
    this.#place(entry, tick);
  }

  clear(entry: Timed): void {
    entry.deadlineAt = 0;
  }

  /** Takes an entry out for good. */
  remove(entry: Timed): void {
    entry.deadlineAt = 0;
    if (entry.placedTick !== UNPLACED) this.#unlink(entry);
  }

  /** Fires what is due `elapsedMs` after the start. */
  sweep(elapsedMs: number): void {
    this.now += Math.min(elapsedMs - this.#sweptAtMs, MAX_STEP_MS);
    this.#sweptAtMs = elapsedMs;
    this.wallMs = Date.now();
    const last = Math.floor(this.now / TICK_MS);
    while (this.#tick < last) {
      this.#tick++;
      this.#visit(this.#tick % SLOTS);
    }
  }

  #visit(slot: number): void {
    let entry = this.#slots[slot] ?? null;
    this.#slots[slot] = null;
    // Entries that fire may remove others of this slot: mark them all as out before the first one fires.
    const due: Timed[] = [];
    while (entry !== null) {
      const after = entry.after;
      entry.placedTick = UNPLACED;
      entry.before = null;
      entry.after = null;
      if (entry.deadlineAt !== 0) {
        if (entry.deadlineAt <= this.now) due.push(entry);
        else this.#place(entry, Math.ceil(entry.deadlineAt / TICK_MS));
      }
      entry = after;
    }
    for (const timed of due) {
      if (timed.deadlineAt === 0 || timed.deadlineAt > this.now) continue;
      timed.deadlineAt = 0;
      timed.onDeadline();
    }
  }

  #place(entry: Timed, tick: number): void {
    const placed = Math.min(Math.max(tick, this.#tick + 1), this.#tick + SLOTS - 1);
    const slot = placed % SLOTS;
    const head = this.#slots[slot] ?? null;
    entry.placedTick = placed;
    entry.before = null;
    entry.after = head;
    if (head !== null) head.before = entry;
    this.#slots[slot] = entry;
  }

  #unlink(entry: Timed): void {
    if (entry.before !== null) entry.before.after = entry.after;
    else this.#slots[entry.placedTick % SLOTS] = entry.after;
    if (entry.after !== null) entry.after.before = entry.before;
    entry.before = null;
    entry.after = null;
    entry.placedTick = UNPLACED;
  }
}
