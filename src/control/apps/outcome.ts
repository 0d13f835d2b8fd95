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
/** `unshare` stands between the gateway and the VM. It ends by the signal that its child ended by, and cannot for this one. */
const UNSHARE_OF_A_KILLED_ONE = /^unshare: sigprocmask unblock failed: /m;

/** `verdict` is that of the gateway, where it ended the VM. */
export function outcomeOf(ending: Ending, verdict: Verdict | null): Outcome {
  if (verdict !== null) return verdict.outcome;
  const isSignal = signalOf(ending) !== null;
  if (isSignal && OUT_OF_MEMORY.test(ending.output)) return "out_of_memory";
  return isSignal || ending.exitCode === CRASHED_EXIT_CODE ? "crashed" : "exited";
}

/** For the log. */
export function exitOf(ending: Ending): string {
  return signalOf(ending) ?? `exit code ${ending.exitCode}`;
}

function signalOf({ exitCode, signal, output }: Ending): NodeJS.Signals | null {
  return exitCode === 1 && UNSHARE_OF_A_KILLED_ONE.test(output) ? "SIGKILL" : signal;
}

/** Ends by outcome since the start of the gateway. */
export type OutcomeCounts = Record<Outcome, number>;

export function noOutcomes(): OutcomeCounts {
  return { exited: 0, crashed: 0, hung: 0, out_of_memory: 0, replaced: 0 };
}
