// The interface of all balancers and the table of their names. Runs in data threads.

import type { BackendSpec, BalancerName, HashKey, StickySpec } from "../../../config/snapshot.ts";
import type { Exchange } from "../../../core/exchange.ts";
import type { BackendState } from "../../../core/shared/backend-state.ts";
import { ConsistentHash } from "./consistent-hash.ts";
import { IpHash } from "./ip-hash.ts";
import { LeastConnections } from "./least-connections.ts";
import { LeastConnectionsWeight } from "./least-connections-weight.ts";
import { LeastTime } from "./least-time.ts";
import { PerformanceLeastConnectionsWeight } from "./performance-least-connections-weight.ts";
import { Random } from "./random.ts";
import { RoundRobin } from "./round-robin.ts";
import { Sticky } from "./sticky.ts";
import { TwoChoices } from "./two-choices.ts";
import { SmoothWeight } from "./weight.ts";

/** What a balancer looks at in a backend. */
export interface Candidate {
  /** The id is unique within the upstream; the weight is at least 1. */
  readonly spec: Pick<BackendSpec, "id" | "weight">;
  /** Place among all backends of the upstream. */
  readonly index: number;
  readonly state: BackendState;
}

/** Chooses among the backends of an upstream. One per route, protocol and data thread. */
export interface Balancer {
  /**
   * One of `candidates`: those that are up and have room, in the order of the file, at least one. The list is valid
   * during the call only.
   */
  pick<Backend extends Candidate>(exchange: Exchange, candidates: readonly Backend[]): Backend;
}

/** What balancers are made with. */
export interface BalancerSetting {
  readonly upstream: string;
  /** All of them, up or not. */
  readonly backends: readonly Candidate[];
  /** Different on each data thread, so that they do not all begin with the same backend. */
  readonly offset: number;
  readonly hashKey: HashKey;
  readonly sticky: StickySpec;
}

const BALANCERS: Readonly<Record<BalancerName, new (setting: BalancerSetting) => Balancer>> = {
  round_robin: RoundRobin,
  weight: SmoothWeight,
  random: Random,
  two_choices: TwoChoices,
  least_connections: LeastConnections,
  least_connections_weight: LeastConnectionsWeight,
  least_time: LeastTime,
  ip_hash: IpHash,
  consistent_hash: ConsistentHash,
  sticky: Sticky,
  performance_least_connections_weight: PerformanceLeastConnectionsWeight,
};

/** Throws where the setting lacks what this balancer needs: `sticky` a secret. */
export function createBalancer(name: BalancerName, setting: BalancerSetting): Balancer {
  return new BALANCERS[name](setting);
}
