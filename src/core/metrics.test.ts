// Counting in shared memory. Runs in the test process; the exact limit is tried by worker threads running this file.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { type ErrorCode, GatewayError } from "./errors.ts";
import {
  Counter,
  type CounterName,
  createMetrics,
  type Finished,
  type ThreadMetrics,
  threadMetrics,
} from "./metrics.ts";

interface Job {
  readonly shared: SharedArrayBuffer;
  readonly index: number;
  readonly max: number;
  readonly task: "fill" | "churn";
  /** One cell in which the threads gather, so that they start at the same time. */
  readonly gate: SharedArrayBuffer;
}

const THREADS = 4;

const FINISHED: Finished = { status: 200, bytesIn: 0, bytesOut: 0, upstreamMs: -1, error: null, cut: false };

const CALLS: ReadonlyArray<
  readonly [
    title: string,
    call: (thread: ThreadMetrics) => void,
    counted: Partial<Record<CounterName, number>>,
  ]
> = [
  ["a response that was cut", finished({ cut: true }), { requests: 1, responses2xx: 1, responsesAborted: 1 }],
  ["a 101", finished({ status: 101 }), { requests: 1, responses1xx: 1 }],
  ["a 299", finished({ status: 299 }), { requests: 1, responses2xx: 1 }],
  ["a 304", finished({ status: 304 }), { requests: 1, responses3xx: 1 }],
  ["a 404", finished({ status: 404 }), { requests: 1, responses4xx: 1 }],
  ["a 599", finished({ status: 599 }), { requests: 1, responses5xx: 1 }],
  ["a request without a response", finished({ status: 0 }), { requests: 1 }],
  ["a status of no class", finished({ status: 600 }), { requests: 1 }],
  [
    "the bytes of an exchange, past 32 bits",
    finished({ bytesIn: 7, bytesOut: 2 ** 40 + 1 }),
    { requests: 1, responses2xx: 1, bytesIn: 7, bytesOut: 2 ** 40 + 1 },
  ],
];

