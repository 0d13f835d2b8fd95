// Resident memory of a whole contestant, read from /proc. Linux only. Runs in the benchmark's own process.

import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { processTree } from "./cpu.ts";

export interface Memory {
  /** Resident bytes, shared libraries and files included. */
  readonly rss: number;
  /** The part of it that belongs to no file: heaps and stacks. */
  readonly anonymous: number;
}

/** Sums over `pid` and its descendants. */
export function readMemory(pid: number): Memory {
  let rss = 0;
  let anonymous = 0;
  for (const member of processTree(pid)) {
    const status = readFileSync(`/proc/${member}/status`, "latin1");
    rss += kilobytes(status, "VmRSS") * 1024;
    anonymous += kilobytes(status, "RssAnon") * 1024;
  }
  return { rss, anonymous };
}

/** Waits until RSS has moved by less than half a per cent for `quietMs`, and returns the last reading. */
export async function settledMemory(pid: number, quietMs: number, timeoutMs: number): Promise<Memory> {
  const giveUpAt = performance.now() + timeoutMs;
  let memory = readMemory(pid);
  let mark = memory.rss;
  let markedAt = performance.now();
  while (performance.now() - markedAt < quietMs) {
    if (performance.now() > giveUpAt)
      throw new Error(`Cannot read settled memory: still moving after ${timeoutMs} ms`);
    await delay(250);
    memory = readMemory(pid);
    if (Math.abs(memory.rss - mark) > mark * 0.005) {
      mark = memory.rss;
      markedAt = performance.now();
    }
  }
  return memory;
}

function kilobytes(status: string, field: string): number {
  const value = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
  if (value === undefined) throw new Error(`Cannot find ${field} in the status of a process`);
  return Number(value);
}
