// Whether one backend is up: what its checks and the end of its ejections make of its state. Control thread.

import { isDeepStrictEqual } from "node:util";
import type { BackendSpec, UpstreamSpec } from "../../config/snapshot.ts";
import { addressOf } from "../../core/authority.ts";
import { type BackendState, Check } from "../../core/shared/backend-state.ts";
import type { UpstreamState } from "../../core/shared/upstream-state.ts";
import type { Log } from "../log.ts";
import type { CheckOutcome } from "./check-attempt.ts";
import { CheckTarget } from "./check-target.ts";
import { Checker } from "./checker.ts";
import { EjectionWatch } from "./ejection-watch.ts";
import type { Turns } from "./turns.ts";

/** A backend of the snapshot, with the shared memory that says how it is. */
export interface Membership {
  readonly upstream: { readonly spec: UpstreamSpec; readonly state: UpstreamState };
  readonly backend: { readonly spec: BackendSpec; readonly state: BackendState };
}

/** What all backends share. */
export interface HealthContext {
  readonly log: Log;
  readonly turns: Turns;
  /** An upstream has more room than before. */
  readonly onRoom: (upstream: string) => void;
}

/** How often it came to that, since the gateway knows the backend. Ejections are counted in its shared memory. */
export interface HealthChanges {
  /** By checks, also the first good one of a new backend. */
  readonly up: number;
  readonly down: number;
  /** An ejection ended. */
  readonly readmitted: number;
}

export interface LastCheck {
  /** When it ended, as `Date.now()`. */
  readonly at: number;
  /** From the start of the connection until it was clear. */
  readonly ms: number;
  /** Why it failed, or null. */
  readonly failure: string | null;
}

const NAMES = { [Check.passed]: "up", [Check.failed]: "down", [Check.awaited]: "awaiting_check" } as const;

export class BackendHealth {
  readonly changes = { up: 0, down: 0, readmitted: 0 };
  lastCheck: LastCheck | null = null;
  readonly #context: HealthContext;
  #member: Membership;
  #ejection: EjectionWatch;
  #checker: Checker | null = null;
  // Checks in a row.
  #passed = 0;
  #failed = 0;

  constructor(member: Membership, context: HealthContext, nowMs: number) {
    this.#context = context;
    this.#member = member;
    this.#ejection = new EjectionWatch(member.backend.state, nowMs);
    this.#makeChecker();
  }

  /** Goes over to another snapshot. Returns whether the checks begin anew: `start` follows. */
  adopt(member: Membership, nowMs: number): boolean {
    const before = this.#member;
    this.#member = member;
    const isSameMemory = before.backend.spec.shared === member.backend.spec.shared;
    if (!isSameMemory) {
      letIn(before);
      this.#ejection = new EjectionWatch(member.backend.state, nowMs);
    }
    if (isSameMemory && isDeepStrictEqual(checkedBy(before.backend.spec), checkedBy(member.backend.spec)))
      return false;
    this.#checker?.stop();
    this.#makeChecker();
    return this.#checker !== null;
  }

  start(delayMs: number): void {
    this.#checker?.start(delayMs);
  }

  get isEjected(): boolean {
    return this.#member.backend.state.ejected;
  }

  get isChecked(): boolean {
    return this.#checker !== null;
  }

