import assert from "node:assert/strict";
import { it } from "node:test";
import { Waits } from "./waits.ts";
import { Workload } from "./workload.ts";

it("gives a promise up after 30 seconds, and lets the VM end then", (t) => {
  let now = 0;
  t.mock.timers.enable({ apis: ["setInterval"] });
  t.mock.method(performance, "now", () => now);
  const pass = (ms: number) => {
    now += ms;
    t.mock.timers.tick(ms);
  };
  const work = new Workload();
  const waits = new Waits(work);
  const settled: string[] = [];
  waits.add(new Promise(() => {}), "a", () => settled.push("a"));
  pass(10_000);
  waits.add(new Promise(() => {}), "b", () => settled.push("b"));
  pass(19_000);
  assert.deepEqual([settled, work.pending], [[], 2]);
  pass(2000);
  assert.deepEqual([settled, work.pending], [["a"], 1]);
  pass(10_000);
  assert.deepEqual([settled, work.pending], [["a", "b"], 0]);
});
