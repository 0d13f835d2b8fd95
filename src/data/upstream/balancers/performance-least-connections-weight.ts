// Balancer `performance_least_connections_weight`: weighs the exchanges in flight for a backend's weight (70 %) against
// what the backend reports of itself (30 %; `POST /api/v1/report`, fading out over 30 s). The lowest score is taken; where
// several have it, they take turns by weight. Runs in data threads.

import type { BalancerSetting, Candidate } from "./balancer.ts";
import { LowestScore } from "./lowest-score.ts";
import { SmoothWeight } from "./weight.ts";

const CONNECTIONS_SHARE = 0.7;
const UTILISATION_SHARE = 0.3;

export class PerformanceLeastConnectionsWeight extends LowestScore {
  constructor(setting: BalancerSetting) {
    super(setting, new SmoothWeight(setting));
  }

  protected override score({ state, spec }: Candidate, nowMs: number): number {
    return (
      (CONNECTIONS_SHARE * state.inFlight) / spec.weight + UTILISATION_SHARE * 100 * state.utilisation(nowMs)
    );
  }
}
