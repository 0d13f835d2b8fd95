// Ends the ejections of one backend, which data threads begin, and forgives them. Control thread.
//
//   ejected ── its time is over ──▶ back ── as long again without many failures ──▶ the next ejection is the first in a row

import type { EjectionSpec } from "../../config/snapshot.ts";
import type { BackendState } from "../../core/shared/backend-state.ts";

/** In a time that is forgiven for, one exchange out of so many may fail. */
const FORGIVEN_SHARE = 10;

export class EjectionWatch {
  readonly #state: BackendState;
  /** `ejectedUntil` of the last ejection that is over. */
  #endedUntil: number;
  // Since when it is looked at whether the backend does well, and the counts of then.
  #since = 0;
  #requests = 0;
  #failures = 0;

  constructor(state: BackendState, nowMs: number) {
    this.#state = state;
    this.#endedUntil = state.ejected ? 0 : state.ejectedUntil;
    this.#observeFrom(nowMs);
  }

  /** Whether an ejection is to be ended; `end` follows. `rules` are null where nobody is ejected any more. */
  isOver(nowMs: number, rules: EjectionSpec | null): boolean {
    const state = this.#state;
    // The thread that ejects writes until when only after the mark.
    if (!state.ejected || state.ejectedUntil === this.#endedUntil) return false;
    const leftMs = state.ejectedUntil - nowMs;
    // More than the longest time: `max_time` was lowered, or the clock was put back.
    return rules === null || leftMs <= 0 || leftMs > rules.maxTimeMs;
  }

  end(nowMs: number): void {
    this.#endedUntil = this.#state.ejectedUntil;
    this.#observeFrom(nowMs);
  }

  /** Forgives when the backend was back for as long as its last ejection lasted and did well in that time. */
  forgive(nowMs: number, rules: EjectionSpec | null): void {
    const state = this.#state;
    if (state.ejected || state.ejectionsInARow === 0) return;
    const lastMs =
      rules === null ? 0 : Math.min(rules.maxTimeMs, rules.timeMs * 2 ** (state.ejectionsInARow - 1));
    if (nowMs - this.#since < lastMs) return;
    const { requests, failures } = state.totals;
    const well = (failures - this.#failures) * FORGIVEN_SHARE <= requests - this.#requests;
    if (well) state.forgiveEjections();
    else this.#observeFrom(nowMs);
  }

  #observeFrom(nowMs: number): void {
    const { requests, failures } = this.#state.totals;
    this.#since = nowMs;
    this.#requests = requests;
    this.#failures = failures;
  }
}
