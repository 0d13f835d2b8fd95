// `node bench/proxy/profile.ts [--connections 64] [--seconds 10]`: where the data thread's time goes while it proxies
// small responses. V8's own sampling profile by source file and native function, and the kernel's share beside it.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { splitCores } from "../lib/cores.ts";
import { table } from "../lib/report.ts";
import { createScratchFolder } from "../lib/scratch.ts";
import { freePort } from "../lib/server.ts";
import { runWrk } from "../lib/wrk.ts";
import { startBackend } from "./backend.ts";
import { EXCHANGES } from "./cases.ts";
import { startSluiceProxy } from "./contestants.ts";

/** The parts of a .cpuprofile that are used; times are in microseconds. */
interface Profile {
  readonly nodes: ReadonlyArray<{ readonly id: number; readonly callFrame: Frame }>;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface Frame {
  readonly functionName: string;
  readonly url: string;
}

/** Clock ticks a thread spent in its own code and in the kernel. */
interface ThreadTicks {
  readonly user: number;
  readonly kernel: number;
}

const IDLE = "(idle)";
/** Shares below this are summed up as the rest. */
const SMALLEST_SHARE = 0.005;

const { values: options } = parseArgs({
  options: {
    connections: { type: "string", default: "64" },
    seconds: { type: "string", default: "10" },
  },
});
const cores = splitCores();
const folder = createScratchFolder();

const ticks = await runUnderProfile();
const times = busiestProfile();
const idle = times.get(IDLE) ?? 0;
times.delete(IDLE);
const busy = sum(times.values());
const kernelShare = ticks.kernel / (ticks.kernel + ticks.user);
console.log(
  `Busy ${percent(busy / (busy + idle))} of the time; ${percent(kernelShare)} of that in the kernel.\n`,
);
console.log(table(["self time", "share"], rowsOf(times, busy)));

async function runUnderProfile(): Promise<ThreadTicks> {
  await using backend = await startBackend(folder, "backend", cores.load);
  const place = {
    folder,
    port: await freePort(),
    backendPort: backend.port,
    cores: cores.server,
    accessLog: null,
    certificate: null,
  };
  const profiling = ["--cpu-prof", `--cpu-prof-dir=${folder}`];
  await using server = await startSluiceProxy({ name: "sluice", ...place }, profiling);
  const load = { ...EXCHANGES["GET 13 B"], port: server.port, connections: Number(options.connections) };
  const before = readThreadTicks(server.pid);
  await runWrk({ ...load, seconds: Number(options.seconds), cores: cores.load });
  const spent = [...readThreadTicks(server.pid)].map(([thread, { user, kernel }]) => ({
    user: user - (before.get(thread)?.user ?? 0),
    kernel: kernel - (before.get(thread)?.kernel ?? 0),
  }));
  return spent.reduce((busiest, each) => (total(each) > total(busiest) ? each : busiest));
}

/** Self time by label, of the thread that was busiest: the data thread. */
function busiestProfile(): Map<string, number> {
  const profiles = readdirSync(folder)
    .filter((name) => name.endsWith(".cpuprofile"))
    .map((name) => selfTimes(JSON.parse(readFileSync(join(folder, name), "utf8"))));
  const busyTime = (times: Map<string, number>) => sum(times.values()) - (times.get(IDLE) ?? 0);
  return profiles.reduce((busiest, each) => (busyTime(each) > busyTime(busiest) ? each : busiest));
}

function selfTimes({ nodes, samples, timeDeltas }: Profile): Map<string, number> {
  const labels = new Map(nodes.map(({ id, callFrame }) => [id, labelOf(callFrame)]));
  const times = new Map<string, number>();
  samples.forEach((id, index) => {
    const label = labels.get(id) ?? "";
    times.set(label, (times.get(label) ?? 0) + (timeDeltas[index] ?? 0));
  });
  return times;
}

/** The source file; for a function without one, which is native, its name. */
function labelOf({ url, functionName }: Frame): string {
  if (url === "") return functionName;
  return url.startsWith("node:") ? url : url.slice(url.indexOf("/src/") + 1);
}

function rowsOf(times: ReadonlyMap<string, number>, busy: number): string[][] {
  const shares = [...times].map(([label, time]) => [label, time / busy] as const);
  const shown = shares.filter(([, share]) => share >= SMALLEST_SHARE).sort(([, a], [, b]) => b - a);
  const rest = 1 - sum(shown.map(([, share]) => share));
  return [...shown, ["the rest", rest] as const].map(([label, share]) => [label, percent(share)]);
}

function readThreadTicks(pid: number): Map<string, ThreadTicks> {
  const threads = new Map<string, ThreadTicks>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "latin1");
    // Fields 14 and 15 of the line; the name in parentheses is field 2.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    threads.set(thread, { user: Number(fields[11]), kernel: Number(fields[12]) });
  }
  return threads;
}

function total({ user, kernel }: ThreadTicks): number {
  return user + kernel;
}

function sum(values: Iterable<number>): number {
  let result = 0;
  for (const value of values) result += value;
  return result;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
