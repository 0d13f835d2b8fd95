// Balancer `least_time`: the backend that should answer first: average time to a response head × exchanges in flight, the
// new one among them. The average forgets, so that a backend that was slow is tried again. (The load metric of Finagle's
// EWMA balancers: twitter.github.io/finagle/guide/Clients.html.) Runs in data threads.

import type { BalancerSetting, Candidate } from "./balancer.ts";
import { LowestScore } from "./lowest-score.ts";
import { RoundRobin } from "./round-robin.ts";

/** Above every real score (a minute × 10 million in flight is 6e14), and whole numbers beside it are still told apart. */
const UNKNOWN_TIME = 1e15;

export class LeastTime extends LowestScore {
  constructor(setting: BalancerSetting) {
    super(setting, new RoundRobin(setting));
  }

  protected override score({ state }: Candidate, nowMs: number): number {
    const { inFlight } = state;
    const timeUs = state.timeUs(nowMs);
    if (timeUs > 0) return timeUs * (inFlight + 1);
    // Nobody knows how fast it is: it gets one exchange to find out, not all of them until the first is answered.
    return inFlight === 0 ? 0 : UNKNOWN_TIME + inFlight;
  }
}
