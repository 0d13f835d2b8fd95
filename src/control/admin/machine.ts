// Reads how busy this machine is: from /proc on Linux, elsewhere what node:os offers. Control thread.

import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { cpus, freemem, totalmem } from "node:os";

/** In a unit of time that only differences are taken of. */
export interface CpuTimes {
  readonly busy: number;
  readonly total: number;
}

/** Bytes since the machine started, over all interfaces but the loopback one. */
export interface Traffic {
  readonly received: number;
  readonly sent: number;
}

/** Bytes. */
export interface Space {
  readonly total: number;
  /** What a program could still have. */
  readonly available: number;
  /** 0 to 1. */
  readonly used: number;
}

/** The text of a file, or null where there is no such file. */
export type ReadFile = (path: string) => string | null;

export class Machine {
  readonly #read: ReadFile;

  constructor(read: ReadFile = readOrNull) {
    this.#read = read;
  }

  cpuTimes(): CpuTimes {
    return parseCpuTimes(this.#read("/proc/stat") ?? "") ?? timesOf(cpus());
  }

  memory(): Space {
    const found = parseMemory(this.#read("/proc/meminfo") ?? "");
    const { total, available } = found ?? { total: totalmem(), available: freemem() };
    return { total, available, used: total === 0 ? 0 : (total - available) / total };
  }

  /** Null where the system does not tell. */
  traffic(): Traffic | null {
    const table = this.#read("/proc/net/dev");
    return table === null ? null : parseTraffic(table);
  }

  /** Of the file system that holds the folder, as `df` has it: what is kept for root counts for neither. */
  async disk(folder: string): Promise<Space | null> {
    try {
      const { bsize, blocks, bfree, bavail } = await statfs(folder);
      const usable = blocks - bfree + bavail;
      const used = usable === 0 ? 0 : (blocks - bfree) / usable;
      return { total: blocks * bsize, available: bavail * bsize, used };
    } catch {
      return null;
    }
  }
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** The line `cpu` of /proc/stat (man 5 proc_stat). Time of guests is in that of the user; stolen time was not to be had. */
export function parseCpuTimes(stat: string): CpuTimes | null {
  const line = /^cpu +(\d+(?: \d+)*)/m.exec(stat)?.[1];
  if (line === undefined) return null;
  const [user = 0, nice = 0, system = 0, idle = 0, ioWait = 0, irq = 0, softIrq = 0, steal = 0] = line
    .split(" ")
    .map(Number);
  const busy = user + nice + system + irq + softIrq + steal;
  return { busy, total: busy + idle + ioWait };
}

function timesOf(all: ReturnType<typeof cpus>): CpuTimes {
  let [busy, total] = [0, 0];
  for (const { times } of all) {
    const own = times.user + times.nice + times.sys + times.irq;
    busy += own;
    total += own + times.idle;
  }
  return { busy, total };
}

/** The lines `MemTotal` and `MemAvailable` of /proc/meminfo. */
export function parseMemory(meminfo: string): { total: number; available: number } | null {
  const [total, available] = ["MemTotal", "MemAvailable"].map((name) => {
    return new RegExp(`^${name}: +(\\d+) kB$`, "m").exec(meminfo)?.[1];
  });
  if (total === undefined || available === undefined) return null;
  return { total: Number(total) * 1024, available: Number(available) * 1024 };
}

/** The columns `bytes` of /proc/net/dev: the first of those received, and the first of those sent. */
export function parseTraffic(table: string): Traffic {
  let [received, sent] = [0, 0];
  for (const line of table.split("\n")) {
    // A long number may stand right behind the colon.
    const [, name, columns] = /^ *([^:\s]+): *(\d.*)$/.exec(line) ?? [];
    if (name === undefined || name === "lo") continue;
    const numbers = columns!.split(/ +/).map(Number);
    received += numbers[0] ?? 0;
    sent += numbers[8] ?? 0;
  }
  return { received, sent };
}

/** The share of the time between two readings in which the processors worked, 0 to 1. */
export function cpuShare(before: CpuTimes, after: CpuTimes): number {
  const total = after.total - before.total;
  // `iowait` may go back (man 5 proc_stat).
  return total <= 0 ? 0 : Math.min(1, Math.max(0, (after.busy - before.busy) / total));
}
