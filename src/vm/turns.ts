// The one queue in front of a VM, first in, first out, whichever data thread an exchange came from. Runs in VMs.
//
// Who still waits at the end of the turn of the event loop in which it came is told so. Who was told is begun only after its
// data thread can know of it: one that ends the VM must not be taken for one that still waited.

import { clockMs } from "../core/clock.ts";
import { ASKS_PER_HANDLER } from "../wire/frames.ts";
import type { LoadedApp } from "./app.ts";
import { Waits } from "./waits.ts";
import { Workload } from "./workload.ts";

/** An exchange as the queue knows it. */
export interface Turn {
  /** Its data thread knows that it waits. */
  isTold: boolean;
  /** It has to wait for others. */
  onQueued(): void;
  /** After it was told that it waits: it does no more. */
  onStarted(): void;
  /** What was said goes out now. */
  flush(): void;
  run(): void;
}

/** Handlers that one after the other end at once keep the event loop no longer than this from everything else. */
const MOST_MS_PER_TURN = 5;

export class Turns {
  readonly app: LoadedApp;
  readonly #concurrency: number;
  /** In the order in which they came; a Set, because some give up while they wait. */
  readonly #waiting = new Set<Turn>();
  /** Those among them that came in this turn of the event loop. */
  #untold: Turn[] = [];
  #scheduled = false;
  /** From `performance.now()`; 0 where nothing was begun behind another one in this turn of the event loop. */
  #startedMs = 0;
  running = 0;
  /** Exchanges that came, since the start. */
  entered = 0;
  readonly work = new Workload();
  readonly waits = new Waits(this.work);
  readonly #mostAsks: number;
  #asks = 0;

  constructor(app: LoadedApp, concurrency: number) {
    this.app = app;
    this.#concurrency = concurrency;
    this.#mostAsks = ASKS_PER_HANDLER * concurrency;
  }

  get queued(): number {
    return this.#waiting.size;
  }

  /** One more request to an upstream. Throws where the app has too many already. */
  beginAsk(): void {
    if (this.#asks >= this.#mostAsks) {
      throw new TypeError(
        `Cannot ask an upstream: ${this.#asks} requests to upstreams are under way, expected fewer than ${this.#mostAsks} (${ASKS_PER_HANDLER} times the concurrency of the app)`,
      );
    }
    this.#asks++;
  }

  endAsk(): void {
    this.#asks--;
  }

  enter(turn: Turn): void {
    this.entered++;
    if (this.running < this.#concurrency && this.#waiting.size === 0) {
      this.running++;
      turn.run();
    } else {
      this.#waiting.add(turn);
      this.#untold.push(turn);
      this.#schedule();
    }
  }

  /** For one that was not begun yet. Returns whether it was waiting. */
  giveUp(turn: Turn): boolean {
    return this.#waiting.delete(turn);
  }

  /** One that ran is done: the next one begins. */
  leave(): void {
    this.running--;
    const next = this.#waiting.values().next().value;
    if (next === undefined) return;
    if (next.isTold || this.#isLate()) this.#schedule();
    else {
      this.#waiting.delete(next);
      this.running++;
      next.run();
    }
  }

  #isLate(): boolean {
    const now = clockMs();
    if (this.#startedMs === 0) this.#startedMs = now;
    this.#schedule();
    return now - this.#startedMs > MOST_MS_PER_TURN;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#endTurn);
  }

  readonly #endTurn = (): void => {
    this.#scheduled = false;
    this.#startedMs = 0;
    const begun: Turn[] = [];
    for (const turn of this.#waiting) {
      if (this.running === this.#concurrency) break;
      this.#waiting.delete(turn);
      this.running++;
      begun.push(turn);
      if (turn.isTold) turn.onStarted();
    }
    for (const turn of this.#untold) {
      if (!this.#waiting.has(turn)) continue;
      turn.isTold = true;
      turn.onQueued();
    }
    this.#untold = [];
    for (const turn of begun) if (turn.isTold) turn.flush();
    for (const turn of begun) turn.run();
  };
}
