// How many client connections the open-file limit of this process allows. Control thread, at start and reload.

import { readFileSync } from "node:fs";

/** Files of the program itself: logs, pipes, the event loop of the control thread. 23 are open in a small gateway. */
const RESERVED_FILES = 64;

/** Of a data thread: its event loop, listeners, access log (8 in all), and 32 connections while they are refused. */
const RESERVED_FILES_PER_THREAD = 44;

/** The soft limit on open files (Node raises it to the hard one at start), or Infinity where it cannot be read. */
export function openFileLimit(): number {
  let limits: string;
  try {
    limits = readFileSync("/proc/self/limits", "utf8");
  } catch {
    return Number.POSITIVE_INFINITY;
  }
  const found = /^Max open files\s+(\S+)/m.exec(limits)?.[1];
  return found === undefined || found === "unlimited" ? Number.POSITIVE_INFINITY : Number(found);
}

/** Share of the files that are left for unused connections to backends. */
const IDLE_SHARE = 1 / 4;

export interface ConnectionLimits {
  /** Client connections. Each may need a second file, for its backend. */
  readonly clients: number;
  /** Unused connections to backends, of each data thread. */
  readonly idlePerThread: number;
}

export function connectionsWithin(fileLimit: number, dataThreads: number): ConnectionLimits {
  if (fileLimit === Number.POSITIVE_INFINITY)
    return { clients: Number.MAX_SAFE_INTEGER, idlePerThread: Number.MAX_SAFE_INTEGER };
  const files = Math.max(0, fileLimit - RESERVED_FILES - dataThreads * RESERVED_FILES_PER_THREAD);
  const idlePerThread = Math.floor((files * IDLE_SHARE) / dataThreads);
  const clients = Math.max(1, Math.floor((files - idlePerThread * dataThreads) / 2));
  return { clients, idlePerThread };
}
