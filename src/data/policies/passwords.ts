// The passwords that clients of one data thread send: compared in a worker thread, one after the other, and those that were
// right remembered for a while, so that a client pays once. Runs in data threads.
//
//   remembered ─▶ right, at once        else: waits in line ─▶ worker ─▶ right: remembered, or wrong

import { createHmac, randomBytes } from "node:crypto";
import { Worker } from "node:worker_threads";
import { clockMs } from "../../core/clock.ts";
import type { PasswordJob } from "./password-worker.ts";

/** Comparisons that wait at most, of different passwords: what is beyond would wait for many seconds. */
const MAX_WAITING = 64;
const REMEMBERED_MS = 5 * 60_000;
const MAX_REMEMBERED = 4096;

// The same ending as this file: source by type stripping, or compiled.
const ENTRY = new URL(`./password-worker${import.meta.url.slice(-3)}`, import.meta.url);

/** Who waits for a comparison. */
export interface PasswordUser {
  /** Null where nobody could compare. */
  onCompared(isRight: boolean | null): void;
}

interface Comparison {
  readonly key: string;
  readonly job: PasswordJob;
  /** Those with the same password for the same hash share one comparison. */
  readonly users: Set<PasswordUser>;
}

export class Passwords {
  /** Makes keys that tell nothing of what they are of. */
  readonly #secret = randomBytes(32);
  /** Until when each key is right, oldest first. */
  readonly #right = new Map<string, number>();
  /** By key, in the order in which they came. */
  readonly #line = new Map<string, Comparison>();
  #worker: Worker | null = null;
  /** What is with the worker. */
  #running: Comparison | null = null;

  /** What a password for that hash is remembered by. Another hash is another key, so that a changed password counts at once. */
  keyOf(hash: string, password: string): string {
    return createHmac("sha256", this.#secret).update(`${hash}\0${password}`).digest("latin1");
  }

  isRemembered(key: string): boolean {
    const until = this.#right.get(key);
    return until !== undefined && clockMs() < until;
  }

  /** Returns false where too many wait already; else `user` hears of the outcome later, unless it is forgotten. */
  compare(key: string, job: PasswordJob, user: PasswordUser): boolean {
    let comparison = this.#running?.key === key ? this.#running : this.#line.get(key);
    if (comparison === undefined) {
      if (this.#line.size >= MAX_WAITING) return false;
      comparison = { key, job, users: new Set() };
      this.#line.set(key, comparison);
    }
    comparison.users.add(user);
    this.#next();
    return true;
  }

  /** Its client has gone. */
  forget(key: string, user: PasswordUser): void {
    this.#running?.users.delete(user);
    const comparison = this.#line.get(key);
    comparison?.users.delete(user);
    if (comparison?.users.size === 0) this.#line.delete(key);
  }

  #next(): void {
    if (this.#running !== null) return;
    const [next] = this.#line.values();
    if (next === undefined) return;
    this.#line.delete(next.key);
    this.#running = next;
    this.#worker ??= this.#startWorker();
    this.#worker.postMessage(next.job);
  }

  #startWorker(): Worker {
    const worker = new Worker(ENTRY, { name: "passwords" });
    worker.unref();
    worker.on("message", (isRight: boolean) => this.#compared(isRight));
    worker.on("error", () => {});
    worker.on("exit", () => {
      this.#worker = null;
      this.#compared(null);
    });
    return worker;
  }

  #compared(isRight: boolean | null): void {
    const comparison = this.#running;
    this.#running = null;
    if (comparison === null) return;
    if (isRight === true) this.#remember(comparison.key);
    for (const user of comparison.users) user.onCompared(isRight);
    this.#next();
  }

  #remember(key: string): void {
    this.#right.delete(key);
    if (this.#right.size >= MAX_REMEMBERED) {
      const [oldest] = this.#right.keys();
      this.#right.delete(oldest!);
    }
    this.#right.set(key, clockMs() + REMEMBERED_MS);
  }
}
