// Unit tests of cpu.ts, on the real /proc of this process and its children.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import {
  type CpuTimes,
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

test("CPU time of a thread that has ended counts all the same", async () => {
  const source = `new (require("node:worker_threads").Worker)(${JSON.stringify(`require("node:worker_threads").parentPort.once("message", () => { ${SPIN} })`)}, { eval: true })`;
  const program = `const worker = ${source}; worker.once("online", () => console.log("online")); process.stdin.once("data", () => worker.postMessage(0)); worker.once("exit", () => { console.log("ended"); setInterval(Object, 1e9); });`;
  const child = spawn(process.execPath, ["--eval", program], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child.stdout, "data");
  const before = readCpuTimes(child.pid ?? 0);
  child.stdin.write("spin");
  await once(child.stdout, "data");
  const nanos = cpuNanosBetween(before, readCpuTimes(child.pid ?? 0));
  child.kill("SIGKILL");
  await once(child, "exit");
  // SPIN is 200 ms by a clock of its own, and ticks are 10 ms.
  assert.ok(nanos > 170e6, `${nanos} ns`);
});

test("threads are added up exactly while none has ended", () => {
  const before = times({ a: 5 }, 0);
  assert.equal(cpuNanosBetween(before, times({ a: 7, b: 10 }, 20_000_000)), 12);
});

test("what is missing from the threads by more than ticks can hide is taken from the process", () => {
  const before = times({ a: 5, gone: 1 }, 0);
  assert.equal(cpuNanosBetween(before, times({ a: 7 }, 30_000_000)), 30_000_000);
});

test("a process that began during the run counts from zero", () => {
  assert.equal(cpuNanosBetween(new Map(), times({ a: 7 }, 0)), 7);
});

test("a process that ended during the run is an error, not a small number", () => {
  assert.throws(() => cpuNanosBetween(times({ a: 5 }, 0), new Map()), /process 1 ended/);
});

function times(threads: Readonly<Record<string, number>>, total: number): CpuTimes {
  return new Map([[1, { threads: new Map(Object.entries(threads)), total }]]);
}

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
