// Looking back on the last minute: samples of given times. Runs in the test process.

import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { Counter, createMetrics, threadMetrics } from "../../core/metrics.ts";
import { ratePerSecond, type Sample, Samples } from "./samples.ts";
import type { GatewayView } from "./view.ts";

const metrics = createMetrics(1);
const view: GatewayView = {
  version: "1.2.3",
  startedAt: 0,
  lifecycle: "ready",
  snapshotVersion: 1,
  upstreams: [],
  apps: [],
  dataThreads: [],
  readTotals: () => metrics.readTotals(),
  routes: [],
  purgeCaches: async () => 0,
  healthOf: () => null,
};
/** Later than any sample that was taken itself. */
const START = 1e9;

describe("samples", () => {
  const all: Samples[] = [];
  after(() => {
    for (const samples of all) samples.stop();
  });

  function samplesAt(...seconds: number[]): { samples: Samples; now: Sample } {
    const samples = new Samples(view);
    all.push(samples);
    const some = samples.take();
    for (const second of seconds) samples.keep({ ...some, at: START + second * 1000 });
    return { samples, now: { ...some, at: START + seconds.at(-1)! * 1000 + 500 } };
  }

  it("compare with the youngest that is old enough", () => {
    const { samples, now } = samplesAt(0, 1, 2, 3, 4);
    assert.equal(samples.before(now, 1000).at, START + 3000);
    assert.equal(samples.before(now, 500).at, START + 4000);
    assert.equal(samples.before(now, 4500).at, START);
  });

  it("compare with the oldest where none is old enough", () => {
    const samples = new Samples(view);
    all.push(samples);
    const now = samples.take();
    assert.equal(samples.before(now, 60_000), samples.before(now, 1_000));
  });

  it("reach back a minute, and no further", () => {
    const { samples, now } = samplesAt(...Array.from({ length: 200 }, (_, second) => second));
    assert.equal(samples.before(now, 60_000).at, START + 139_000);
    assert.equal(samples.before(now, 1e9).at, START + 139_000);
  });

  it("keep one to compare with after a long standstill", () => {
    const { samples, now } = samplesAt(0, 500);
    assert.equal(samples.before(now, 60_000).at, START);
  });

  it("give the growth per second", () => {
    const samples = new Samples(view);
    all.push(samples);
    const before = samples.take();
    threadMetrics(metrics.shared, 0).add(Counter.requests, 30);
    const later = { ...samples.take(), at: before.at + 10_000 };
    const requestsOf = ({ totals }: Sample) => totals.counters.requests;
    assert.equal(ratePerSecond(before, later, requestsOf), 3);
    assert.equal(ratePerSecond(before, { ...later, at: before.at }, requestsOf), 0);
  });

  it("are not changed by what is counted later", () => {
    const samples = new Samples(view);
    all.push(samples);
    const { totals } = samples.take();
    const [requests, times] = [totals.counters.requests, totals.requestTimes.count];
    const thread = threadMetrics(metrics.shared, 0);
    thread.add(Counter.requests);
    thread.requestTimes.record(5);
    assert.deepEqual([totals.counters.requests, totals.requestTimes.count], [requests, times]);
  });
});
