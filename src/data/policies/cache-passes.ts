// Keys whose last response was not kept: for a while nobody waits for the next one. Data threads.

import { clockMs } from "../../core/clock.ts";

/** So long, so many: both only cost a fetch that others wait for in vain. */
const PASS_MS = 10_000;
const MAX_PASSES = 10_000;

export class Passes {
  /** Until when, in the order added. */
  readonly #until = new Map<string, number>();

  add(key: string): void {
    this.#until.delete(key);
    this.#until.set(key, clockMs() + PASS_MS);
    if (this.#until.size <= MAX_PASSES) return;
    const [oldest] = this.#until.keys();
    this.#until.delete(oldest!);
  }

  has(key: string, nowMs: number): boolean {
    const until = this.#until.get(key);
    if (until === undefined) return false;
    if (until > nowMs) return true;
    this.#until.delete(key);
    return false;
  }

  remove(key: string): void {
    this.#until.delete(key);
  }
}
