// One measurement: load on one server, and what that cost the server.

import { cpuNanosBetween, readCpuTimes, readMachineTicks, stealBetween } from "./cpu.ts";
import { readMemory } from "./memory.ts";
import type { Server } from "./server.ts";
import { countErrors, type Load, type LoadReport, runWrk } from "./wrk.ts";

export interface Sample {
  readonly cpuMicrosPerRequest: number;
  /** Cores' worth of time the server was running; 1 when it saturates its core. */
  readonly busy: number;
  readonly requestsPerSecond: number;
  readonly errors: number;
  /** Resident memory at the end of the run, over all processes. */
  readonly rssBytes: number;
  /** Share of the machine's time taken by its host. */
  readonly steal: number;
  readonly wrk: LoadReport;
}

/** `run` puts the load on it: wrk, if nothing else is said. */
export async function measure(
  server: Server,
  load: Omit<Load, "port">,
  run: (load: Load) => Promise<LoadReport> = runWrk,
): Promise<Sample> {
  const ticks = readMachineTicks();
  const startedAt = performance.now();
  const before = readCpuTimes(server.pid);
  const wrk = await run({ ...load, port: server.port });
  // A machine that does much else may leave nothing for a short run.
  if (wrk.requests === 0) throw new Error(`Cannot measure ${server.name}: no request was answered`);
  const cpuMicros = cpuNanosBetween(before, readCpuTimes(server.pid)) / 1e3;
  const wallMicros = (performance.now() - startedAt) * 1e3;
  return {
    cpuMicrosPerRequest: cpuMicros / wrk.requests,
    busy: cpuMicros / wallMicros,
    requestsPerSecond: wrk.requests / (wrk.micros / 1e6),
    errors: countErrors(wrk),
    rssBytes: readMemory(server.pid).rss,
    steal: stealBetween(ticks, readMachineTicks()),
    wrk,
  };
}
