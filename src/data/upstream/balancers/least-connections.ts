// Balancer `least_connections`: the backend with the fewest exchanges in flight over all threads, whatever its weight (as
// `leastconn` of HAProxy). Where several have as few, they take turns: an idle upstream is not all on its first backend.
// Runs in data threads.

import type { BalancerSetting, Candidate } from "./balancer.ts";
import { LowestScore } from "./lowest-score.ts";
import { RoundRobin } from "./round-robin.ts";

export class LeastConnections extends LowestScore {
  constructor(setting: BalancerSetting) {
    super(setting, new RoundRobin(setting));
  }

  protected override score({ state }: Candidate): number {
    return state.inFlight;
  }
}
