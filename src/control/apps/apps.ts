// The apps of the gateway: one pool of VMs for each, made anew where an app or its code changed. Control thread.

import type { AppPlan, AppSpec } from "../../config/snapshot.ts";
import type { Log } from "../log.ts";
import { AppPool } from "./app-pool.ts";
import { bundle } from "./bundler.ts";
import { Isolations, type User } from "./isolation.ts";
import { VmFolder } from "./vm-folder.ts";

/** Pools that are ready to serve, before they do. */
export interface DraftedApps {
  readonly specs: readonly AppSpec[];
  readonly pools: readonly AppPool[];
}

export class Apps {
  readonly #threads: number;
  readonly #log: Log;
  readonly #onChange: (pool: AppPool) => void;
  #folder: VmFolder | null = null;
  #pools: readonly AppPool[] = [];
  readonly #isolations: Isolations;
  #nextPool = 1;
  #nextVm = 1;

  /** `runAs` is whom the gateway becomes, or null. `onChange`: other VMs of the pool serve than before. */
  constructor(threads: number, log: Log, runAs: User | null, onChange: (pool: AppPool) => void) {
    this.#threads = threads;
    this.#isolations = new Isolations(runAs);
    this.#log = log;
    this.#onChange = onChange;
  }

  get current(): DraftedApps {
    return { pools: this.#pools, specs: this.#pools.map(({ spec }) => spec) };
  }

  /** Starts what is new; what stays goes on. Rejects with what is wrong, and then nothing has changed. */
  async draft(plans: readonly AppPlan[]): Promise<DraftedApps> {
    if (plans.length > 0) this.#folder ??= await VmFolder.make();
    const pools: AppPool[] = [];
    try {
      for (const plan of plans) pools.push(await this.#poolFor(plan));
    } catch (error) {
      this.discard({ pools, specs: [] });
      throw error;
    }
    return { pools, specs: pools.map(({ spec }) => spec) };
  }

  adopt({ pools }: DraftedApps): void {
    for (const pool of this.#pools) if (!pools.includes(pool)) void pool.retire();
    this.#pools = pools;
  }

  discard({ pools }: DraftedApps): void {
    for (const pool of pools) if (!this.#pools.includes(pool)) pool.stop();
  }

  forgetThread(index: number): void {
    for (const pool of this.#pools) pool.forgetThread(index);
  }

  stop(): void {
    for (const pool of this.#pools) pool.stop();
    this.#folder?.remove();
  }

  async #poolFor(plan: AppPlan): Promise<AppPool> {
    const built = await bundle(plan.entry);
    const same = this.#pools.find((pool) => {
      return pool.bundle.id === built.id && JSON.stringify(pool.plan) === JSON.stringify(plan);
    });
    if (same !== undefined) return same;
    const pool = new AppPool({
      number: this.#nextPool++,
      plan,
      bundle: built,
      folder: this.#folder!,
      wrapping: this.#isolations.wrappingFor(plan),
      threads: this.#threads,
      log: this.#log,
      nextId: () => this.#nextVm++,
      onChange: this.#onChange,
    });
    try {
      await pool.start();
    } catch (error) {
      pool.stop();
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`App "${plan.rules.name}" cannot be started: ${reason}`);
    }
    return pool;
  }
}
