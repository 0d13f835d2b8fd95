// All pools of VMs that a data thread knows, by number. The control thread says which VMs serve one, before and after the
// snapshot that uses it. Runs in data threads.

import type { AppSpec } from "../../config/snapshot.ts";
import type { VmAddress } from "../../wire/control.ts";
import type { ThreadContext } from "../thread-context.ts";
import { VmEnds } from "./vm-ends.ts";
import { VmPool } from "./vm-pool.ts";

interface Serving {
  readonly vms: readonly VmAddress[];
  readonly down: string | null;
}

export class VmPools {
  readonly ends = new VmEnds();
  readonly #thread: ThreadContext;
  readonly #pools = new Map<number, VmPool>();
  /** Said of pools that no snapshot has brought yet. */
  readonly #serving = new Map<number, Serving>();

  constructor(thread: ThreadContext) {
    this.#thread = thread;
  }

  of(spec: AppSpec): VmPool {
    let pool = this.#pools.get(spec.pool);
    if (pool === undefined) {
      pool = new VmPool(spec, this.#thread);
      this.#pools.set(spec.pool, pool);
      const { vms, down } = this.#serving.get(spec.pool) ?? { vms: [], down: null };
      pool.serve(vms, down);
    }
    return pool;
  }

  /** `down`: why nothing serves the pool, and will not in the next moment; or null. */
  serve(pool: number, vms: readonly VmAddress[], down: string | null): void {
    this.#serving.set(pool, { vms, down });
    this.#pools.get(pool)?.serve(vms, down);
  }

  /** Forgets what the snapshot has not. Exchanges that found no VM yet go over to the version that it has. */
  keepOnly(apps: readonly AppSpec[]): void {
    for (const [number, pool] of this.#pools) {
      if (apps.some((app) => app.pool === number)) continue;
      this.#pools.delete(number);
      const next = apps.find(({ name }) => name === pool.app);
      pool.retire(next === undefined ? null : (this.#pools.get(next.pool) ?? null));
    }
    for (const number of this.#serving.keys()) {
      if (!apps.some((app) => app.pool === number)) this.#serving.delete(number);
    }
  }
}
