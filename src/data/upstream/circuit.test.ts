// The circuit breaker of an upstream, as one and as several data threads work it. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CircuitSpec } from "../../config/snapshot.ts";
import { GatewayError } from "../../core/errors.ts";
import { type Circuit, Pass } from "./circuit.ts";
import { threadsOf, upstreamSpec } from "./setting.test.ts";

const NOW = 1_800_000_000_000;
const CIRCUIT: CircuitSpec = {
  pending: null,
  failureShare: 0.5,
  windowMs: 10_000,
  minRequests: 4,
  openMs: 5000,
};

/** The circuit of an upstream on each of some threads. */
function circuitsOf(settings: Partial<CircuitSpec> = {}, threads = 1) {
  const spec = upstreamSpec(threads, [{}], { circuit: { ...CIRCUIT, ...settings } });
  return threadsOf(threads).map((thread) => {
    const { upstream, state } = thread.serve(spec);
    return { thread, state, circuit: upstream.circuit! };
  });
}

function circuitOf(settings: Partial<CircuitSpec> = {}) {
  return circuitsOf(settings)[0]!;
}

/** What an exchange that comes now is let through as, or why it is not. */
function entry(circuit: Circuit, nowMs = NOW): Pass | string {
  const found = circuit.enter(nowMs);
  if (!(found instanceof GatewayError)) return found;
  assert.deepEqual([found.code, found.status], ["circuit_open", 503]);
  return found.message;
}

/** Exchanges that come and end at once: `x` fails, `.` does not, `-` says nothing of the upstream. */
function exchanges(circuit: Circuit, outcomes: string, nowMs = NOW): void {
  for (const outcome of outcomes) {
    assert.equal(entry(circuit, nowMs), Pass.ordinary);
    circuit.leave(Pass.ordinary, outcome === "-" ? null : outcome === "x", nowMs);
  }
}

const IS_OPEN = 'the circuit of upstream "app" is open';

describe("pending exchanges", () => {
  it("are let through up to the limit, over all threads", () => {
    const [one, other] = circuitsOf({ pending: 3 }, 2);
    for (const { circuit } of [one!, other!, one!]) assert.equal(entry(circuit), Pass.ordinary);
    for (const { circuit } of [one!, other!])
      assert.equal(entry(circuit), 'upstream "app" has 3 pending exchanges');
    other!.circuit.leave(Pass.ordinary, false, NOW);
    assert.equal(entry(one!.circuit), Pass.ordinary);
    assert.equal(one!.state.pending, 3);
  });

  it("may be any number without a limit", () => {
    const { circuit, state } = circuitOf();
    for (let i = 0; i < 10_000; i++) assert.equal(entry(circuit), Pass.ordinary);
    assert.equal(state.pending, 10_000);
  });

  it("that were refused are not counted, neither as pending nor as failed", () => {
    const { circuit, state } = circuitOf({ pending: 1, minRequests: 2 });
    assert.equal(entry(circuit), Pass.ordinary);
    for (let i = 0; i < 100; i++) assert.notEqual(entry(circuit), Pass.ordinary);
    circuit.leave(Pass.ordinary, true, NOW);
    assert.deepEqual([state.pending, state.circuit], [0, "closed"]);
  });
});

describe("a closed circuit", () => {
  for (const [what, outcomes, settings, opens] of [
    ["half of the exchanges failed", "..xx", {}, true],
    ["fewer than half failed", "...xx", {}, false],
    ["all failed, but there were too few", "xxx", {}, false],
    ["the last failure was one too many", "....xx.x.x", { failureShare: 0.4 }, true],
    ["the last one was none of the failures", "xxx.", {}, false],
    ["half failed of those that say something", "--..--x-x", {}, true],
    ["all said nothing of the upstream", "----------", {}, false],
    ["all failed, where it never opens by failures", "xxxxxxxxxx", { failureShare: null }, false],
  ] as const) {
    it(`${opens ? "opens" : "stays closed"} where ${what}`, () => {
      const { circuit, state, thread } = circuitOf(settings);
      exchanges(circuit, outcomes);
      assert.equal(state.circuit, opens ? "open" : "closed");
      assert.equal(state.pending, 0);
      assert.equal(thread.metrics.readTotals().counters.circuitsOpened, opens ? 1 : 0);
    });
  }

  it("says that it opened, once", () => {
    const { circuit, thread } = circuitOf();
    for (let i = 0; i < 6; i++) assert.equal(entry(circuit), Pass.ordinary);
    for (let i = 0; i < 6; i++) circuit.leave(Pass.ordinary, true, NOW);
    const fields = { upstream: "app", failures: 4, exchanges: 4, for_ms: 5000 };
    assert.deepEqual(thread.reports, [{ type: "log", level: "warn", message: "circuit opened", fields }]);
  });

  it("forgets failures that are longer ago than the window", () => {
    const { circuit, state } = circuitOf({ windowMs: 1000 });
    exchanges(circuit, "xxx");
    exchanges(circuit, "x...", NOW + 1000);
    assert.equal(state.circuit, "closed");
  });

  it("counts the failures of all threads", () => {
    const [one, other] = circuitsOf({}, 2);
    exchanges(one!.circuit, "xx");
    exchanges(other!.circuit, "x");
    assert.equal(one!.state.circuit, "closed");
    exchanges(other!.circuit, "x");
    assert.equal(entry(one!.circuit), IS_OPEN);
  });
});

