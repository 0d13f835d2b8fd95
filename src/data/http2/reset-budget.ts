// How many of its streams a client may reset: each costs it one frame, and the gateway and a backend a request
// (CVE-2023-44487). Runs in data threads.

/** The budget is whole again after this time. */
const REFILL_MS = 10_000;

export class ResetBudget {
  readonly #most: number;
  #left: number;
  #seenMs = 0;

  constructor(most: number) {
    this.#most = most;
    this.#left = most;
  }

  /** Returns false when there is nothing left. `nowMs` never goes back. */
  take(nowMs: number): boolean {
    const refill = ((nowMs - this.#seenMs) * this.#most) / REFILL_MS;
    this.#left = Math.min(this.#most, this.#left + refill);
    this.#seenMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
