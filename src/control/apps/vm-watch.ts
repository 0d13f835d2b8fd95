// Watches the VMs of all apps: whether they answer, what memory they take, whether their time has come. Control thread.

import type { AppPool } from "./app-pool.ts";
import { BUSY_INTERVAL_MS } from "./heartbeat.ts";
import type { VmProcess } from "./vm-process.ts";

const ROUND_MS = BUSY_INTERVAL_MS;
/** A round that is so late means that this thread, or the machine, was away: VMs could not be heard. */
const AWAY_MS = 50;
/** So much before its time is over, a VM that does not answer gets a successor, which is ready then. */
const SUCCESSOR_MS = 500;
/**
 * What the process of a VM takes beside what its app keeps: 54 MB for Node, and up to 70 for objects that are young. Measured
 * with a heap of 93 of 128 MB while many objects are made: 220 MB in all (docs/apps.md).
 */
const VM_BASE_BYTES = 134_217_728;
/** The memory of a VM that nobody asks anything is looked at that often. */
const IDLE_LOOK_MS = 1000;

export class VmWatch {
  readonly #pools: () => Iterable<AppPool>;
  #timer: NodeJS.Timeout | null = null;
  /** From `performance.now()`. */
  #dueAt = 0;
  #idleLookAt = 0;

  constructor(pools: () => Iterable<AppPool>) {
    this.#pools = pools;
  }

  start(): void {
    if (this.#timer === null) this.#next(ROUND_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #next(ms: number): void {
    this.#dueAt = performance.now() + ms;
    this.#timer = setTimeout(() => this.#round(), ms).unref();
  }

  #round(): void {
    const now = performance.now();
    const awayMs = now - this.#dueAt;
    const looksAtAll = now >= this.#idleLookAt;
    if (looksAtAll) this.#idleLookAt = now + IDLE_LOOK_MS;
    let next = ROUND_MS;
    for (const pool of this.#pools()) {
      let mayNeedSpare = false;
      for (const vm of pool.vms) {
        if (vm.readyAt === null) continue;
        if (awayMs > AWAY_MS) vm.heartbeat.excuse(awayMs);
        const isBusy = pool.outstanding(vm) > 0 || vm.state === "draining";
        vm.beat(now, isBusy);
        const { hangTimeoutMs } = pool.plan;
        const silentMs = vm.heartbeat.silentMs(now);
        if (silentMs >= hangTimeoutMs) judge(vm, hangTimeoutMs);
        else if (silentMs > 0) next = Math.min(next, hangTimeoutMs - silentMs);
        if (silentMs >= Math.max(hangTimeoutMs / 2, hangTimeoutMs - SUCCESSOR_MS)) mayNeedSpare = true;
        if (isBusy || looksAtAll) lookAtMemory(pool, vm);
        lookAtAge(pool, vm, now);
        pool.letGo(vm);
      }
      pool.keepSpare(mayNeedSpare);
    }
    this.#next(Math.max(1, next));
  }
}

/** An answer may have come and wait to be read: this thread reads before it calls back. */
function judge(vm: VmProcess, hangTimeoutMs: number): void {
  setImmediate(() => {
    if (vm.heartbeat.silentMs(performance.now()) < hangTimeoutMs) return;
    vm.kill({ outcome: "hung", why: `it did not answer for ${hangTimeoutMs} ms` });
  });
}

function lookAtMemory({ plan }: AppPool, vm: VmProcess): void {
  const most = plan.memoryBytes + VM_BASE_BYTES;
  const taken = vm.readResident();
  if (taken <= most) return;
  const why = `it took ${megabytes(taken)} of memory: expected at most ${megabytes(most)}`;
  vm.kill({ outcome: "out_of_memory", why });
}

function lookAtAge(pool: AppPool, vm: VmProcess, now: number): void {
  const { maxRequests, maxAgeMs } = pool.plan;
  if (vm.state !== "serving") return;
  if (maxRequests !== null && vm.requests >= maxRequests)
    void pool.recycle(vm, `it had ${vm.requests} requests`);
  else if (maxAgeMs !== null && now >= vm.readyAt! + maxAgeMs)
    void pool.recycle(vm, `it was ${maxAgeMs} ms old`);
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MB`;
}