describe("an open circuit", () => {
  function opened(threads = 1, settings: Partial<CircuitSpec> = {}) {
    const all = circuitsOf(settings, threads);
    exchanges(all[0]!.circuit, "xxxx");
    return all;
  }

  it("lets nobody through, on no thread, for its time", () => {
    const all = opened(2);
    for (const afterMs of [0, 1, 4999])
      for (const { circuit } of all) assert.equal(entry(circuit, NOW + afterMs), IS_OPEN);
    assert.equal(all[0]!.state.pending, 0);
  });

  it("lets one exchange of all threads through on trial when its time is over", () => {
    const [one, other] = opened(2);
    assert.equal(entry(other!.circuit, NOW + 5000), Pass.trial);
    for (const { circuit } of [one!, other!]) assert.equal(entry(circuit, NOW + 60_000), IS_OPEN);
  });

  it("is closed when the trial goes well, and has forgotten all failures", () => {
    const [one, other] = opened(2);
    assert.equal(entry(other!.circuit, NOW + 5000), Pass.trial);
    other!.circuit.leave(Pass.trial, false, NOW + 5100);
    exchanges(one!.circuit, "xxx", NOW + 5200);
    assert.equal(one!.state.circuit, "closed");
    exchanges(one!.circuit, "x", NOW + 5200);
    assert.equal(one!.state.circuit, "open");
    const fields = { upstream: "app" };
    assert.deepEqual(other!.thread.reports, [
      { type: "log", level: "info", message: "circuit closed", fields },
    ]);
  });

  it("is open for as long again when the trial fails, and then has another one", () => {
    const { circuit, state } = opened()[0]!;
    assert.equal(entry(circuit, NOW + 6000), Pass.trial);
    circuit.leave(Pass.trial, true, NOW + 7000);
    assert.deepEqual([state.circuit, state.openUntil], ["open", NOW + 12_000]);
    assert.equal(entry(circuit, NOW + 11_999), IS_OPEN);
    assert.equal(entry(circuit, NOW + 12_000), Pass.trial);
  });

  it("has another trial at once when one says nothing of the upstream", () => {
    const [one, other] = opened(2);
    assert.equal(entry(one!.circuit, NOW + 5000), Pass.trial);
    one!.circuit.leave(Pass.trial, null, NOW + 5500);
    assert.equal(one!.state.pending, 0);
    assert.equal(entry(other!.circuit, NOW + 5500), Pass.trial);
  });

  it("is not open for longer because exchanges fail that began before", () => {
    const { circuit, state } = circuitOf();
    for (let i = 0; i < 9; i++) assert.equal(entry(circuit), Pass.ordinary);
    for (let i = 0; i < 9; i++) circuit.leave(Pass.ordinary, true, NOW + 100 * i);
    assert.deepEqual([state.circuit, state.openUntil], ["open", NOW + 300 + 5000]);
  });

  it("is not closed by exchanges that succeed which began before", () => {
    const { circuit, state } = circuitOf();
    assert.equal(entry(circuit), Pass.ordinary);
    exchanges(circuit, "xxxx");
    circuit.leave(Pass.ordinary, false, NOW + 10);
    assert.equal(state.circuit, "open");
    assert.equal(entry(circuit, NOW + 5000), Pass.trial);
  });

  it("keeps its trial where there are too many pending exchanges for it", () => {
    const { circuit, state } = circuitOf({ pending: 5 });
    for (let i = 0; i < 5; i++) assert.equal(entry(circuit), Pass.ordinary);
    for (let i = 0; i < 4; i++) circuit.leave(Pass.ordinary, true, NOW);
    for (let i = 0; i < 4; i++) state.tryPend(0, 5);
    assert.equal(entry(circuit, NOW + 5000), 'upstream "app" has 5 pending exchanges');
    assert.equal(state.circuit, "open");
    state.endPending(0);
    assert.equal(entry(circuit, NOW + 5000), Pass.trial);
  });

  it("does not wait for the trial of a thread that ended", () => {
    const [one, other] = opened(2);
    assert.equal(entry(other!.circuit, NOW + 5000), Pass.trial);
    one!.state.forgetThread(1);
    assert.equal(entry(one!.circuit, NOW + 5001), Pass.trial);
  });
});
