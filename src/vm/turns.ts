// The one queue in front of a VM, first in, first out, whichever data thread an exchange came from. Runs in VMs.

import { ASKS_PER_HANDLER } from "../wire/frames.ts";
import type { LoadedApp } from "./app.ts";
import { Waits } from "./waits.ts";
import { Workload } from "./workload.ts";

/** An exchange as the queue knows it. */
export interface Turn {
  /** It has to wait for others. */
  onQueued(): void;
  /** `waited`: it was queued before. */
  run(waited: boolean): void;
}

export class Turns {
  readonly app: LoadedApp;
  readonly #concurrency: number;
  /** In the order in which they came; a Set, because some give up while they wait. */
  readonly #waiting = new Set<Turn>();
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
    if (this.running < this.#concurrency) {
      this.running++;
      turn.run(false);
    } else {
      this.#waiting.add(turn);
      turn.onQueued();
    }
  }

  /** For one that was not begun yet. Returns whether it was waiting. */
  giveUp(turn: Turn): boolean {
    return this.#waiting.delete(turn);
  }

  /** One that ran is done: the next one begins. */
  leave(): void {
    this.running--;
    for (const turn of this.#waiting) {
      this.#waiting.delete(turn);
      this.running++;
      turn.run(true);
      break;
    }
  }
}
