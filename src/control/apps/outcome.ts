// How VMs end: one word for each kind of end. Control thread. docs/apps.md explains them.

import { CRASHED_EXIT_CODE } from "../../wire/vm.ts";

export const OUTCOMES = ["exited", "crashed", "hung", "out_of_memory", "replaced"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Why the gateway itself ends a VM. */
export interface Verdict {
  readonly outcome: Outcome;
  readonly why: string;
}

export interface Ending {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What was printed last. */
  readonly output: string;
}

/** What V8 prints before it aborts for want of memory. */
const OUT_OF_MEMORY = /heap out of memory|process out of memory|invalid (?:array|table|string)? ?size error/i;
/** What `unshare` ends with, and exit code 1, where its child was killed with SIGKILL. */
const KILLED = /^unshare: sigprocmask unblock failed/m;
/** 128 and the number of the signal: what a program in between makes of it. */
const SIGNAL_EXIT_CODE = 128;

/** `verdict` is that of the gateway, where it ended the VM. */
export function outcomeOf({ exitCode, signal, output }: Ending, verdict: Verdict | null): Outcome {
  if (verdict !== null) return verdict.outcome;
  const isSignal =
    signal !== null || (exitCode !== null && exitCode > SIGNAL_EXIT_CODE) || KILLED.test(output);
  if (isSignal && OUT_OF_MEMORY.test(output)) return "out_of_memory";
  return isSignal || exitCode === CRASHED_EXIT_CODE ? "crashed" : "exited";
}

/** Ends by outcome since the start of the gateway. */
export type OutcomeCounts = Record<Outcome, number>;

export function noOutcomes(): OutcomeCounts {
  return { exited: 0, crashed: 0, hung: 0, out_of_memory: 0, replaced: 0 };
}