  /** Ends what has its time. Returns whether something goes on that has one: then it is to be called often. */
  tick(nowMs: number): boolean {
    const { backend, upstream } = this.#member;
    const rules = upstream.spec.ejection;
    if (this.#ejection.isOver(nowMs, rules)) this.#readmit(nowMs);
    else this.#ejection.forgive(nowMs, rules);
    const { state } = backend;
    if (state.slowStarting) {
      const slowMs = nowMs - state.slowSince;
      if (slowMs < 0 || slowMs >= upstream.spec.slowStartMs) state.endSlowStart();
    }
    return state.ejected || state.ejectionsInARow > 0 || state.slowStarting;
  }

  /** The backend is in no snapshot any more. */
  leave(): void {
    this.#checker?.stop();
    letIn(this.#member);
  }

  /** The gateway ends. */
  stop(): void {
    this.#checker?.stop();
  }

  #makeChecker(): void {
    const { spec, state } = this.#member.backend;
    this.#passed = 0;
    this.#failed = 0;
    this.#checker = null;
    if (spec.healthCheck !== null) {
      const target = new CheckTarget(spec, spec.healthCheck);
      this.#checker = new Checker(target, this.#context.turns, (outcome) => this.#checked(outcome));
    } else {
      this.lastCheck = null;
      // Nothing else would bring it back.
      if (state.check !== Check.passed) this.#up("it is not checked any more");
    }
  }

  #checked({ failure, ms }: CheckOutcome): void {
    this.lastCheck = { at: Date.now(), ms, failure };
    const { spec, state } = this.#member.backend;
    const { failures, successes } = spec.healthCheck!;
    if (failure !== null) {
      this.#passed = 0;
      this.#failed++;
      if (state.check !== Check.failed && this.#failed >= failures) this.#down(failure);
    } else {
      this.#failed = 0;
      this.#passed++;
      // A new backend needs one only.
      const needed = state.check === Check.failed ? successes : 1;
      if (state.check === Check.passed || this.#passed < needed) return;
      // It was known to be down and is known to be well: what it failed between says nothing any more.
      if (state.check === Check.failed && state.ejected) this.#endEjection(Date.now());
      this.#up(`${this.#passed} passed ${this.#passed === 1 ? "check" : "checks in a row"}`);
    }
  }

  #down(reason: string): void {
    const { state } = this.#member.backend;
    const from = NAMES[state.check];
    state.check = Check.failed;
    this.changes.down++;
    const fields = { ...this.#names, from, to: "down", reason, failed_checks: this.#failed };
    this.#context.log.warn(fields, "backend down");
  }

  #up(reason: string): void {
    const { state } = this.#member.backend;
    const from = NAMES[state.check];
    // Before anybody may use it. A new backend does not come back.
    if (from === "down") this.#startSlowly(Date.now());
    state.check = Check.passed;
    this.changes.up++;
    this.#context.log.info({ ...this.#names, from, to: this.#now, reason }, "backend up");
    this.#tellRoom();
  }

  #readmit(nowMs: number): void {
    this.#startSlowly(nowMs);
    this.#endEjection(nowMs);
    const { ejection } = this.#member.upstream.spec;
    const reason = ejection === null ? "ejection was turned off" : "its time is over";
    const fields = { ...this.#names, from: "ejected", to: this.#now, reason };
    this.#context.log.info(fields, "backend back after ejection");
    this.#tellRoom();
  }

  #endEjection(nowMs: number): void {
    const { backend, upstream } = this.#member;
    const { ejection } = upstream.spec;
    // What failed before, or was under way, must not eject it again.
    backend.state.endFailures();
    if (ejection !== null) backend.state.window(ejection.windowMs).clear();
    this.#ejection.end(nowMs);
    letIn(this.#member);
    this.changes.readmitted++;
  }

  #startSlowly(nowMs: number): void {
    const { backend, upstream } = this.#member;
    if (upstream.spec.slowStartMs > 0) backend.state.startSlowly(nowMs);
  }

  #tellRoom(): void {
    if (this.#member.backend.state.up) this.#context.onRoom(this.#member.upstream.spec.name);
  }

  get #now(): string {
    const { state } = this.#member.backend;
    return state.check === Check.passed && state.ejected ? "ejected" : NAMES[state.check];
  }

  get #names() {
    const { backend, upstream } = this.#member;
    return { upstream: upstream.spec.name, backend: backend.spec.id, address: addressOf(backend.spec) };
  }
}

/** Its place among the ejected too. */
function letIn({ backend, upstream }: Membership): void {
  if (backend.state.readmit()) upstream.state.readmit();
}

/** All that decides what a check does. */
function checkedBy(spec: BackendSpec) {
  const { host, hostName, port, socketPath, protocol, tls, proxyProtocol, healthCheck } = spec;
  return { host, hostName, port, socketPath, protocol, tls, proxyProtocol, healthCheck };
}
