// CPU time of a whole contestant (every thread of every process of it) and how quiet the machine was meanwhile, read
// from /proc. Linux only. Runs in the benchmark's own process.

import { readdirSync, readFileSync } from "node:fs";

/** Of one process, in nanoseconds on a core. */
export interface ProcessTimes {
  /** By thread, counted by the scheduler itself, not sampled by a tick. */
  readonly threads: ReadonlyMap<string, number>;
  /** Of all its threads, those included that have ended; in whole ticks. */
  readonly total: number;
}

/** By process id. */
export type CpuTimes = ReadonlyMap<number, ProcessTimes>;

/** A tick of /proc/PID/stat, the same on every machine. */
const TICK_NANOS = 1e7;

/** `pid` and all its descendants. */
export function readCpuTimes(pid: number): CpuTimes {
  return new Map(processTree(pid).map((member) => [member, readProcessTimes(member)]));
}

function readProcessTimes(pid: number): ProcessTimes {
  const threads = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    // First field: time spent on a core, in nanoseconds. 2^53 of them are 104 days, so a number holds it exactly.
    const schedstat = readOrNull(`/proc/${pid}/task/${thread}/schedstat`);
    if (schedstat !== null) threads.set(thread, Number(schedstat.split(" ", 1)[0]));
  }
  const [user, kernel] = fieldsOf(readFileSync(`/proc/${pid}/stat`, "latin1"))
    .slice(11, 13)
    .map(Number);
  return { threads, total: ((user ?? 0) + (kernel ?? 0)) * TICK_NANOS };
}

/** Throws when a process ended in between: what it used last would be missing from the sum. */
export function cpuNanosBetween(before: CpuTimes, after: CpuTimes): number {
  let sum = 0;
  for (const [pid, times] of after) sum += processNanosBetween(before.get(pid), times);
  for (const pid of before.keys()) {
    if (!after.has(pid)) throw new Error(`Cannot add up CPU time: process ${pid} ended during the run`);
  }
  return sum;
}

/** The sum over the threads, unless so much is missing from it that some must have ended: runtimes let idle ones go. */
function processNanosBetween(before: ProcessTimes | undefined, after: ProcessTimes): number {
  let byThreads = 0;
  for (const [thread, time] of after.threads) byThreads += time - (before?.threads.get(thread) ?? 0);
  const total = after.total - (before?.total ?? 0);
  // User and kernel time are each cut to whole ticks, before and after.
  return total - byThreads > 2 * TICK_NANOS ? total : byThreads;
}

/** `root` and its descendants, parents first. */
export function processTree(root: number): number[] {
  const children = Map.groupBy(readParents(), ([, parent]) => parent);
  const tree = [root];
  for (const member of tree) {
    for (const [child] of children.get(member) ?? []) tree.push(child);
  }
  return tree;
}

function readParents(): Array<[pid: number, parent: number]> {
  const parents: Array<[number, number]> = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = readOrNull(`/proc/${entry}/stat`);
    if (stat !== null) parents.push([Number(entry), parentOf(stat)]);
  }
  return parents;
}

/** The parent in a line of /proc/PID/stat. The name before it stands in parentheses and may itself hold any. */
export function parentOf(stat: string): number {
  return Number(fieldsOf(stat)[1]);
}

/** From the third field of the line on. */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Null when the process or thread has ended since it was listed. */
function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return null;
  }
}

/** Ticks of all cores since boot. */
export interface MachineTicks {
  readonly total: number;
  readonly stolen: number;
}

export function readMachineTicks(): MachineTicks {
  return parseMachineTicks(readFileSync("/proc/stat", "latin1"));
}

/** `cpu user nice system idle iowait irq softirq steal guest guest_nice`; user and nice already contain the guests. */
export function parseMachineTicks(stat: string): MachineTicks {
  const ticks = stat.slice(0, stat.indexOf("\n")).trim().split(/\s+/).slice(1, 9).map(Number);
  return { total: ticks.reduce((sum, value) => sum + value, 0), stolen: ticks[7] ?? 0 };
}

/** Share of the machine's time that its host gave to somebody else, 0 to 1. */
export function stealBetween(before: MachineTicks, after: MachineTicks): number {
  return after.total === before.total ? 0 : (after.stolen - before.stolen) / (after.total - before.total);
}
