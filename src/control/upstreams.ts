// The upstreams of the gateway as the control thread holds them: turns plans into specs with addresses and shared memory,
// and keeps that memory from one snapshot to the next.

import { createHash } from "node:crypto";
import type { BackendPlan, BackendSpec, UpstreamPlan, UpstreamSpec } from "../config/snapshot.ts";
import { authorityOf } from "../core/authority.ts";
import { BackendState, Check, createBackendState } from "../core/shared/backend-state.ts";
import { createUpstreamState, UpstreamState } from "../core/shared/upstream-state.ts";

/** Where a backend of the file is, after its name was resolved. */
export interface Place {
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  readonly backup: boolean;
  /** For Host and SNI. */
  readonly hostName: string;
}

export interface LiveBackend {
  readonly spec: BackendSpec;
  readonly state: BackendState;
}

export interface LiveUpstream {
  readonly spec: UpstreamSpec;
  readonly state: UpstreamState;
  readonly backends: readonly LiveBackend[];
}

/** Places for waiters are made in steps, so that a reload with a somewhat longer queue finds them there. */
const LEAST_QUEUE_CAPACITY = 1024;

export class Upstreams {
  readonly #threads: number;
  #live: readonly LiveUpstream[] = [];
  /** Backends that no snapshot has any more, while connections to them are open: they may come back. By key. */
  #leaving = new Map<string, LiveBackend>();
  #lastId = 0;
  #started = false;

  constructor(threads: number) {
    this.#threads = threads;
  }

  /** Those of the snapshot that serves, in the order of the file. */
  get live(): readonly LiveUpstream[] {
    return this.#live;
  }

  /** Makes upstreams of plans; nothing changes before `adopt`. `placesOf` is asked for backends with a host or srv. */
  draft(
    plans: readonly UpstreamPlan[],
    placesOf: (backend: BackendPlan) => readonly Place[],
  ): readonly LiveUpstream[] {
    const upstreams = new Map(this.#live.map((upstream) => [upstream.spec.name, upstream]));
    // Those that serve stand before those that are leaving.
    const known = new Map(this.#leaving);
    for (const { spec, backends } of this.#live)
      for (const backend of backends) known.set(keyOf(spec.name, backend.spec), backend);
    return plans.map((plan) => {
      const backends = plan.backends.flatMap((backend) => {
        return expand(backend, placesOf).map((spec) => {
          return this.#backend(spec, known.get(keyOf(plan.name, spec)));
        });
      });
      return this.#upstream(plan, backends, upstreams.get(plan.name));
    });
  }

  /** A snapshot with these upstreams serves from now on. */
  adopt(next: readonly LiveUpstream[]): void {
    const kept = new Set(next.flatMap(({ backends }) => backends.map(({ state }) => state)));
    for (const [key, { state }] of this.#leaving)
      if (kept.has(state) || state.connections === 0) this.#leaving.delete(key);
    for (const { spec, state, backends } of this.#live) {
      for (const backend of backends) {
        if (kept.has(backend.state)) continue;
        if (backend.state.readmit()) state.readmit();
        this.#leaving.set(keyOf(spec.name, backend.spec), backend);
      }
    }
    const known = new Set(this.#live.flatMap(({ backends }) => backends.map(({ state }) => state)));
    for (const { spec, state } of next.flatMap(({ backends }) => backends)) {
      if (known.has(state)) continue;
      state.check = spec.healthCheck !== null && this.#started ? Check.awaited : Check.passed;
    }
    const shared = new Set(this.#live.map(({ state }) => state));
    for (const { state, backends } of next) {
      if (shared.has(state)) continue;
      // New memory, for backends that may be out already.
      for (const backend of backends) if (backend.state.ejected) state.tryEject(Number.POSITIVE_INFINITY);
    }
    this.#live = next;
    this.#started = true;
  }

  /** Gives back what a data thread held that ended. */
  forgetThread(index: number): void {
    for (const { state, backends } of this.#live) {
      state.forgetThread(index);
      for (const backend of backends) backend.state.forgetThread(index);
    }
    for (const { state } of this.#leaving.values()) state.forgetThread(index);
  }

  #backend(spec: Omit<BackendSpec, "shared">, same: LiveBackend | undefined): LiveBackend {
    const shared = same?.spec.shared ?? createBackendState(this.#threads);
    return { spec: { ...spec, shared }, state: same?.state ?? new BackendState(shared) };
  }

  #upstream(
    plan: UpstreamPlan,
    backends: readonly LiveBackend[],
    before: LiveUpstream | undefined,
  ): LiveUpstream {
    const isFitting = before !== undefined && before.spec.queueCapacity >= plan.queue.size;
    const capacity = isFitting ? before.spec.queueCapacity : Math.max(LEAST_QUEUE_CAPACITY, plan.queue.size);
    const shared = isFitting ? before.spec.shared : createUpstreamState(this.#threads, capacity);
    const spec: UpstreamSpec = {
      ...plan,
      backends: backends.map((backend) => backend.spec),
      shared,
      sharedId: isFitting ? before.spec.sharedId : ++this.#lastId,
      queueCapacity: capacity,
    };
    const state = isFitting ? before.state : new UpstreamState(shared, this.#threads, capacity);
    return { spec, state, backends };
  }
}

function expand(
  plan: BackendPlan,
  placesOf: (backend: BackendPlan) => readonly Place[],
): Omit<BackendSpec, "shared">[] {
  if (plan.socketPath !== null)
    return [
      { ...plan, hostName: "localhost", identity: identityOf(`unix:${plan.socketPath}`, plan, "localhost") },
    ];
  return placesOf(plan).map(({ address, port, weight, backup, hostName }) => {
    const authority = authorityOf(address, port);
    const id = address === plan.host ? plan.id : `${plan.id}@${plan.srv === null ? address : authority}`;
    const scheme = plan.tls === null ? "http" : "https";
    const identity = identityOf(`${scheme}://${authority}`, plan, hostName);
    return { ...plan, id, host: address, port, weight, backup, hostName, identity };
  });
}

/** Everything that a connection is made with: only who asks for the same may use it. */
function identityOf(
  address: string,
  { protocol, tls, proxyProtocol }: BackendPlan,
  hostName: string,
): string {
  const spoken = protocol === "h2" ? `${address} (HTTP/2)` : address;
  const proxied = proxyProtocol === null ? spoken : `${spoken} (PROXY v${proxyProtocol})`;
  if (tls === null) return proxied;
  const how = createHash("sha256")
    .update(JSON.stringify([tls, hostName]))
    .digest("base64url")
    .slice(0, 12);
  return `${proxied} (TLS ${how})`;
}

function keyOf(upstream: string, { id, identity }: Pick<BackendSpec, "id" | "identity">): string {
  return `${upstream} ${id} ${identity}`;
}
