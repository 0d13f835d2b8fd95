// Balancer `round_robin`: one backend after the other, whatever their weights. Runs in data threads.

import type { Exchange } from "../../../core/exchange.ts";
import type { Balancer, BalancerSetting, Candidate } from "./balancer.ts";

export class RoundRobin implements Balancer {
  /**
   * Index of the backend that comes next, if it is a candidate. Whoever is not is passed over and has its turn a round
   * later, so a backend that is always there is picked exactly once a round, whatever the others do.
   */
  #next: number;

  constructor({ backends, offset }: Pick<BalancerSetting, "backends" | "offset">) {
    this.#next = backends.length === 0 ? 0 : offset % backends.length;
  }

  pick<Backend extends Candidate>(_exchange: Exchange, candidates: readonly Backend[]): Backend {
    return this.pickAmong(candidates, candidates.length);
  }

  /** One of the first `count`. */
  pickAmong<Backend extends Candidate>(candidates: readonly Backend[], count: number): Backend {
    let picked = candidates[0]!;
    for (let i = 0; i < count; i++) {
      if (candidates[i]!.index < this.#next) continue;
      picked = candidates[i]!;
      break;
    }
    this.#next = picked.index + 1;
    return picked;
  }
}
