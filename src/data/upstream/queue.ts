// One data thread's side of the line in which exchanges wait for a backend with room (core/shared/waiting-line.ts).
//
//   join ─▶ wait ─▶ it is first, and there is room ─▶ takes it, leaves, and the next one is told
//             ├─▶ it is first, and may not take what has room ─▶ steps aside, and the next one is first
//             └─▶ time is over, or the client has gone ─▶ leaves
//
// Room is made where a connection closes or comes free. The first waiter may be another thread's: then the idle
// connections of this one make room for it, and that thread is woken. Who stepped aside is known to its own thread only.

import type { UpstreamSpec } from "../../config/snapshot.ts";
import { Timed } from "../../core/deadlines.ts";
import { Counter } from "../../core/metrics.ts";
import { LINE_FULL, NOBODY, type WaitingLine } from "../../core/shared/waiting-line.ts";
import type { ThreadContext } from "../thread-context.ts";
import type { BackendPool } from "./pool.ts";
import type { Upstream } from "./upstream.ts";

/** An exchange that waits. */
export interface Waiter {
  /**
   * It is the first: takes what has room and returns true, or false where nothing has; "aside" where something has that it
   * may not take, and others may: a backend that failed it, or one that its snapshot does not have.
   */
  onTurn(): boolean | "aside";
  onQueueTimeout(): void;
}

/** Room that nobody told of (a thread ended, a backend came back) is found this often. */
const LOOK_MS = 100;
/** Of those who stepped aside, so many are asked at a time: all of them would cost too much whenever room is made. */
const ASKED_ASIDE = 8;
const EVERYBODY = -1;

export class Queue extends Timed {
  /** Of the upstream. */
  readonly name: string;
  /** Which shared memory this is of. */
  readonly sharedId: number;
  readonly #line: WaitingLine;
  readonly #thread: ThreadContext;
  /** Own waiters, in the order of the line. */
  readonly #waiting = new Set<Ticket>();
  /** Own waiters that have left the line to others, and go on waiting. */
  readonly #aside = new Set<Ticket>();
  /** The backends that are waited for. */
  pools: readonly BackendPool[] = [];
  /** As the snapshot that serves has it. */
  upstream: Upstream | null = null;
  #advancing = false;
  /** Threads to be woken, or `EVERYBODY`. */
  readonly #toWake = new Set<number>();

  constructor(spec: UpstreamSpec, line: WaitingLine, thread: ThreadContext) {
    super();
    this.name = spec.name;
    this.sharedId = spec.sharedId;
    this.#line = line;
    this.#thread = thread;
  }

  /** Waiters over all data threads, but for those who stepped aside. */
  get waiting(): number {
    return this.#line.waiting;
  }

  /** Whether `advance` might do something. */
  get wantsRoom(): boolean {
    return this.#line.waiting > 0 || this.#aside.size > 0;
  }

  /** Goes to the end of the line; null when `size` wait already. It may be its turn at once, during the call. */
  join(waiter: Waiter, size: number, timeoutMs: number): Ticket | null {
    const place = this.#line.join(this.#thread.index, size - this.#aside.size);
    if (place === LINE_FULL) return null;
    const ticket = new Ticket(waiter, place, this);
    this.#waiting.add(ticket);
    this.#thread.metrics.add(Counter.queued);
    this.#thread.deadlines.set(ticket, timeoutMs);
    this.#thread.deadlines.set(this, LOOK_MS);
    // Unused connections of other threads are room too.
    if (this.pools.some(({ state }) => state.connections > state.inFlight)) this.#wakeSoon(EVERYBODY);
    return ticket;
  }

  leave(ticket: Ticket): void {
    if (this.#waiting.delete(ticket)) this.#line.leave(ticket.place);
    else if (!this.#aside.delete(ticket)) return;
    this.#thread.deadlines.remove(ticket);
  }

  /** Room was made, or may have been: lets the first ones take it. */
  advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    try {
      while (this.#askAside() || this.#advanceOne());
    } finally {
      this.#advancing = false;
    }
  }

  /** On another thread somebody stepped aside who waits for a backend to which there are unused connections. */
  giveWay(): void {
    for (const pool of this.pools) if (!pool.mayOpen) pool.giveUpIdle();
  }

  /** Returns whether one of them took something. */
  #askAside(): boolean {
    let left = Math.min(this.#aside.size, ASKED_ASIDE);
    if (left === 0) return false;
    for (const ticket of this.#aside) {
      if (ticket.waiter.onTurn() === true) return true;
      // The next time it is the turn of the others.
      this.#aside.delete(ticket);
      this.#aside.add(ticket);
      if (--left === 0) break;
    }
    return false;
  }

  /** Returns whether the next one may have a turn as well. */
  #advanceOne(): boolean {
    const thread = this.#line.firstThread;
    if (thread === NOBODY) return false;
    if (thread !== this.#thread.index) {
      this.#giveUpIdle();
      if (this.pools.some((pool) => pool.mayOpen)) this.#wakeSoon(thread);
      return false;
    }
    if (!this.pools.some((pool) => pool.hasRoom)) return false;
    for (const ticket of this.#waiting) {
      const turn = ticket.waiter.onTurn();
      if (turn === "aside") this.#stepAside(ticket);
      return turn !== false;
    }
    return false;
  }

  #stepAside(ticket: Ticket): void {
    this.#waiting.delete(ticket);
    this.#line.leave(ticket.place);
    this.#aside.add(ticket);
  }

  /** At the end of this turn of the event loop, however often it was asked for in it: a message costs both threads. */
  #wakeSoon(thread: number): void {
    if (this.#toWake.size === 0) setImmediate(() => this.#wake());
    this.#toWake.add(thread);
  }

  #wake(): void {
    const { wake } = this.#thread;
    if (this.#toWake.has(EVERYBODY)) wake.wakeOthers(this.name);
    else for (const thread of this.#toWake) wake.wake(thread, this.name);
    this.#toWake.clear();
  }

  #giveUpIdle(): void {
    let wanted = this.waiting;
    for (const pool of this.pools) {
      while (wanted > 0 && pool.giveUpIdle()) wanted--;
    }
  }

  override onDeadline(): void {
    if (this.#waiting.size === 0 && this.#aside.size === 0) return;
    this.#thread.deadlines.set(this, LOOK_MS);
    this.advance();
    // Nobody looks after them otherwise: they are not in the line.
    if (
      this.#aside.size > 0 &&
      this.pools.some(({ mayOpen, state }) => !mayOpen && state.connections > state.inFlight)
    )
      this.#thread.wake.askOthers(this.name);
  }
}

/** A place in the line. */
export class Ticket extends Timed {
  readonly waiter: Waiter;
  readonly place: number;
  readonly #queue: Queue;

  constructor(waiter: Waiter, place: number, queue: Queue) {
    super();
    this.waiter = waiter;
    this.place = place;
    this.#queue = queue;
  }

  leave(): void {
    this.#queue.leave(this);
  }

  override onDeadline(): void {
    this.leave();
    this.waiter.onQueueTimeout();
  }
}
