// What the gateway tells of its apps and their VMs, for the admin API. Control thread.

import type { AppQueueNumbers } from "../../core/shared/app-queue.ts";
import type { AppPool } from "./app-pool.ts";
import type { Isolation } from "./isolation.ts";
import type { OutcomeCounts } from "./outcome.ts";
import type { VmProcess, VmState } from "./vm-process.ts";

/** `starting`: no VM serves, and one is being started; `unavailable`: they end one after the other. */
export const APP_STATES = ["serving", "degraded", "starting", "unavailable", "draining"] as const;
export type AppState = (typeof APP_STATES)[number];

/** One version of an app. */
export interface AppReport {
  readonly name: string;
  readonly version: string;
  readonly state: AppState;
  /** Why it is unavailable; null where it is not. */
  readonly reason: string | null;
  readonly instances: number;
  readonly isolation: Isolation;
  /** Of all versions since the start. */
  readonly outcomes: OutcomeCounts;
  /** Of all versions. */
  readonly queue: AppQueueNumbers;
  readonly vms: readonly VmReport[];
}

/** Bytes, ms, and counts. What a VM tells of itself is 0 until it has. */
export interface VmReport {
  readonly id: number;
  readonly pid: number;
  readonly state: VmState;
  readonly ageMs: number;
  readonly requests: number;
  readonly outstanding: number;
  readonly running: number;
  readonly queued: number;
  readonly abandoned: number;
  readonly pending: number;
  readonly heap: number;
  readonly external: number;
  readonly rss: number;
  readonly cpuMs: number;
  /** 0 to 1. */
  readonly eventLoop: number;
  readonly handles: number;
}

export function reportOf(pool: AppPool, outcomes: OutcomeCounts, queue: AppQueueNumbers): AppReport {
  return {
    name: pool.plan.rules.name,
    version: pool.bundle.id,
    state: stateOf(pool),
    reason: pool.down,
    instances: pool.plan.instances,
    isolation: pool.isolation,
    outcomes: { ...outcomes },
    queue,
    vms: pool.vms.map((vm) => reportOfVm(vm, pool.outstanding(vm))),
  };
}

function stateOf(pool: AppPool): AppState {
  if (pool.isRetired) return "draining";
  if (pool.down !== null) return "unavailable";
  const serving = pool.serving.length;
  if (serving === 0) return "starting";
  return serving < pool.plan.instances ? "degraded" : "serving";
}

function reportOfVm(vm: VmProcess, outstanding: number): VmReport {
  const { numbers } = vm;
  return {
    id: vm.address.id,
    pid: vm.pid,
    state: vm.state,
    ageMs: performance.now() - vm.startedAt,
    requests: vm.requests,
    outstanding,
    running: numbers?.running ?? 0,
    queued: numbers?.queued ?? 0,
    abandoned: numbers?.abandoned ?? 0,
    pending: numbers?.pending ?? 0,
    heap: numbers?.heapUsed ?? 0,
    external: numbers?.external ?? 0,
    rss: vm.readResident(),
    cpuMs: (numbers?.cpu ?? 0) / 1000,
    eventLoop: numbers?.utilization ?? 0,
    handles: numbers?.handles ?? 0,
  };
}
