// How much of what an app says gets into the gateway's log: per VM, so that none fills the disk. A VM keeps to it for
// `console`; the control thread sees to it for that and for what the process prints. Runs in VMs and in the control thread.

import type { LineRate } from "../core/line-limit.ts";

export const LOG_RATE: LineRate = {
  lines: 1000,
  linesPerSecond: 100,
  bytes: 1_048_576,
  bytesPerSecond: 65_536,
};

/** A longer line is cut. Characters of `console`, bytes of what is printed. */
export const MAX_LINE = 8192;

/** How often it is told, at most, that lines are left out. */
export const TELL_MS = 1000;

export function leftOutText(lines: number, of: string): string {
  const { lines: most, linesPerSecond } = LOG_RATE;
  return `${lines} more lines of ${of} were left out: a VM has ${linesPerSecond} a second, and ${most} at once`;
}
