// Smooth weighted round robin, as in nginx: each backend gets its share of the weights, spread as evenly as can be
// (weights 5, 1, 1 give a a b a c a a, not a a a a a b c). With equal weights it is round robin.

import type { Backend } from "../upstream.ts";
import type { Balancer } from "./balancer.ts";

export class SmoothWeight implements Balancer {
  readonly #backends: readonly Backend[];
  readonly #current: Float64Array;
  readonly #total: number;

  constructor(backends: readonly Backend[], offset: number) {
    this.#backends = backends;
    this.#current = new Float64Array(backends.length);
    this.#total = backends.reduce((sum, backend) => sum + backend.spec.weight, 0);
    for (let skipped = 0; skipped < offset && skipped < backends.length; skipped++) this.pick();
  }

  /** Every backend gains its weight; the one that has most is taken and pays the total. */
  pick(): Backend | null {
    const backends = this.#backends;
    const current = this.#current;
    let best = -1;
    let most = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < backends.length; i++) {
      const weight = backends[i]!.spec.weight;
      if (weight === 0) continue;
      const value = current[i]! + weight;
      current[i] = value;
      if (value > most) {
        most = value;
        best = i;
      }
    }
    if (best < 0) return null;
    current[best]! -= this.#total;
    return backends[best]!;
  }
}
