// A named set of backends as one data thread sees it: which of them an exchange may go to now, and what is learnt from
// how it went.

import type { UpstreamSpec } from "../../config/snapshot.ts";
import { addressOf } from "../../core/authority.ts";
import { Counter } from "../../core/metrics.ts";
import type { RollingCounts } from "../../core/shared/rolling-counts.ts";
import type { UpstreamState } from "../../core/shared/upstream-state.ts";
import type { ThreadContext } from "../thread-context.ts";
import type { Backend } from "./backend.ts";
import { Circuit } from "./circuit.ts";
import type { Queue } from "./queue.ts";

export class Upstream {
  readonly spec: UpstreamSpec;
  readonly backends: readonly Backend[];
  readonly state: UpstreamState;
  readonly queue: Queue;
  /** Null where the file has no circuit breaker. */
  readonly circuit: Circuit | null;
  readonly #thread: ThreadContext;
  readonly #mostEjected: number;
  /** By index of the backend; empty where no share of failures ejects. */
  readonly #windows: readonly RollingCounts[];
  readonly #primaries: number;
  /** Filled for each choice. */
  readonly #candidates: Backend[] = [];
  /** Those that start slowly and do not take part in this choice. */
  readonly #slow: Backend[] = [];
  /** After `candidates`: some backend was up, but had no room. */
  full = false;

  constructor(
    spec: UpstreamSpec,
    backends: readonly Backend[],
    state: UpstreamState,
    queue: Queue,
    thread: ThreadContext,
  ) {
    this.spec = spec;
    this.backends = backends;
    this.state = state;
    this.queue = queue;
    this.circuit = spec.circuit === null ? null : new Circuit(spec.name, spec.circuit, state, thread);
    this.#thread = thread;
    this.#primaries = backends.filter((backend) => !backend.spec.backup).length;
    const { ejection } = spec;
    this.#mostEjected = ejection === null ? 0 : Math.floor(ejection.maxShare * backends.length);
    this.#windows =
      ejection === null || ejection.failureShare === null
        ? []
        : backends.map((backend) => backend.state.window(ejection.windowMs));
  }

  /**
   * The backends that may take an attempt, in the order of the file; those in `tried` may not. Backups only where no
   * other one is up. The list is valid until the next call.
   */
  candidates(tried: readonly Backend[]): readonly Backend[] {
    this.full = false;
    // The usual case makes no list.
    if (tried.length === 0 && this.#allAreReady()) return this.backends;
    const list = this.#candidates;
    const panic = this.spec.panicThreshold > 0 && this.#panics();
    this.#collect(false, tried, panic);
    if (list.length === 0 && !this.full && this.#primaries < this.backends.length)
      this.#collect(true, tried, panic);
    return list;
  }

  #allAreReady(): boolean {
    const { backends } = this;
    if (this.#primaries < backends.length) return false;
    for (let i = 0; i < backends.length; i++) {
      const { state, pool } = backends[i]!;
      if (!state.up || state.slowStarting || !pool.hasRoom) return false;
    }
    return true;
  }

  #collect(backup: boolean, tried: readonly Backend[], panic: boolean): void {
    const list = this.#candidates;
    const slow = this.#slow;
    list.length = 0;
    slow.length = 0;
    for (let i = 0; i < this.backends.length; i++) {
      const backend = this.backends[i]!;
      const { state, spec } = backend;
      if (spec.backup !== backup || !(panic || state.up)) continue;
      if (tried.length > 0 && tried.includes(backend)) continue;
      if (!backend.pool.hasRoom) this.full = true;
      else if (state.slowStarting && this.#waitsForItsShare(backend)) slow.push(backend);
      else list.push(backend);
    }
    // All of them, or the first would get nearly everything when all came back together.
    if (list.length === 0) list.push(...slow);
  }

  /** A backend that came back takes part in a growing share of the choices: a tenth at first, all in the end. */
  #waitsForItsShare({ state }: Backend): boolean {
    const share = (Date.now() - state.slowSince) / this.spec.slowStartMs;
    return Math.random() > Math.max(0.1, share);
  }

  #panics(): boolean {
    let up = 0;
    let isBackupUp = false;
    for (const { spec, state } of this.backends) {
      if (!state.up) continue;
      if (spec.backup) isBackupUp = true;
      else up++;
    }
    // Where nobody else is up, backups are better than backends that are known to be down.
    if (up === 0 && isBackupUp) return false;
    return up < this.spec.panicThreshold * this.#primaries;
  }

  /** Whether the retry budget has another one. If so it is spent. */
  tryRepeat(nowMs: number): boolean {
    const { retries } = this.state;
    const { share, least } = this.spec.retryBudget;
    if (retries.some(nowMs) >= Math.max(least, Math.floor(share * retries.all(nowMs)))) return false;
    retries.addSome(nowMs);
    return true;
  }

  /** A request was sent for the first time. */
  countRequest(nowMs: number): void {
    this.state.retries.add(nowMs, false);
  }

  /** An attempt ended with a response, or did not. */
  attemptEnded(backend: Backend, failed: boolean, nowMs: number): void {
    const { ejection } = this.spec;
    if (ejection === null) return;
    const { state } = backend;
    const window = this.#windows[backend.index];
    window?.add(nowMs, failed);
    if (!failed) {
      state.endFailures();
      return;
    }
    const inARow = state.addFailure();
    if (inARow >= ejection.failures) this.#eject(backend, `${inARow} failures in a row`, nowMs);
    else if (window !== undefined) {
      const all = window.all(nowMs);
      const failures = window.some(nowMs);
      if (all >= ejection.minRequests && failures >= ejection.failureShare! * all)
        this.#eject(backend, `${failures} failures in ${all} exchanges`, nowMs);
    }
  }

  /** The control thread lets it in again (control/health). */
  #eject({ state, spec }: Backend, reason: string, nowMs: number): void {
    const { timeMs, maxTimeMs } = this.spec.ejection!;
    if (state.ejected || !this.state.tryEject(this.#mostEjected)) return;
    if (!state.eject(nowMs, timeMs, maxTimeMs)) {
      this.state.readmit();
      return;
    }
    this.#thread.metrics.add(Counter.ejections);
    this.#thread.reporter.report("warn", "ejections", "backend ejected", {
      upstream: this.spec.name,
      backend: spec.id,
      address: addressOf(spec),
      reason,
      for_ms: Math.round(state.ejectedUntil - nowMs),
    });
  }
}
