// Unit tests of cpu.ts, on the real /proc of this process and its children.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import {
  cpuNanosBetween,
  parentOf,
  parseMachineTicks,
  processTree,
  readCpuTimes,
  stealBetween,
} from "./cpu.ts";

const SPIN = "const end = process.cpuUsage().user + 200_000; while (process.cpuUsage().user < end);";

test("CPU time of a child's worker thread counts for its parent", async () => {
  const before = readCpuTimes(process.pid);
  const source = `new (require("node:worker_threads").Worker)(${JSON.stringify(`${SPIN} console.log("spun"); setInterval(Object, 1e9);`)}, { eval: true })`;
  const child = spawn(process.execPath, ["--eval", source], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  const nanos = cpuNanosBetween(before, readCpuTimes(process.pid));
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.ok(nanos > 200e6, `${nanos} ns`);
});

test("a thread that ended during the run is an error, not a small number", () => {
  const before = new Map([["1/1", 5]]);
  assert.throws(() => cpuNanosBetween(before, new Map()), /thread 1\/1 ended/);
});

test("a thread that began during the run counts from zero", () => {
  const before = new Map([["1/1", 5]]);
  const after = new Map([
    ["1/1", 7],
    ["1/2", 10],
  ]);
  assert.equal(cpuNanosBetween(before, after), 12);
});

test("a process tree holds children of children", async () => {
  const child = spawn("sh", ["-c", "sh -c 'echo ready; read line; :'; :"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  const tree = processTree(child.pid ?? 0);
  child.stdin.end();
  await once(child, "exit");
  assert.equal(tree[0], child.pid);
  assert.equal(tree.length, 2);
});

test("a process name with spaces and parentheses does not hide its parent", () => {
  assert.equal(parentOf("42 (a) S 9 (b) S 7 42 42 0"), 7);
});

test("stolen time is the eighth number of the first line", () => {
  const before = parseMachineTicks("cpu  100 0 100 700 10 0 40 50 9 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n");
  const after = parseMachineTicks("cpu  150 0 150 790 10 0 40 60 9 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n");
  assert.deepEqual(before, { total: 1000, stolen: 50 });
  assert.equal(stealBetween(before, after), 0.05);
});
