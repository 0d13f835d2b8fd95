// Balancer `ip_hash`: a client's address decides, the whole of it and the real one behind trusted proxies, so that a client
// stays with its backend. A backend that comes or goes moves only its share of the clients. Runs in data threads.

import type { Exchange } from "../../../core/exchange.ts";
import { hash32 } from "../hash-key.ts";
import type { Balancer, BalancerSetting, Candidate } from "./balancer.ts";
import { Rendezvous } from "./rendezvous.ts";

export class IpHash implements Balancer {
  readonly #rendezvous: Rendezvous;

  constructor({ backends }: BalancerSetting) {
    this.#rendezvous = new Rendezvous(backends);
  }

  pick<Backend extends Candidate>(exchange: Exchange, candidates: readonly Backend[]): Backend {
    return this.#rendezvous.nearest(hash32(exchange.clientAddress), candidates, Number.POSITIVE_INFINITY);
  }
}
