// Checks one backend again and again, one check at a time. Control thread.

import { CheckAttempt, type CheckOutcome } from "./check-attempt.ts";
import type { CheckTarget } from "./check-target.ts";
import type { Turns } from "./turns.ts";

/** Share of the interval by which the time of a check varies, so that checks of many gateways do not come together. */
const JITTER = 0.1;

export class Checker {
  readonly #target: CheckTarget;
  readonly #turns: Turns;
  readonly #onOutcome: (outcome: CheckOutcome) => void;
  #timer: NodeJS.Timeout | null = null;
  #dueAt = 0;
  /** Asked for its turn, which has not ended. */
  #asked = false;
  #attempt: CheckAttempt | null = null;

  constructor(target: CheckTarget, turns: Turns, onOutcome: (outcome: CheckOutcome) => void) {
    this.#target = target;
    this.#turns = turns;
    this.#onOutcome = onOutcome;
  }

  start(delayMs: number): void {
    this.#timer = setTimeout(() => this.#due(), delayMs).unref();
  }

  /** No outcome is told any more. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#asked && !this.#turns.withdraw(this.#begin)) {
      this.#attempt?.cancel();
      this.#turns.end();
    }
    this.#asked = false;
  }

  #due(): void {
    this.#dueAt = performance.now();
    this.#asked = true;
    this.#turns.ask(this.#begin);
  }

  readonly #begin = (): void => {
    this.#attempt = new CheckAttempt(this.#target, (outcome) => {
      this.#asked = false;
      this.#turns.end();
      // A check that took longer than the interval is followed by the next at once.
      const took = performance.now() - this.#dueAt;
      this.start(Math.max(0, jittered(this.#target.check.intervalMs, Math.random()) - took));
      this.#onOutcome(outcome);
    });
  };
}

/** `random` is 0 to 1. */
export function jittered(intervalMs: number, random: number): number {
  return intervalMs * (1 - JITTER + 2 * JITTER * random);
}
