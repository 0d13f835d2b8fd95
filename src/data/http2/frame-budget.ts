// How many frames of a kind a client may send where each costs it little and the gateway more: RST_STREAM above all, for
// which the gateway and a backend have begun a request (CVE-2023-44487). Runs in data threads.

/** The budget is whole again after this time. */
const REFILL_MS = 10_000;

export class FrameBudget {
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
