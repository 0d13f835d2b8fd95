// What the balancers share that take the backend with the lowest score of all: where several have it, they take turns.
// Runs in data threads.

import type { Exchange } from "../../../core/exchange.ts";
import type { Balancer, BalancerSetting, Candidate } from "./balancer.ts";
import type { RoundRobin } from "./round-robin.ts";
import type { SmoothWeight } from "./weight.ts";

export abstract class LowestScore implements Balancer {
  /** Who of those with the same score is next. */
  readonly #turns: RoundRobin | SmoothWeight;
  /** The candidates with the lowest score so far, in front of those of earlier picks: a list that shrinks is made anew. */
  readonly #tied: Candidate[];

  constructor({ backends }: BalancerSetting, turns: RoundRobin | SmoothWeight) {
    this.#turns = turns;
    this.#tied = [...backends];
  }

  /** `nowMs` is that of `Date.now()`. */
  protected abstract score(backend: Candidate, nowMs: number): number;

  pick<Backend extends Candidate>(_exchange: Exchange, candidates: readonly Backend[]): Backend {
    const tied = this.#tied as Backend[];
    const nowMs = Date.now();
    let lowest = Number.POSITIVE_INFINITY;
    let count = 0;
    for (let i = 0; i < candidates.length; i++) {
      const backend = candidates[i]!;
      const score = this.score(backend, nowMs);
      if (score > lowest) continue;
      if (score < lowest) {
        lowest = score;
        count = 0;
      }
      tied[count++] = backend;
    }
    return count === 1 ? tied[0]! : this.#turns.pickAmong(tied, count);
  }
}
