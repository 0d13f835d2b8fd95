// Balancer `least_connections_weight`: the backend with the fewest exchanges in flight for its weight. Where several have
// as few, as in an idle upstream, they take turns by weight (as `least_conn` of nginx). Runs in data threads.

import type { BalancerSetting, Candidate } from "./balancer.ts";
import { LowestScore } from "./lowest-score.ts";
import { SmoothWeight } from "./weight.ts";

export class LeastConnectionsWeight extends LowestScore {
  constructor(setting: BalancerSetting) {
    super(setting, new SmoothWeight(setting));
  }

  protected override score({ state, spec }: Candidate): number {
    return state.inFlight / spec.weight;
  }
}
