// Balancer `two_choices`: of two different backends, drawn at random, the one with fewer exchanges in flight for its
// weight. Nearly as even as looking at all of them (the fullest is log log n above the average, not log n / log log n),
// and threads that see the same numbers do not all run to the same backend. Mitzenmacher, "The Power of Two Choices in
// Randomized Load Balancing", IEEE TPDS 12(10), 2001. Runs in data threads.

import type { Exchange } from "../../../core/exchange.ts";
import type { Balancer, Candidate } from "./balancer.ts";

export class TwoChoices implements Balancer {
  pick<Backend extends Candidate>(_exchange: Exchange, candidates: readonly Backend[]): Backend {
    const count = candidates.length;
    if (count === 1) return candidates[0]!;
    const one = Math.floor(Math.random() * count);
    const drawn = Math.floor(Math.random() * (count - 1));
    const first = candidates[one]!;
    const second = candidates[drawn < one ? drawn : drawn + 1]!;
    // Both sides times both weights: no division.
    const fuller = first.state.inFlight * second.spec.weight > second.state.inFlight * first.spec.weight;
    return fuller ? second : first;
  }
}
