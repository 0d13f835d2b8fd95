// The circuit breaker of an upstream, as one data thread sees it: closed, open, or open with one exchange on trial. What
// it knows is shared by all threads (core/shared/upstream-state.ts).

import type { CircuitSpec } from "../../config/snapshot.ts";
import { GatewayError } from "../../core/errors.ts";
import { Counter } from "../../core/metrics.ts";
import type { RollingCounts } from "../../core/shared/rolling-counts.ts";
import type { UpstreamState } from "../../core/shared/upstream-state.ts";
import type { ThreadContext } from "../thread-context.ts";

/** What an exchange that was let through is to the circuit. */
export const Pass = { none: 0, ordinary: 1, trial: 2 } as const;
export type Pass = (typeof Pass)[keyof typeof Pass];

export class Circuit {
  readonly #upstream: string;
  readonly #spec: CircuitSpec;
  readonly #state: UpstreamState;
  readonly #window: RollingCounts;
  readonly #thread: ThreadContext;

  constructor(upstream: string, spec: CircuitSpec, state: UpstreamState, thread: ThreadContext) {
    this.#upstream = upstream;
    this.#spec = spec;
    this.#state = state;
    this.#window = state.circuitWindow(spec.windowMs);
    this.#thread = thread;
  }

  /** Lets an exchange through, for which `leave` must follow once; or says why not. */
  enter(nowMs: number): Pass | GatewayError {
    const { pending } = this.#spec;
    let pass: Pass = Pass.ordinary;
    if (this.#state.circuit !== "closed") {
      if (!this.#state.tryTrial(this.#thread.index, nowMs))
        return new GatewayError("circuit_open", `the circuit of upstream "${this.#upstream}" is open`);
      pass = Pass.trial;
    }
    if (!this.#state.tryPend(this.#thread.index, pending ?? Number.MAX_SAFE_INTEGER)) {
      if (pass === Pass.trial) this.#state.endTrial(this.#thread.index, nowMs);
      return new GatewayError(
        "circuit_open",
        `upstream "${this.#upstream}" has ${pending} pending exchanges`,
      );
    }
    return pass;
  }

  /** The head of a response came, or the exchange failed; `failed` is null where neither says anything of the upstream. */
  leave(pass: Pass, failed: boolean | null, nowMs: number): void {
    this.#state.endPending(this.#thread.index);
    const { failureShare, minRequests, openMs } = this.#spec;
    if (pass === Pass.trial) {
      // Before it closes: the next failure would find those that opened it.
      if (failed === false) this.#window.clear();
      const untilMs = failed === false ? null : failed === null ? nowMs : nowMs + openMs;
      this.#state.endTrial(this.#thread.index, untilMs);
      if (failed === false) this.#report("info", "circuit closed", {});
      return;
    }
    if (failureShare === null || failed === null) return;
    this.#window.add(nowMs, failed);
    if (!failed) return;
    const all = this.#window.all(nowMs);
    const failures = this.#window.some(nowMs);
    if (all < minRequests || failures < failureShare * all || !this.#state.open(nowMs + openMs)) return;
    this.#thread.metrics.add(Counter.circuitsOpened);
    this.#report("warn", "circuit opened", { failures, exchanges: all, for_ms: openMs });
  }

  #report(level: "info" | "warn", message: string, fields: Readonly<Record<string, number>>): void {
    this.#thread.reporter.report(level, "circuits", message, { upstream: this.#upstream, ...fields });
  }
}
