// The apps of the gateway: one pool of VMs for each, made anew where an app or its code changed. Control thread.

import type { ReadFile } from "../../config/pem-files.ts";
import type { AppPlan, AppSpec } from "../../config/snapshot.ts";
import { AppQueueShare, createAppQueue, readAppQueue } from "../../core/shared/app-queue.ts";
import type { Log } from "../log.ts";
import { AppPool } from "./app-pool.ts";
import { type AppReport, reportOf } from "./app-report.ts";
import { type Bundle, bundle } from "./bundler.ts";
import { CodeError } from "./code-error.ts";
import { codeFrame } from "./code-frame.ts";
import { CodeWatch } from "./code-watch.ts";
import { Isolations, type User } from "./isolation.ts";
import { noOutcomes, type OutcomeCounts } from "./outcome.ts";
import { VmFolder } from "./vm-folder.ts";
import { VmWatch } from "./vm-watch.ts";

/** Of apps whose rules or secrets changed: with the code that they have, or the one of their files. */
export type CodeWanted = "as before" | "as it is now";

/** Pools that are ready to serve, before they do. */
export interface DraftedApps {
  readonly specs: readonly AppSpec[];
  readonly pools: readonly AppPool[];
}

export interface AppsSetting {
  /** Data threads. */
  readonly threads: number;
  readonly log: Log;
  /** Whom the gateway becomes, or null. */
  readonly runAs: User | null;
  /** Other VMs of the pool serve than before. Resolves when every data thread goes by it. */
  readonly onChange: (pool: AppPool) => Promise<unknown>;
  /** Data threads are to know of it. `harmful`: what was begun in it must not be begun again in another one. */
  readonly onVmEnd: (vm: number, harmful: boolean) => void;
  /** The code of an app, or what stands in the way of it, has changed. Null where nobody watches. */
  readonly onCode: (() => void) | null;
}

/** When the gateway stops, one that does not answer is not waited for any longer. */
const LAST_WORD_MS = 2000;

export class Apps {
  readonly #setting: AppsSetting;
  readonly #isolations: Isolations;
  readonly #code: CodeWatch | null;
  readonly #watch = new VmWatch(() => this.#alive);
  /** By the id of the user whose VMs they are of; null for that of the gateway. */
  readonly #folders = new Map<number | null, Promise<VmFolder>>();
  /** Those of the snapshot that serves, in the order of the file. */
  #pools: readonly AppPool[] = [];
  /** All whose VMs are not gone: old versions and drafts among them. */
  readonly #alive = new Set<AppPool>();
  /** By app. */
  readonly #outcomes = new Map<string, OutcomeCounts>();
  /** By app, of core/shared/app-queue.ts. */
  readonly #queues = new Map<string, SharedArrayBuffer>();
  #nextPool = 1;
  #nextVm = 1;

  constructor(setting: AppsSetting) {
    this.#setting = setting;
    this.#code = setting.onCode === null ? null : new CodeWatch(setting.onCode);
    this.#isolations = new Isolations(setting.runAs);
  }

