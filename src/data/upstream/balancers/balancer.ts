// The interface of all balancers and the table of their names.

import type { BalancerName } from "../../../config/snapshot.ts";
import type { Exchange } from "../../../core/exchange.ts";
import type { Backend } from "../upstream.ts";
import { RoundRobin } from "./round-robin.ts";
import { SmoothWeight } from "./weight.ts";

/** Chooses among the backends it was made for. One per route and data thread. */
export interface Balancer {
  /** Null when no backend can take the exchange. */
  pick(exchange: Exchange): Backend | null;
}

const BALANCERS: Readonly<
  Record<BalancerName, new (backends: readonly Backend[], offset: number) => Balancer>
> = {
  round_robin: RoundRobin,
  weight: SmoothWeight,
};

/** `offset` lets each data thread begin at another backend. */
export function createBalancer(name: BalancerName, backends: readonly Backend[], offset: number): Balancer {
  return new BALANCERS[name](backends, offset);
}
