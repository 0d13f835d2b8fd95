// The VMs that run one version of an app: starts them, replaces what ends, ends them all. Control thread.

import type { AppPlan, AppSpec } from "../../config/snapshot.ts";
import { AppState, createAppState } from "../../core/shared/app-state.ts";
import type { VmAddress } from "../../wire/control.ts";
import type { Log } from "../log.ts";
import { type Bundle, mappedBy } from "./bundler.ts";
import type { Wrapping } from "./isolation.ts";
import type { VmFolder } from "./vm-folder.ts";
import { VmProcess } from "./vm-process.ts";

export interface PoolSetting {
  /** Tells the pools of a gateway apart. */
  readonly number: number;
  readonly plan: AppPlan;
  readonly bundle: Bundle;
  readonly folder: VmFolder;
  readonly wrapping: Wrapping;
  /** Data threads. */
  readonly threads: number;
  readonly log: Log;
  readonly nextId: () => number;
  /** Other VMs serve than before. */
  readonly onChange: (pool: AppPool) => void;
}

const RESTART_PAUSE_MS = 100;

export class AppPool {
  readonly spec: AppSpec;
  readonly plan: AppPlan;
  readonly bundle: Bundle;
  readonly #setting: PoolSetting;
  readonly #state: AppState;
  readonly #bundleFile: string;
  /** By slot. */
  readonly #vms: (VmProcess | null)[];
  readonly #serving = new Set<VmProcess>();
  #stopped = false;

  constructor(setting: PoolSetting) {
    const { plan, threads, number, bundle, folder } = setting;
    this.#setting = setting;
    this.plan = plan;
    this.bundle = bundle;
    const slots = 2 * plan.instances + 2;
    const shared = createAppState(threads, slots);
    this.#state = new AppState(shared, threads);
    this.#vms = new Array(slots).fill(null);
    this.spec = { ...plan.rules, pool: number, shared };
    const { user } = setting.wrapping;
    const mapName = `app-${number}.mjs.map`;
    this.#bundleFile = folder.write(`app-${number}.mjs`, mappedBy(bundle.code, mapName), user);
    folder.write(mapName, bundle.map, user);
  }

  get serving(): VmAddress[] {
    return [...this.#serving].map(({ address }) => address);
  }

  /** Resolves when every instance serves; rejects when one cannot be started. */
  async start(): Promise<void> {
    await Promise.all(Array.from({ length: this.plan.instances }, () => this.#startVm()));
  }

  /** Ends all VMs once their exchanges are over. */
  async retire(): Promise<void> {
    this.stop();
  }

  stop(): void {
    this.#stopped = true;
    this.#serving.clear();
    for (const vm of this.#vms) vm?.kill();
  }

  forgetThread(index: number): void {
    this.#state.forgetThread(index);
  }

  async #startVm(): Promise<void> {
    const { plan, folder, nextId, log } = this.#setting;
    const slot = this.#vms.indexOf(null);
    const vm = new VmProcess({
      id: nextId(),
      slot,
      plan,
      program: folder.program,
      bundle: this.#bundleFile,
      socketPath: folder.socketPath(),
      wrapping: this.#setting.wrapping,
      onLog: ({ level, message, fields }) =>
        log[level === "debug" ? "info" : level](
          { app: plan.rules.name, vm: vm.address.id, ...fields },
          message,
        ),
    });
    this.#vms[slot] = vm;
    void vm.ended.then(() => this.#ended(vm));
    await vm.ready();
    if (this.#stopped) {
      vm.kill();
      return;
    }
    this.#serving.add(vm);
    this.#setting.onChange(this);
  }

  #ended(vm: VmProcess): void {
    this.#vms[vm.address.slot] = null;
    const served = this.#serving.delete(vm);
    if (this.#stopped || !served) return;
    const { plan, log } = this.#setting;
    log.error({ app: plan.rules.name, vm: vm.address.id, exit: vm.exit, output: vm.output }, "a VM ended");
    this.#setting.onChange(this);
    setTimeout(() => void this.#replace(), RESTART_PAUSE_MS);
  }

  async #replace(): Promise<void> {
    if (this.#stopped) return;
    try {
      await this.#startVm();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#setting.log.error({ app: this.plan.rules.name }, `a VM cannot be started: ${reason}`);
      setTimeout(() => void this.#replace(), RESTART_PAUSE_MS);
    }
  }
}
