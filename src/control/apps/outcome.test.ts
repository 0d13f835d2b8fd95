// The names of ends. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Ending, exitOf, type Outcome, outcomeOf } from "./outcome.ts";

const UNSHARE = "unshare: sigprocmask unblock failed: Invalid argument\n";

describe("the outcome of a VM", () => {
  const cases: readonly (readonly [string, Partial<Ending>, Outcome, string])[] = [
    ["process.exit(0)", { exitCode: 0 }, "exited", "exit code 0"],
    ["process.exit(1)", { exitCode: 1 }, "exited", "exit code 1"],
    ["an exception", { exitCode: 70 }, "crashed", "exit code 70"],
    ["a signal", { signal: "SIGSEGV" }, "crashed", "SIGSEGV"],
    ["SIGKILL below unshare", { exitCode: 1, output: `one\n${UNSHARE}` }, "crashed", "SIGKILL"],
    [
      "a full heap",
      { signal: "SIGABRT", output: "FATAL ERROR: … JavaScript heap out of memory" },
      "out_of_memory",
      "SIGABRT",
    ],
    [
      "a word about memory, and process.exit",
      { exitCode: 1, output: "heap out of memory" },
      "exited",
      "exit code 1",
    ],
  ];
  for (const [what, ending, outcome, exit] of cases) {
    it(`is ${outcome} after ${what}`, () => {
      const whole: Ending = { exitCode: null, signal: null, output: "", ...ending };
      assert.equal(outcomeOf(whole, null), outcome);
      assert.equal(exitOf(whole), exit);
    });
  }

  it("is what the gateway ended it for", () => {
    const ending: Ending = { exitCode: null, signal: "SIGKILL", output: "heap out of memory" };
    assert.equal(outcomeOf(ending, { outcome: "hung", why: "" }), "hung");
  });
});
