// Where the connections of a backend go: the addresses of its name, or what its SRV records say. Pure. Control thread.

import type { BackendPlan } from "../../config/snapshot.ts";
import type { Service } from "./answer.ts";

/** One address of a backend. */
export interface Place {
  /** Unique within the backend's upstream: its own id, with `@<address>` where a name was resolved. */
  readonly id: string;
  /** Empty for a unix socket. */
  readonly address: string;
  readonly port: number;
  /** 1 to 65535. */
  readonly weight: number;
  readonly backup: boolean;
  /** The name that led here; where the file has an address, this is it. */
  readonly hostName: string;
}

const MAX_WEIGHT = 65_535;

/** The one place of a backend that needs no name. */
export function placeOf({ id, host, port, weight, backup }: BackendPlan): Place {
  return { id, address: host, port, weight, backup, hostName: host };
}

export function placesOfHost(plan: BackendPlan, addresses: readonly string[]): Place[] {
  const { id, host, port, weight, backup } = plan;
  return inOrder(addresses).map((address) => {
    return { id: `${id}@${address}`, address, port, weight, backup, hostName: host };
  });
}

/** The records of the lowest priority, and behind them the others for backup. */
export function placesOfServices(
  plan: BackendPlan,
  services: readonly Service[],
  addressesOf: (target: string) => readonly string[],
): Place[] {
  const first = services.reduce((least, { priority }) => Math.min(least, priority), MAX_WEIGHT);
  const places = new Map<string, Place>();
  for (const backup of [false, true]) {
    const group = services.filter(({ priority }) => priority > first === backup);
    for (const place of weigh(plan, group, addressesOf)) {
      const same = places.get(place.id);
      if (same === undefined) places.set(place.id, { ...place, backup: backup || plan.backup });
      else if (!backup) places.set(place.id, { ...same, weight: within(same.weight + place.weight) });
    }
  }
  return [...places.values()];
}

/**
 * The weights of the records say how they share among themselves; on average an address has the weight of the backend, so
 * that whatever scale the records use, the backend is fairly weighed against others of the upstream.
 */
function weigh(
  plan: BackendPlan,
  services: readonly Service[],
  addressesOf: (target: string) => readonly string[],
): Place[] {
  const targets = services
    .map((service) => ({ ...service, addresses: inOrder(addressesOf(service.target)) }))
    .filter(({ addresses }) => addresses.length > 0)
    .sort((a, b) => (a.target < b.target ? -1 : a.target > b.target ? 1 : a.port - b.port));
  const sum = targets.reduce((total, { weight }) => total + weight, 0);
  const count = targets.reduce((total, { addresses }) => total + addresses.length, 0);
  return targets.flatMap(({ target, port, weight, addresses }) => {
    const share = sum === 0 ? 1 : (weight / sum) * (count / addresses.length);
    return addresses.map((address) => ({
      id: `${plan.id}@${address.includes(":") ? `[${address}]` : address}:${port}`,
      address,
      port,
      weight: within(Math.round(plan.weight * share)),
      backup: plan.backup,
      hostName: target,
    }));
  });
}

function within(weight: number): number {
  return Math.min(Math.max(weight, 1), MAX_WEIGHT);
}

/** Servers give addresses in another order every time; backends must not trade places for that. IPv4 comes first. */
function inOrder(addresses: readonly string[]): string[] {
  const keyed = addresses.map((address) => `${address.includes(":") ? 6 : 4}${address}`);
  return keyed.sort().map((key) => key.slice(1));
}
