// When a backend is checked: again and again, one check at a time, spread. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { backendSpec, healthCheck } from "../../../test/support/health.ts";
import { answering, RawBackend } from "../../../test/support/raw.ts";
import type { CheckOutcome } from "./check-attempt.ts";
import { CheckTarget } from "./check-target.ts";
import { Checker, jittered } from "./checker.ts";
import { Turns } from "./turns.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/** A checker that tells its first outcomes. */
function checker(port: number, intervalMs: number, timeoutMs: number, turns = new Turns(64)) {
  const outcomes: CheckOutcome[] = [];
  let changed = () => {};
  const target = new CheckTarget(backendSpec({ port }), healthCheck({ intervalMs, timeoutMs }));
  const made = new Checker(target, turns, (outcome) => {
    outcomes.push(outcome);
    changed();
  });
  const after = async (count: number) => {
    while (outcomes.length < count) {
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
    }
    return outcomes;
  };
  return { checker: made, outcomes, after };
}

describe("a checker", () => {
  it("varies the interval by at most a tenth", () => {
    fc.assert(
      fc.property(fc.nat(10_000_000), fc.double({ min: 0, max: 1, noNaN: true }), (intervalMs, random) => {
        const ms = jittered(intervalMs, random);
        assert.ok(ms >= intervalMs * 0.9 - 1e-6 && ms <= intervalMs * 1.1 + 1e-6, `${ms}`);
      }),
    );
    assert.deepEqual([jittered(1000, 0), jittered(1000, 0.5), jittered(1000, 1)], [900, 1000, 1100]);
  });

  it("keeps to the interval, from start to start", async (t) => {
    const backend = await RawBackend.start(answering(OK));
    t.after(() => backend.stop());
    const { checker: made, after } = checker(backend.port, 60, 5000);
    t.after(() => made.stop());
    const startedAt = performance.now();
    made.start(0);
    await after(6);
    const tookMs = performance.now() - startedAt;
    // Five intervals; timers are early by the fraction of a millisecond.
    assert.ok(tookMs >= 5 * (60 * 0.9 - 2) && tookMs < 10 * 5 * 60, `${tookMs}`);
    assert.equal(backend.connections.length, 6);
  });

  it("makes one check at a time, and the next at once where it took longer than the interval", async (t) => {
    const backend = await RawBackend.start(() => {});
    t.after(() => backend.stop());
    const { checker: made, after } = checker(backend.port, 10, 100);
    t.after(() => made.stop());
    const startedAt = performance.now();
    made.start(0);
    const outcomes = await after(3);
    const tookMs = performance.now() - startedAt;
    assert.deepEqual(new Set(outcomes.map(({ failure }) => failure)), new Set(["no answer within 100 ms"]));
    assert.ok(tookMs >= 290 && tookMs < 3000, `${tookMs}`);
    assert.ok(backend.connections.length <= 4, `${backend.connections.length}`);
  });

  it("that was stopped is silent, and leaves its turn to others", async (t) => {
    const silent = await RawBackend.start(() => {});
    const good = await RawBackend.start(answering(OK));
    t.after(() => Promise.all([silent.stop(), good.stop()]));
    const turns = new Turns(1);
    const [holder, waiter, next] = [silent, good, good].map(({ port }) => checker(port, 10, 60_000, turns));
    holder!.checker.start(0);
    const held = await silent.connection(0);
    await held.until("\r\n\r\n");
    waiter!.checker.start(0);
    next!.checker.start(0);
    // Timers of one length end in the order in which they began: both have asked for a turn then.
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert.equal(good.connections.length, 0);
    waiter!.checker.stop();
    holder!.checker.stop();
    await held.untilEnd();
    const outcomes = await next!.after(3);
    next!.checker.stop();
    assert.deepEqual(
      outcomes.map(({ failure }) => failure),
      [null, null, null],
    );
    assert.deepEqual([holder!.outcomes, waiter!.outcomes], [[], []]);
  });
});
