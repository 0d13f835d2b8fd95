// Which cores carry the server under test and which carry the load (wrk, the clients, the backend).

import { readFileSync } from "node:fs";

/** Core lists as `taskset --cpu-list` takes them. */
export interface Cores {
  readonly server: string;
  readonly load: string;
}

/** The last core that this process may use is the server's alone; all others carry the load. */
export function splitCores(): Cores {
  const allowed =
    /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? "";
  const cores = expandCoreList(allowed);
  const server = cores.pop();
  if (server === undefined || cores.length === 0) {
    throw new Error(`Cannot keep server and load apart on cores "${allowed}": expected at least two`);
  }
  return { server: String(server), load: cores.join(",") };
}

/** `0-2,8` means 0, 1, 2, 8. */
export function expandCoreList(list: string): number[] {
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
