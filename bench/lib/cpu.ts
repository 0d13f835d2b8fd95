// CPU time of a whole contestant (every thread of every process of it) and how quiet the machine was meanwhile, read
// from /proc. Linux only. Runs in the benchmark's own process.

import { readdirSync, readFileSync } from "node:fs";

/** Nanoseconds on a core by thread, keyed `pid/tid`. Counted by the scheduler itself, not sampled by a tick. */
export type CpuTimes = ReadonlyMap<string, number>;

/** The threads of `pid` and of all its descendants. */
export function readCpuTimes(pid: number): CpuTimes {
  const times = new Map<string, number>();
  for (const member of processTree(pid)) {
    for (const thread of readdirSync(`/proc/${member}/task`)) {
      // First field: time spent on a core, in nanoseconds. 2^53 of them are 104 days, so a number holds it exactly.
      const schedstat = readFileSync(`/proc/${member}/task/${thread}/schedstat`, "latin1");
      times.set(`${member}/${thread}`, Number(schedstat.split(" ", 1)[0]));
    }
  }
  return times;
}

/** Throws when a thread ended in between: what it used last would be missing from the sum. */
export function cpuNanosBetween(before: CpuTimes, after: CpuTimes): number {
  let total = 0;
  for (const [thread, time] of after) total += time - (before.get(thread) ?? 0);
  for (const thread of before.keys()) {
    if (!after.has(thread)) throw new Error(`Cannot add up CPU time: thread ${thread} ended during the run`);
  }
  return total;
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
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

/** Null when the process has ended since it was listed. */
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
