// Keeps the count of ejected backends, which bounds how many are, true to the backends. Control thread.
//
// A data thread counts first and marks the backend then, so the two differ for a moment. They differ for longer where
// something was lost: the thread died in between, or ejected a backend that a reload had just taken away.

import type { UpstreamState } from "../../core/shared/upstream-state.ts";

/** What stays the same for so many looks is no matter of moments. */
const LOOKS = 10;

export class EjectedCount {
  #off = 0;
  #looks = 0;

  /** To be called regularly, with how many backends are marked. */
  compare(state: UpstreamState, marked: number): void {
    const off = state.ejected - marked;
    if (off === 0 || off !== this.#off) {
      this.#off = off;
      this.#looks = 0;
    } else if (++this.#looks === LOOKS) {
      for (let i = 0; i < off; i++) state.readmit();
      for (let i = 0; i > off; i--) state.tryEject(Number.POSITIVE_INFINITY);
      this.#off = 0;
    }
  }
}
