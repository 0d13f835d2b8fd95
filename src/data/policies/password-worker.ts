// Compares passwords with hashes, in a thread of its own: each takes a tenth of a second by design, and the data thread has
// other things to do. Runs in a worker thread of a data thread.

import { scryptSync, timingSafeEqual } from "node:crypto";
import { setPriority } from "node:os";
import { parentPort } from "node:worker_threads";
import { compareSync } from "bcryptjs";
import { readPasswordHash, scryptBytes } from "../../core/password-hash.ts";

export interface PasswordJob {
  readonly password: string;
  /** One that `readPasswordHash` takes. */
  readonly hash: string;
}

/** On Linux a priority is that of a thread: who tries passwords all day must not slow the requests of others down. */
const LOW_PRIORITY = 10;

function isRight({ password, hash }: PasswordJob): boolean {
  const read = readPasswordHash(hash);
  if (typeof read === "string") return false;
  if (read.kind === "bcrypt") return compareSync(password, read.text);
  const { n, r, p, salt } = read;
  const found = scryptSync(password, salt, read.hash.length, { N: n, r, p, maxmem: scryptBytes(read) });
  return timingSafeEqual(found, read.hash);
}

try {
  setPriority(LOW_PRIORITY);
} catch {
  // It is a kindness, not a need.
}
parentPort?.on("message", (job: PasswordJob) => parentPort?.postMessage(isRight(job)));