if (isMainThread) {
  describe("metrics", () => {
    it("starts at zero", () => {
      const { connections, counters, failures, requestTimes } = createMetrics(2).readTotals();
      assert.equal(connections, 0);
      assert.deepEqual(new Set([...Object.values(counters), ...Object.values(failures)]), new Set([0]));
      assert.equal(requestTimes.count, 0);
    });

    for (const [title, call, counted] of CALLS) {
      it(`counts ${title} in every thread and sums over them`, () => {
        const metrics = createMetrics(THREADS);
        for (let index = 0; index < THREADS; index++) call(threadMetrics(metrics.shared, index));
        const { counters, failures } = metrics.readTotals();
        const sums = Object.entries(counted).map(([name, value]) => [name, value * THREADS]);
        assert.deepEqual(withoutZeros(counters), Object.fromEntries(sums));
        assert.deepEqual(withoutZeros(failures), {});
      });
    }

    it("keeps every counter apart", () => {
      const metrics = createMetrics(THREADS);
      const names = Object.keys(Counter) as CounterName[];
      const thread = threadMetrics(metrics.shared, THREADS - 1);
      for (const name of names) thread.add(Counter[name], 1 + Counter[name]);
      const totals = metrics.readTotals();
      assert.deepEqual(totals.counters, Object.fromEntries(names.map((name) => [name, 1 + Counter[name]])));
      assert.deepEqual(withoutZeros(totals.failures), {});
      assert.equal(totals.connections + totals.requestTimes.count + totals.upstreamTimes.count, 0);
    });

    it("counts failures by error code, beside the status that the client saw", () => {
      const metrics = createMetrics(2);
      const failed = (code: ErrorCode) => finished({ status: 502, error: new GatewayError(code, "") });
      failed("connect_failed")(threadMetrics(metrics.shared, 0));
      failed("connect_failed")(threadMetrics(metrics.shared, 1));
      failed("internal")(threadMetrics(metrics.shared, 1));
      const { counters, failures } = metrics.readTotals();
      assert.deepEqual(withoutZeros(failures), { connect_failed: 2, internal: 1 });
      assert.deepEqual(withoutZeros(counters), { requests: 3, responses5xx: 3 });
    });

    it("records the times of exchanges in microseconds, and a backend's only where one answered", () => {
      const metrics = createMetrics(2);
      threadMetrics(metrics.shared, 0).finished({ ...FINISHED, upstreamMs: 0.007 }, 0.01);
      threadMetrics(metrics.shared, 1).finished(FINISHED, 0.03);
      const { requestTimes, upstreamTimes } = metrics.readTotals();
      assert.deepEqual([requestTimes.count, requestTimes.sum, requestTimes.max], [2, 40, 30]);
      assert.deepEqual([upstreamTimes.count, upstreamTimes.sum], [1, 7]);
    });

    it("counts a tunnel that closed as open no more", () => {
      const metrics = createMetrics(1);
      const thread = threadMetrics(metrics.shared, 0);
      thread.add(Counter.tunnelsOpen);
      thread.add(Counter.tunnelsOpen);
      thread.add(Counter.tunnelsOpen, -1);
      assert.equal(metrics.readTotals().counters.tunnelsOpen, 1);
    });

    it("gives back the connections and tunnels of a thread that is gone, and keeps what it counted", () => {
      const metrics = createMetrics(2);
      const [gone, other] = [threadMetrics(metrics.shared, 0), threadMetrics(metrics.shared, 1)];
      for (const thread of [gone, gone, gone, other]) assert.ok(thread.tryAcquireConnection(9));
      gone.releaseConnection();
      for (const thread of [gone, other]) {
        thread.add(Counter.tunnelsOpen);
        thread.add(Counter.requests);
      }
      metrics.forgetThread(0);
      metrics.forgetThread(0);
      const { connections, counters } = metrics.readTotals();
      assert.deepEqual([connections, counters.tunnelsOpen, counters.requests], [1, 1, 2]);
    });
  });

  describe("the connection limit", () => {
    it("refuses at the limit and takes again after a release", () => {
      const metrics = createMetrics(2);
      const [a, b] = [threadMetrics(metrics.shared, 0), threadMetrics(metrics.shared, 1)];
      assert.deepEqual(
        [a, b, a].map((thread) => thread.tryAcquireConnection(2)),
        [true, true, false],
      );
      b.releaseConnection();
      assert.deepEqual(
        [a, b].map((thread) => thread.tryAcquireConnection(2)),
        [true, false],
      );
      assert.equal(metrics.readTotals().connections, 2);
    });

    it("takes none at a limit of zero, or where a limit was lowered below what is open", () => {
      const thread = threadMetrics(createMetrics(1).shared, 0);
      assert.equal(thread.tryAcquireConnection(0), false);
      for (let i = 0; i < 3; i++) thread.tryAcquireConnection(3);
      assert.equal(thread.tryAcquireConnection(1), false);
    });

    it("is filled exactly by threads that race for it", async () => {
      const max = 100_003;
      const metrics = createMetrics(THREADS);
      const acquired = await runThreads(metrics.shared, max, "fill");
      assert.equal(
        acquired.reduce((sum, count) => sum + count),
        max,
      );
      assert.equal(metrics.readTotals().connections, max);
    });

    it("is never passed by threads that take and release at the same time", async () => {
      const metrics = createMetrics(THREADS);
      const most = await runThreads(metrics.shared, 2, "churn");
      assert.ok(Math.max(...most) <= 2, `a thread saw ${Math.max(...most)} connections`);
      assert.equal(metrics.readTotals().connections, 0);
    });
  });
} else {
  const { shared, index, max, task, gate } = workerData as Job;
  const thread = threadMetrics(shared, index);
  waitForAll(new Int32Array(gate));
  parentPort?.postMessage(task === "fill" ? fill(thread, max) : churn(thread, max, shared));
}

function finished(exchange: Partial<Finished>): (thread: ThreadMetrics) => void {
  return (thread) => thread.finished({ ...FINISHED, ...exchange }, 0);
}

function withoutZeros(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, value]) => value !== 0));
}

/** Runs one task in every thread at once and gives their results. */
async function runThreads(shared: SharedArrayBuffer, max: number, task: Job["task"]): Promise<number[]> {
  const gate = new SharedArrayBuffer(4);
  const workers = Array.from({ length: THREADS }, (_, index) => {
    const job: Job = { shared, index, max, task, gate };
    return new Worker(new URL(import.meta.url), { workerData: job });
  });
  return Promise.all(workers.map(async (worker) => (await once(worker, "message"))[0] as number));
}

function waitForAll(gate: Int32Array): void {
  if (Atomics.add(gate, 0, 1) === THREADS - 1) Atomics.notify(gate, 0);
  for (let here = Atomics.load(gate, 0); here < THREADS; here = Atomics.load(gate, 0))
    Atomics.wait(gate, 0, here);
}

/** The number of connections this thread took before there were no more. */
function fill(thread: ThreadMetrics, max: number): number {
  let acquired = 0;
  while (thread.tryAcquireConnection(max)) acquired += 1;
  return acquired;
}

/** The most connections this thread saw while it held one. */
function churn(thread: ThreadMetrics, max: number, shared: SharedArrayBuffer): number {
  const connections = new Int32Array(shared, 0, 1);
  let most = 0;
  for (let i = 0; i < 200_000; i++) {
    if (!thread.tryAcquireConnection(max)) continue;
    most = Math.max(most, Atomics.load(connections, 0));
    thread.releaseConnection();
  }
  return most;
}
