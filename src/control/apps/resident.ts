// The memory that the process of a VM takes, as Linux counts it. Control thread.

import { closeSync, openSync, readFileSync, readSync } from "node:fs";

/** Of /proc/self/auxv (man 3 getauxval). */
const AT_PAGESZ = 6n;
const LINE = Buffer.alloc(128);
let pageBytes = 0;

export class Resident {
  readonly #file: number | null;
  /** Of the VM itself, also where another program started it. */
  readonly pid: number;

  /** `pid` is that of the process that was started. */
  constructor(pid: number) {
    this.pid = vmPidOf(pid);
    this.#file = openOrNull(`/proc/${this.pid}/statm`);
  }

  /** Bytes; null where the system does not tell, or the process ended. */
  read(): number | null {
    if (this.#file === null) return null;
    try {
      const text = LINE.toString("latin1", 0, readSync(this.#file, LINE, 0, LINE.length, 0));
      // man 5 proc_pid_statm: size, resident, …
      const pages = Number(text.split(" ", 2)[1]);
      return pages > 0 ? pages * sizeOfPage() : null;
    } catch {
      return null;
    }
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
  }
}

/** `unshare --fork` stays between the gateway and the VM. */
export function vmPidOf(pid: number): number {
  try {
    if (readFileSync(`/proc/${pid}/comm`, "latin1") !== "unshare\n") return pid;
    const [child = ""] = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ");
    return child === "" ? pid : Number(child);
  } catch {
    return pid;
  }
}

/** Pairs of a name and a value. */
function sizeOfPage(): number {
  if (pageBytes > 0) return pageBytes;
  const pairs = new BigUint64Array(Uint8Array.from(readFileSync("/proc/self/auxv")).buffer);
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    if (pairs[i] === AT_PAGESZ) pageBytes = Number(pairs[i + 1]);
  }
  return pageBytes;
}

function openOrNull(path: string): number | null {
  try {
    return openSync(path, "r");
  } catch {
    return null;
  }
}