  get current(): DraftedApps {
    return { pools: this.#pools, specs: this.#pools.map(({ spec }) => spec) };
  }

  /** Of those that serve, and behind them old versions that are not done yet. */
  reports(): AppReport[] {
    const old = [...this.#alive].filter((pool) => pool.isRetired && !this.#pools.includes(pool));
    return [...this.#pools, ...old].map((pool) => {
      const { name } = pool.plan.rules;
      const queue = readAppQueue(this.#queueOf(name), this.#setting.threads);
      return reportOf(pool, this.#outcomesOf(name), queue);
    });
  }

  #queueOf(app: string): SharedArrayBuffer {
    const queue = this.#queues.get(app) ?? createAppQueue(this.#setting.threads);
    this.#queues.set(app, queue);
    return queue;
  }

  #outcomesOf(app: string): OutcomeCounts {
    const counts = this.#outcomes.get(app) ?? noOutcomes();
    this.#outcomes.set(app, counts);
    return counts;
  }

  /** Starts what is new; what stays goes on. Rejects with what is wrong, and then nothing has changed. */
  async draft(plans: readonly AppPlan[], code: CodeWanted): Promise<DraftedApps> {
    const drafts = await Promise.allSettled(plans.map((plan) => this.#poolFor(plan, code)));
    const pools = drafts.flatMap((draft) => (draft.status === "fulfilled" ? [draft.value] : []));
    const faults = drafts.flatMap((draft) => (draft.status === "rejected" ? [draft.reason] : []));
    if (faults.length > 0) {
      await this.discard({ pools, specs: [] });
      const error = CodeError.of(faults);
      // Nothing but these can help. With the next try everything is built anew.
      if (error.inputs.length > 0) this.#code?.watch(error.inputs);
      throw error;
    }
    this.#watch.start();
    return { pools, specs: pools.map(({ spec }) => spec) };
  }

  adopt({ pools }: DraftedApps): void {
    const old = this.#pools.filter((pool) => !pools.includes(pool));
    this.#pools = pools;
    this.#code?.watch(this.#inputs);
    for (const pool of old) void this.#gone(pool, pool.retire("another version serves"));
  }

  get #inputs(): ReadFile[] {
    return this.#pools.flatMap(({ bundle }) => bundle.inputs);
  }

  async discard({ pools }: DraftedApps): Promise<void> {
    const drafts = pools.filter((pool) => !this.#pools.includes(pool));
    await Promise.all(
      drafts.map((pool) => this.#gone(pool, pool.stop("the configuration was not accepted"))),
    );
  }

  forgetThread(index: number): void {
    for (const pool of this.#alive) pool.forgetThread(index);
    for (const queue of this.#queues.values())
      new AppQueueShare(queue, this.#setting.threads, index).forget();
  }

  /** A data thread lost its link to a VM: because it broke its rules, or closed it (null). */
  lostLink(id: number, fault: string | null): void {
    for (const pool of this.#alive) {
      const vm = pool.vms.find(({ address }) => address.id === id);
      // One that drains closes its links as it should.
      if (vm !== undefined && (fault !== null || vm.state === "serving")) vm.lostLink(fault);
    }
  }

  /**
   * No data thread is left: VMs have so long to finish what goes on after their exchanges, as long as they answer. Resolves
   * when all are gone.
   */
  async stop(graceMs: number): Promise<void> {
    const why = "the gateway stops";
    const alive = [...this.#alive];
    const timer = setTimeout(() => {
      for (const pool of alive) void pool.stop(why);
    }, graceMs);
    const silent = setTimeout(() => {
      for (const pool of alive) pool.stopSilent(why, LAST_WORD_MS / 2);
    }, LAST_WORD_MS);
    await Promise.all(alive.map((pool) => pool.retire(why)));
    clearTimeout(timer);
    clearTimeout(silent);
    this.#watch.stop();
    this.#code?.stop();
    for (const folder of await Promise.allSettled(this.#folders.values()))
      if (folder.status === "fulfilled") folder.value.remove();
    this.#folders.clear();
  }

  #folderOf(user: User | null): Promise<VmFolder> {
    const key = user?.uid ?? null;
    let folder = this.#folders.get(key);
    if (folder === undefined) {
      folder = VmFolder.make(user);
      this.#folders.set(key, folder);
      // The next reload tries again.
      folder.catch(() => this.#folders.delete(key));
    }
    return folder;
  }

  async #gone(pool: AppPool, gone: Promise<void>): Promise<void> {
    await gone;
    this.#alive.delete(pool);
  }

  async #poolFor(plan: AppPlan, code: CodeWanted): Promise<AppPool> {
    const { threads, log, onChange, onVmEnd } = this.#setting;
    const before =
      code === "as before" ? this.#pools.find((pool) => pool.plan.entry === plan.entry) : undefined;
    const built = before?.bundle ?? (await bundle(plan.entry));
    const same = this.#pools.find((pool) => {
      return pool.bundle.id === built.id && JSON.stringify(pool.plan) === JSON.stringify(plan);
    });
    if (same !== undefined) {
      same.bundle = { ...same.bundle, inputs: built.inputs };
      return same;
    }
    const wrapping = this.#isolations.wrappingFor(plan);
    const pool = new AppPool({
      number: this.#nextPool++,
      plan,
      bundle: built,
      folder: await this.#folderOf(wrapping.user),
      wrapping,
      threads,
      log,
      outcomes: this.#outcomesOf(plan.rules.name),
      queue: this.#queueOf(plan.rules.name),
      nextId: () => this.#nextVm++,
      onChange,
      onVmEnd,
    });
    this.#alive.add(pool);
    try {
      await pool.start();
    } catch (error) {
      await this.#gone(pool, pool.stop("its app cannot be started"));
      throw cannotStart(plan.rules.name, error, built);
    }
    const { name } = plan.rules;
    const { isolation } = wrapping;
    const level = plan.isolation === "auto" && isolation !== "namespaces" ? "warn" : "info";
    log[level]({ app: name, isolation }, `app "${name}" is ready, in isolation "${isolation}"`);
    return pool;
  }
}

function cannotStart(name: string, error: unknown, { inputs }: Bundle): CodeError {
  const reason = error instanceof Error ? error.message : String(error);
  const paths = inputs.map(({ path }) => path);
  const frame = codeFrame(reason, paths);
  return new CodeError(
    `App "${name}" cannot be started: ${reason}${frame === "" ? "" : `\n\n${frame}`}`,
    inputs,
  );
}
