// Guards of the VM supervisor: how VMs end, what comes after, recycling, and the end of the gateway.

import type { Mutation } from "./mutation.ts";

const channel = "src/control/apps/guarded-channel.ts";
const instance = "src/control/apps/instance.ts";
const outcome = "src/control/apps/outcome.ts";
const owner = "src/control/apps/folder-owner.ts";
const pool = "src/control/apps/app-pool.ts";
const restarts = "src/control/apps/restarts.ts";
const spare = "src/control/apps/spare.ts";
const vm = "src/control/apps/vm-process.ts";
const watch = "src/control/apps/vm-watch.ts";

const OUTCOMES = ["test/apps/supervisor-outcomes.test.ts"];
const REPLACE = ["test/apps/supervisor-replace.test.ts"];
const RETIRE = ["test/apps/supervisor-retire.test.ts"];
const END = ["test/apps/supervisor-end.test.ts"];
const NAMES = ["src/control/apps/outcome.test.ts"];
const PAUSES = ["src/control/apps/restarts.test.ts"];

export const SUPERVISOR_MUTATIONS: readonly Mutation[] = [
  // ---- how VMs end ----
  {
    name: "a VM that does not answer is ended",
    file: watch,
    find: "if (silentMs >= hangTimeoutMs) judge(vm, hangTimeoutMs);",
    replace: "if (silentMs < 0) judge(vm, hangTimeoutMs);",
    tests: OUTCOMES,
  },
  {
    name: "time in which the gateway was away does not count",
    file: watch,
    find: "if (awayMs > AWAY_MS) vm.heartbeat.excuse(awayMs);",
    replace: "",
    tests: END,
  },
  {
    name: "a VM that takes too much memory is ended",
    file: watch,
    find: "if (taken <= most) return;",
    replace: "if (taken >= 0) return;",
    tests: OUTCOMES,
  },
  {
    name: "a full heap is no crash",
    file: outcome,
    find: 'if (isSignal && OUT_OF_MEMORY.test(ending.output)) return "out_of_memory";',
    replace: "",
    tests: NAMES,
  },
  {
    name: "a VM that was killed below unshare was killed",
    file: outcome,
    find: 'exitCode === 1 && UNSHARE_OF_A_KILLED_ONE.test(output) ? "SIGKILL" : signal',
    replace: "signal",
    tests: NAMES,
  },
  {
    name: "a VM that breaks the rules of its link is ended",
    file: vm,
    find: 'if (fault === null) this.#endSoon("it closed its link to a data thread");',
    replace: "if (fault !== null) return;",
    tests: OUTCOMES,
  },
  {
    name: "a message that no VM sends ends it",
    file: vm,
    find: 'this.#misbehaved("a message that no VM sends");',
    replace: "",
    tests: OUTCOMES,
  },
  {
    name: "rubbish on the channel of a VM is no exception of the gateway",
    file: vm,
    find: "if (child.channel != null) guardChannel(child, (fault) => this.#misbehaved(fault));",
    replace: "",
    tests: OUTCOMES,
  },
  {
    name: "what only Node says is not taken from an app",
    file: channel,
    find: "guardOwnMessages(child, onFault);\n  const",
    replace: "const",
    tests: OUTCOMES,
  },
  {
    name: "a message on the channel has an end",
    file: channel,
    find: "if (unfinished > MOST_BYTES)",
    replace: "if (unfinished < 0)",
    tests: OUTCOMES,
  },
  {
    name: "a VM that is not ready in time is given up",
    file: vm,
    find: "}, plan.startTimeoutMs);",
    replace: "}, 2_000_000_000);",
    tests: REPLACE,
  },
  // ---- what comes after ----
  {
    name: "the first end costs no pause",
    file: restarts,
    find: "this.inARow === 1 ? 0 :",
    replace: "",
    tests: PAUSES,
  },
  {
    name: "one that was healthy is no part of a row",
    file: restarts,
    find: "if (livedMs >= HEALTHY_MS) this.inARow = 0;",
    replace: "",
    tests: PAUSES,
  },
  {
    name: "VMs that end one after the other open the circuit",
    file: instance,
    find: "return this.vm === null && this.#restarts.inARow >= LOOPS_AFTER;",
    replace: "return false;",
    tests: REPLACE,
  },
  {
    name: "a start that fails is tried again",
    file: instance,
    find: "this.#setting.onFailed(error, pauseMs);\n      this.#replaceAfter(pauseMs);",
    replace: "this.#setting.onFailed(error, pauseMs);",
    tests: REPLACE,
  },
  {
    name: "a spare that was taken is followed by another",
    file: spare,
    find: "const coming = this.#coming;\n    this.#coming = null;",
    replace: "const coming = this.#coming;",
    tests: REPLACE,
  },
  {
    name: "nothing waits for an app whose circuit is open",
    file: "src/data/actions/app.ts",
    find: "if (pool.down !== null) this",
    replace: "if (pool.down === undefined) this",
    tests: REPLACE,
  },
  // ---- making way ----
  {
    name: "a VM has a last request",
    file: watch,
    find: "if (maxRequests !== null && vm.requests >= maxRequests)",
    replace: "if (maxRequests === 0)",
    tests: RETIRE,
  },
  {
    name: "a VM that makes way finishes what it has",
    file: pool,
    find: "if (why !== undefined && vm.drained && this.outstanding(vm) === 0)",
    replace: "if (why !== undefined)",
    tests: RETIRE,
  },
  {
    name: "a VM that makes way does not take for ever",
    file: pool,
    find: "}, drainTimeoutMs);",
    replace: "}, 2_000_000_000);",
    tests: RETIRE,
  },
  {
    name: "the old version finishes what it has",
    file: "src/control/apps/apps.ts",
    find: 'pool.retire("another version serves")',
    replace: 'pool.stop("another version serves")',
    tests: RETIRE,
  },
  {
    name: "exchanges that found no VM go over to the next version",
    file: "src/data/apps/vm-pool.ts",
    find: "return this.#next === null ? this : this.#next.current;",
    replace: "return this;",
    tests: RETIRE,
  },
  // ---- the end of the gateway ----
  {
    name: "a VM that does not answer is not waited for at the end",
    file: pool,
    find: "if (vm.heartbeat.silentMs(now) >= ms)",
    replace: "if (vm.heartbeat.silentMs(now) < 0)",
    tests: END,
  },
  {
    name: "folders of gateways that are gone are removed",
    file: owner,
    find: "startOf(pid) !== startedAt;",
    replace: "false;",
    tests: END,
  },
  {
    name: "folders of gateways that run are not",
    file: owner,
    find: "namespace === namespaceOfPids() && startOf",
    replace: "true || startOf",
    tests: END,
  },
];
