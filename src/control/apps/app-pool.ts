// The VMs that run one version of an app: starts them, replaces what ends, retires them, ends them all. Control thread.

import type { AppPlan, AppSpec } from "../../config/snapshot.ts";
import { AppState, createAppState } from "../../core/shared/app-state.ts";
import type { VmAddress } from "../../wire/control.ts";
import type { Log } from "../log.ts";
import { type Bundle, mappedBy } from "./bundler.ts";
import { Instance } from "./instance.ts";
import type { Isolation, Wrapping } from "./isolation.ts";
import type { OutcomeCounts } from "./outcome.ts";
import { Spare } from "./spare.ts";
import type { VmFolder } from "./vm-folder.ts";
import { type VmEnd, VmProcess } from "./vm-process.ts";

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
  /** Of all versions of the app. */
  readonly outcomes: OutcomeCounts;
  /** Of all versions of the app: core/shared/app-queue.ts. */
  readonly queue: SharedArrayBuffer;
  readonly nextId: () => number;
  /** Other VMs serve than before, or it is known why none does. Resolves when every data thread goes by it. */
  readonly onChange: (pool: AppPool) => Promise<unknown>;
  /** `harmful`: what was begun in it must not be begun again in another one. */
  readonly onVmEnd: (vm: number, harmful: boolean) => void;
}

/** One that could not be recycled, because no other one starts, is left alone for so long. */
const RECYCLE_AGAIN_MS = 10_000;
const OUTPUT_LINES = 20;

export class AppPool {
  readonly spec: AppSpec;
  readonly plan: AppPlan;
  bundle: Bundle;
  readonly #setting: PoolSetting;
  readonly #state: AppState;
  readonly #bundleFile: string;
  /** By slot, while the process lives. */
  readonly #vms: (VmProcess | null)[];
  readonly #instances: readonly Instance[];
  readonly #spare: Spare;
  /** Those that finish what they have, and why they were retired. */
  readonly #draining = new Map<VmProcess, string>();
  #isRecycling = false;
  /** From `performance.now()`. */
  #recycleAt = 0;
  #wasDown = false;
  /** No VM is started any more. */
  #ending = false;

