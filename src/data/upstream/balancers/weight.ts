// Balancer `weight`: shares by weight, spread as evenly as they can be: weights 5, 1, 1 give a a b a c a a. It is the
// smooth weighted round-robin of nginx (commit 52327e0627f4, 2012). Runs in data threads.

import type { Exchange } from "../../../core/exchange.ts";
import type { Balancer, BalancerSetting, Candidate } from "./balancer.ts";

export class SmoothWeight implements Balancer {
  /**
   * By index of the backend: what it has gained and not yet paid. What all of them have is 0 together, and a backend
   * that is no candidate neither gains nor pays, so that it comes back to what it left with. Whoever the candidates are
   * from pick to pick, with n backends nobody is ever n picks from its share (Ajtai et al. 1998, "Fairness in
   * Scheduling", of which this is the greedy algorithm).
   */
  readonly #credit: number[];
  /** Weight of the last candidates together: what one pick is in `#credit`. */
  #total = 1;

  constructor({ backends, offset }: Pick<BalancerSetting, "backends" | "offset">) {
    this.#credit = backends.map(() => 0);
    for (let skipped = 0; skipped < offset && skipped < backends.length; skipped++) {
      this.pickAmong(backends, backends.length);
    }
  }

  pick<Backend extends Candidate>(_exchange: Exchange, candidates: readonly Backend[]): Backend {
    return this.pickAmong(candidates, candidates.length);
  }

  /** One of the first `count`: each gains its weight; the one that has most is taken and pays for all. */
  pickAmong<Backend extends Candidate>(candidates: readonly Backend[], count: number): Backend {
    let total = 0;
    for (let i = 0; i < count; i++) total += candidates[i]!.spec.weight;
    if (total !== this.#total) this.#rescale(total);
    const credit = this.#credit;
    let best = candidates[0]!;
    let most = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < count; i++) {
      const backend = candidates[i]!;
      const value = credit[backend.index]! + backend.spec.weight;
      credit[backend.index] = value;
      if (value > most) {
        most = value;
        best = backend;
      }
    }
    credit[best.index]! -= total;
    return best;
  }

  /**
   * A pick is a pick: without this, one among many candidates would cost more than one among few. As long as the
   * candidates stay, all values are whole numbers, and so exact.
   */
  #rescale(total: number): void {
    const credit = this.#credit;
    const factor = total / this.#total;
    for (let i = 0; i < credit.length; i++) credit[i]! *= factor;
    this.#total = total;
  }
}
