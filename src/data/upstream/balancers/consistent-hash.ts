// Balancer `consistent_hash`: a key of the request decides (`hash_key`), but a backend that is a quarter above its share of
// the load is passed over for the next nearest, so that one popular key cannot drown one backend. Mirrokni, Thorup and
// Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016. Runs in data threads.

import type { HashKey } from "../../../config/snapshot.ts";
import type { Exchange } from "../../../core/exchange.ts";
import { hash32, readHashKey } from "../hash-key.ts";
import type { Balancer, BalancerSetting, Candidate } from "./balancer.ts";
import { Random } from "./random.ts";
import { Rendezvous } from "./rendezvous.ts";

/** Of its share of what is in flight. One more is allowed, or few exchanges would never stay with their backend. */
const MOST_LOAD = 1.25;

export class ConsistentHash implements Balancer {
  readonly #hashKey: HashKey;
  readonly #rendezvous: Rendezvous;
  /** For requests without the key. */
  readonly #random = new Random();

  constructor({ backends, hashKey }: BalancerSetting) {
    this.#hashKey = hashKey;
    this.#rendezvous = new Rendezvous(backends);
  }

  pick<Backend extends Candidate>(exchange: Exchange, candidates: readonly Backend[]): Backend {
    const key = readHashKey(exchange, this.#hashKey);
    if (key === null) return this.#random.pick(exchange, candidates);
    let inFlight = 0;
    let weight = 0;
    for (let i = 0; i < candidates.length; i++) {
      inFlight += candidates[i]!.state.inFlight;
      weight += candidates[i]!.spec.weight;
    }
    return this.#rendezvous.nearest(hash32(key), candidates, (MOST_LOAD * inFlight) / weight);
  }
}
