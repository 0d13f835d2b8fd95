// All pools of VMs that a data thread knows, by number. The control thread says which VMs serve one, before and after the
// snapshot that uses it. Runs in data threads.

import type { AppSpec } from "../../config/snapshot.ts";
import type { VmAddress } from "../../wire/control.ts";
import type { ThreadContext } from "../thread-context.ts";
import type { VmStreams } from "./vm-link.ts";
import { VmPool } from "./vm-pool.ts";

export class VmPools {
  readonly #thread: ThreadContext;
  readonly #pools = new Map<number, VmPool>();
  /** Said of pools that no snapshot has brought yet. */
  readonly #serving = new Map<number, readonly VmAddress[]>();

  constructor(thread: ThreadContext) {
    this.#thread = thread;
  }

  of(spec: AppSpec, streams: VmStreams): VmPool {
    let pool = this.#pools.get(spec.pool);
    if (pool === undefined) {
      pool = new VmPool(spec, this.#thread, streams);
      this.#pools.set(spec.pool, pool);
      pool.serve(this.#serving.get(spec.pool) ?? []);
    }
    return pool;
  }

  serve(pool: number, vms: readonly VmAddress[]): void {
    this.#serving.set(pool, vms);
    this.#pools.get(pool)?.serve(vms);
  }

  /** Forgets what no snapshot has any more. */
  keepOnly(pools: ReadonlySet<number>): void {
    for (const number of [...this.#pools.keys(), ...this.#serving.keys()]) {
      if (pools.has(number)) continue;
      this.#pools.get(number)?.serve([]);
      this.#pools.delete(number);
      this.#serving.delete(number);
    }
  }
}
