// What handlers go on with beside their exchanges (`ctx.waitUntil`): so many promises at most, each for so long. Runs in VMs.

import { clockMs } from "../core/clock.ts";
import { MAX_WAITS } from "../wire/frames.ts";
import { log } from "./log.ts";
import type { Workload } from "./workload.ts";

/** So long a VM is kept for a promise. */
const MOST_MS = 30_000;
const SWEEP_MS = 1000;

interface Wait {
  readonly request: string;
  readonly until: number;
  readonly onSettled: () => void;
}

export class Waits {
  readonly #work: Workload;
  /** In the order in which they are given up. */
  readonly #pending = new Set<Wait>();
  #timer: NodeJS.Timeout | null = null;

  constructor(work: Workload) {
    this.#work = work;
  }

  /** Calls `onSettled` when the promise is settled, or given up. Throws where there are too many. */
  add(promise: unknown, request: string, onSettled: () => void): void {
    if (this.#pending.size >= MAX_WAITS)
      throw new RangeError(`Cannot wait for another promise: ${MAX_WAITS} are pending in this VM`);
    const wait: Wait = { request, until: clockMs() + MOST_MS, onSettled };
    this.#pending.add(wait);
    this.#work.pendingBegun();
    this.#timer ??= setInterval(() => this.#sweep(), SWEEP_MS);
    Promise.resolve(promise).then(
      () => this.#end(wait),
      (error: unknown) => {
        this.#end(wait);
        log("error", `a promise of ctx.waitUntil was rejected: ${textOf(error)}`, request);
      },
    );
  }

  #sweep(): void {
    const now = clockMs();
    for (const wait of this.#pending) {
      if (wait.until > now) return;
      this.#end(wait);
      log("warn", `a promise of ctx.waitUntil was given up after ${MOST_MS} ms`, wait.request);
    }
  }

  #end(wait: Wait): void {
    if (!this.#pending.delete(wait)) return;
    if (this.#pending.size === 0 && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
    wait.onSettled();
    this.#work.pendingEnded();
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
