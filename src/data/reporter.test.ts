// The limit on log lines, with the clock in the hands of the test.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Reporter } from "./reporter.ts";

function start(): { reporter: Reporter; lines: string[] } {
  const lines: string[] = [];
  const reporter = new Reporter((message) => {
    assert.equal(message.type, "log");
    if (message.type === "log") lines.push(message.message);
  });
  return { reporter, lines };
}

function report(reporter: Reporter, times: number, kind: string): void {
  for (let i = 0; i < times; i++) reporter.report("warn", kind, kind, {});
}

test("ten lines of a kind are written, and ten seconds after the first how many were not", ({ mock }) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { reporter, lines } = start();
  report(reporter, 3, "storm");
  mock.timers.tick(9000);
  report(reporter, 22, "storm");
  assert.deepEqual(lines, Array(10).fill("storm"));
  mock.timers.tick(1000);
  assert.deepEqual(lines.splice(0), [...Array(10).fill("storm"), "15 more lines about storm were left out"]);

  report(reporter, 10, "storm");
  assert.deepEqual(lines, Array(10).fill("storm"));
  mock.timers.tick(10_000);
  assert.equal(lines.length, 10, "nothing was left out");
});

test("one kind does not take the lines of another", () => {
  const { reporter, lines } = start();
  report(reporter, 20, "storm");
  report(reporter, 2, "breeze");
  assert.deepEqual(lines.slice(10), ["breeze", "breeze"]);
});

test("what was left out is told at the end at the latest, once", () => {
  const { reporter, lines } = start();
  report(reporter, 12, "storm");
  report(reporter, 2, "breeze");
  lines.length = 0;
  reporter.flush();
  reporter.flush();
  assert.deepEqual(lines, ["2 more lines about storm were left out"]);
});
