// Rendezvous hashing: every backend has a distance to every key, and the nearest candidate has the key. A backend that goes
// gives its keys to the next nearest of each, one that comes takes only those it is nearest to; nobody else's move.
// Thaler and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous", 1996; with weights by the logarithmic method of
// Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", SPAA 2005. Runs in data threads.

import { hash32, mixed32 } from "../hash-key.ts";
import type { Candidate } from "./balancer.ts";

export class Rendezvous {
  // By index of the backend, of its id: two numbers, so that no two backends are alike to every key by accident.
  readonly #seeds: Int32Array;
  readonly #factors: Int32Array;

  constructor(backends: readonly Candidate[]) {
    this.#seeds = Int32Array.from(backends, ({ spec }) => hash32(spec.id));
    this.#factors = Int32Array.from(backends, ({ spec }) => hash32(spec.id, 1) | 1);
  }

  /** The candidate nearest to `hash` among those with at most `most` × weight + 1 in flight. */
  nearest<Backend extends Candidate>(hash: number, candidates: readonly Backend[], most: number): Backend {
    const seeds = this.#seeds;
    const factors = this.#factors;
    let nearest = candidates[0]!;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < candidates.length; i++) {
      const backend = candidates[i]!;
      const { index } = backend;
      const { weight } = backend.spec;
      // Even over 0 to 1, never either of them: the smallest of -ln(even) ÷ weight is each one's by its weight.
      const even = (mixed32(Math.imul(hash ^ seeds[index]!, factors[index]!)) + 0.5) / 2 ** 32;
      // -ln(x) > 1 - x, so most need no logarithm (1.7 times as fast among 16, 2.7 among 256).
      if ((1 - even) / weight >= least) continue;
      const distance = -Math.log(even) / weight;
      if (distance >= least || backend.state.inFlight > most * weight + 1) continue;
      least = distance;
      nearest = backend;
    }
    return nearest;
  }
}