  constructor(setting: PoolSetting) {
    const { plan, threads, number, bundle, folder } = setting;
    this.#setting = setting;
    this.plan = plan;
    this.bundle = bundle;
    // One that serves, one that drains and one that starts for each instance, and some whose exchanges are not all told
    // of their end yet.
    const slots = 4 * plan.instances + 4;
    const shared = createAppState(threads, slots);
    this.#state = new AppState(shared, threads);
    this.#vms = new Array(slots).fill(null);
    this.spec = { ...plan.rules, pool: number, shared, queueShared: setting.queue };
    const mapName = `app-${number}.mjs.map`;
    this.#bundleFile = folder.write(`app-${number}.mjs`, mappedBy(bundle.code, mapName));
    folder.write(mapName, bundle.map);
    this.#instances = Array.from({ length: plan.instances }, () => {
      return new Instance({
        take: () => this.#take(),
        onChange: () => void this.#tell(),
        onFailed: (error, pauseMs) => this.#failed(error, pauseMs),
      });
    });
    this.#spare = new Spare({
      start: () => this.#startVm(),
      onFailed: (error) => this.#failed(error, null),
    });
  }

  /** Those whose process lives. */
  get vms(): VmProcess[] {
    return this.#vms.filter((vm) => vm !== null);
  }

  get serving(): VmAddress[] {
    return this.#instances.flatMap(({ vm }) => (vm === null ? [] : [vm.address]));
  }

  /** What its VMs are kept in. */
  get isolation(): Isolation {
    return this.#setting.wrapping.isolation;
  }

  /** It makes way for another version. */
  get isRetired(): boolean {
    return this.#ending;
  }

  /** Why nothing serves, and will not in the next moment; null where that is not so. */
  get down(): string | null {
    if (this.#ending || !this.#instances.every(({ loops }) => loops)) return null;
    return this.#instances[0]!.reason;
  }

  /** Exchanges at a VM, over all data threads. */
  outstanding({ address }: VmProcess): number {
    return this.#state.outstanding(address.slot);
  }

  /** Resolves when every instance serves; rejects when one cannot be started. */
  async start(): Promise<void> {
    await Promise.all(this.#instances.map((instance) => instance.start()));
  }

  /** `isWanted`: one may be needed soon. */
  keepSpare(isWanted: boolean): void {
    if (!this.#ending) this.#spare.keep(this.plan.spare || isWanted);
  }

  /** Puts another VM in the place of one that serves, which finishes what it has. One at a time. */
  async recycle(vm: VmProcess, why: string): Promise<void> {
    const instance = this.#instances.find((one) => one.vm === vm);
    if (instance === undefined || this.#ending || this.#isRecycling || performance.now() < this.#recycleAt)
      return;
    if (this.#draining.size >= this.#instances.length) return;
    this.#isRecycling = true;
    try {
      const next = await this.#take();
      // It may have ended meanwhile, and was replaced.
      if (instance.vm === vm) {
        instance.vm = next;
        const told = this.#tell();
        this.#retireVm(vm, why, told);
      } else next.kill({ outcome: "replaced", why: "the one in whose place it was started ended before" });
    } catch (error) {
      this.#recycleAt = performance.now() + RECYCLE_AGAIN_MS;
      this.#failed(error, RECYCLE_AGAIN_MS);
    } finally {
      this.#isRecycling = false;
    }
  }

  /** No data thread uses this version any more: ends all VMs once they have nothing left to do. Resolves then. */
  async retire(why: string): Promise<void> {
    this.#endStarts(why);
    for (const { vm } of this.#instances) if (vm !== null) this.#retireVm(vm, why, Promise.resolve());
    await this.#gone();
  }

  /** Ends all VMs now. Resolves when they are gone. */
  async stop(why: string): Promise<void> {
    this.#endStarts(why);
    for (const vm of this.vms) vm.kill({ outcome: "replaced", why });
    await this.#gone();
  }

  /** Ends those that have not answered for so long. */
  stopSilent(why: string, ms: number): void {
    const now = performance.now();
    for (const vm of this.vms)
      if (vm.heartbeat.silentMs(now) >= ms)
        vm.kill({ outcome: "replaced", why: `${why}, and it did not answer` });
  }

  forgetThread(index: number): void {
    this.#state.forgetThread(index);
  }

  /** One that is drained, with the last exchange over at every data thread, may go. */
  letGo(vm: VmProcess): void {
    const why = this.#draining.get(vm);
    if (why !== undefined && vm.drained && this.outstanding(vm) === 0) vm.leave({ outcome: "replaced", why });
  }

  #endStarts(why: string): void {
    this.#ending = true;
    for (const instance of this.#instances) instance.stop();
    this.#spare.drop(why);
    for (const vm of this.vms) if (vm.state === "starting") vm.kill({ outcome: "replaced", why });
  }

  async #gone(): Promise<void> {
    await Promise.all(this.vms.map(({ ended }) => ended));
    this.#setting.folder.delete(this.#bundleFile, `${this.#bundleFile}.map`);
  }

  /** Once `told`, nothing new comes to it. */
  async #retireVm(vm: VmProcess, why: string, told: Promise<unknown>): Promise<void> {
    vm.state = "draining";
    this.#draining.set(vm, why);
    const { drainTimeoutMs } = this.plan;
    const timer = setTimeout(() => {
      vm.kill({ outcome: "replaced", why: `${why}, and it was not done within ${drainTimeoutMs} ms` });
    }, drainTimeoutMs);
    void vm.ended.then(() => clearTimeout(timer));
    await told;
    vm.drain();
  }

  async #take(): Promise<VmProcess> {
    const vm = await (this.#spare.take() ?? this.#startVm());
    if (this.#ending) {
      vm.kill({ outcome: "replaced", why: "its version makes way" });
      throw new Error("its version makes way");
    }
    vm.state = "serving";
    return vm;
  }

  async #startVm(): Promise<VmProcess> {
    const { plan, folder, nextId, log } = this.#setting;
    const slot = this.#vms.findIndex((vm, at) => vm === null && this.#state.outstanding(at) === 0);
    if (slot < 0) throw new Error(`${this.#vms.length} VMs of it have not ended yet`);
    const vm = new VmProcess({
      id: nextId(),
      slot,
      plan,
      program: folder.program,
      bundle: this.#bundleFile,
      socketPath: folder.socketPath(),
      wrapping: this.#setting.wrapping,
      logs: this.bundle.logs,
      onLine: ({ level, message, request, output }) => {
        const fields: Record<string, string | number> = { app: plan.rules.name, vm: vm.address.id };
        if (request !== "") fields["request"] = request;
        if (output !== null) fields["output"] = output;
        log[level](fields, message);
      },
      onDrained: () => this.letGo(vm),
      onExit: () => this.#exited(vm),
    });
    this.#vms[slot] = vm;
    void vm.ended.then((end) => this.#ended(vm, end));
    await vm.ready();
    return vm;
  }

  #exited(vm: VmProcess): void {
    this.#vms[vm.address.slot] = null;
    this.#draining.delete(vm);
    const livedMs = vm.readyAt === null ? 0 : performance.now() - vm.readyAt;
    this.#spare.ended(vm, livedMs);
    if (!this.#ending) this.#instances.find((instance) => instance.vm === vm)?.lost(livedMs);
  }

  #ended(vm: VmProcess, { outcome, why, exit, output }: VmEnd): void {
    const { log, outcomes, onVmEnd } = this.#setting;
    outcomes[outcome]++;
    onVmEnd(vm.address.id, outcome === "hung" || outcome === "out_of_memory");
    const lines = output.trimEnd().split("\n").slice(-OUTPUT_LINES).join("\n");
    const fields = {
      app: this.plan.rules.name,
      vm: vm.address.id,
      pid: vm.pid,
      outcome,
      exit,
      output: lines,
    };
    const text = `VM ${vm.address.id} of app "${this.plan.rules.name}" ended: ${outcome}`;
    const message = why === "" ? text : `${text}: ${why}`;
    if (outcome === "replaced") log.info(fields, message);
    else log.error(fields, message);
    const reason = `${outcome}: ${why || lines || exit}`;
    for (const instance of this.#instances) if (instance.vm === null) instance.reason = reason;
    if (this.down !== null) void this.#tell();
  }

  #failed(error: unknown, pauseMs: number | null): void {
    const reason = error instanceof Error ? error.message : String(error);
    const next = pauseMs === null ? "" : `; the next try is in ${pauseMs} ms`;
    this.#setting.log.error(
      { app: this.plan.rules.name },
      `a VM of app "${this.plan.rules.name}" cannot be started${next}: ${reason}`,
    );
    void this.#tell();
  }

  #tell(): Promise<unknown> {
    const { down } = this;
    const { name } = this.plan.rules;
    const { log, onChange } = this.#setting;
    const isDown = down !== null;
    const isOther = isDown !== this.#wasDown && !this.#ending;
    if (isOther) this.#wasDown = isDown;
    if (isOther && isDown)
      log.error({ app: name }, `app "${name}" is unavailable until a VM of it starts: ${down}`);
    const told = onChange(this);
    if (isOther && !isDown) {
      void told.then(() => {
        if (!this.#wasDown) log.info({ app: name }, `app "${name}" is available again`);
      });
    }
    return told;
  }
}
