// Who a folder of VMs belongs to, so that the next gateway can tell which ones a killed gateway left. Control thread.

import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const FILE = "owner.json";

interface Owner {
  readonly pid: number;
  /** Tells it from a later process of the same id. */
  readonly startedAt: string;
  /** Ids count within a namespace: in another container, the same one is another process. */
  readonly namespace: string;
}

/** Notes in a new folder that it is that of this process. */
export function ownFolder(path: string): void {
  const owner: Owner = {
    pid: process.pid,
    startedAt: startOf(process.pid) ?? "",
    namespace: namespaceOfPids(),
  };
  writeFileSync(join(path, FILE), JSON.stringify(owner), { mode: 0o600 });
}

/** Removes the folders in `parent` with that prefix whose gateway is gone. `users`: whose may be removed. */
export function removeOrphans(parent: string, prefix: string, users: readonly number[]): void {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(parent, name);
    try {
      const stats = lstatSync(path);
      if (stats.isDirectory() && users.includes(stats.uid) && isOrphan(path))
        rmSync(path, { recursive: true });
    } catch {
      // Another gateway may remove it just now; what cannot be removed stays.
    }
  }
}

function isOrphan(path: string): boolean {
  const { pid, startedAt, namespace } = JSON.parse(readFileSync(join(path, FILE), "utf8")) as Owner;
  return namespace === namespaceOfPids() && startOf(pid) !== startedAt;
}

/** Null where there is no such process. Empty where the system does not tell. */
function startOf(pid: number): string | null {
  try {
    // man 5 proc_pid_stat: the 22nd field; the second one, in parentheses, may have anything in it.
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]!;
  } catch {
    return isThere(pid) ? "" : null;
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function namespaceOfPids(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "";
  }
}
