// Balancer `random`: any backend, by weight; no memory, so nothing that threads or gateways could do in step. Runs in
// data threads.

import type { Exchange } from "../../../core/exchange.ts";
import type { Balancer, Candidate } from "./balancer.ts";

export class Random implements Balancer {
  pick<Backend extends Candidate>(_exchange: Exchange, candidates: readonly Backend[]): Backend {
    const last = candidates.length - 1;
    let total = 0;
    for (let i = 0; i <= last; i++) total += candidates[i]!.spec.weight;
    let left = Math.random() * total;
    for (let i = 0; i < last; i++) {
      left -= candidates[i]!.spec.weight;
      if (left < 0) return candidates[i]!;
    }
    return candidates[last]!;
  }
}
