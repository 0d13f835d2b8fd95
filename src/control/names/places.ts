// Where the connections of a backend go: the addresses of its name, or what its SRV records say. Pure. Control thread.

import type { BackendPlan } from "../../config/snapshot.ts";
import type { Place } from "../upstreams.ts";
import type { Service } from "./answer.ts";

const MAX_WEIGHT = 65_535;

/** The one place of a backend that needs no name. */
export function placeOf({ host, port, weight, backup }: BackendPlan): Place {
  return { address: host, port, weight, backup, hostName: host };
}

export function placesOfHost(plan: BackendPlan, addresses: readonly string[]): Place[] {
  const { host, port, weight, backup } = plan;
  return inOrder(addresses).map((address) => {
    return { address, port, weight, backup, hostName: host };
  });
}

/**
 * The records of the lowest priority, and behind them the others for backup. `hostName` is the target; no two places have the
 * same address and port.
 */
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
      const key = `${place.address} ${place.port}`;
      const same = places.get(key);
      if (same === undefined) places.set(key, { ...place, backup: backup || plan.backup });
      else if (!backup) places.set(key, { ...same, weight: within(same.weight + place.weight) });
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
