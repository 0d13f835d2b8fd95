// What a VM tells of itself when it is asked.

import { type EventLoopUtilization, performance } from "node:perf_hooks";
import type { VmNumbers } from "../wire/vm.ts";
import type { Turns } from "./turns.ts";

export class Numbers {
  #loop: EventLoopUtilization = performance.eventLoopUtilization();

  read(turns: Turns | null): VmNumbers {
    const loop = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(loop, this.#loop);
    this.#loop = loop;
    const { heapUsed, external, rss } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    return {
      running: turns?.running ?? 0,
      queued: turns?.queued ?? 0,
      abandoned: turns?.work.abandoned ?? 0,
      pending: turns?.work.pending ?? 0,
      heapUsed,
      external,
      rss,
      utilization,
      cpu: user + system,
      handles: process.getActiveResourcesInfo().length,
    };
  }
}
