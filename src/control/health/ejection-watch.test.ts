// When an ejection ends and when it is forgiven, in made-up time. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ejection } from "../../../test/support/health.ts";
import { BackendShare, createBackendState } from "../../core/shared/backend-state.ts";
import { createUpstreamState, UpstreamState } from "../../core/shared/upstream-state.ts";
import { EjectedCount } from "./ejected-count.ts";
import { EjectionWatch } from "./ejection-watch.ts";

const START = 1_000_000;
const RULES = ejection({ timeMs: 100, maxTimeMs: 500 });

function watched() {
  const state = new BackendShare(createBackendState(1), 0);
  return { state, watch: new EjectionWatch(state, START) };
}

/** Ejects at that time, and lets in again when the time is over. Returns when that was. */
function ejectOnce({ state, watch }: ReturnType<typeof watched>, at: number): number {
  assert.ok(state.eject(at, RULES.timeMs, RULES.maxTimeMs));
  let now = at;
  while (!watch.isOver(now, RULES)) now++;
  watch.end(now);
  assert.ok(state.readmit());
  return now;
}

describe("an ejection", () => {
  it("is over when its time is", () => {
    const { state, watch } = watched();
    assert.equal(watch.isOver(START, RULES), false);
    state.eject(START, RULES.timeMs, RULES.maxTimeMs);
    assert.equal(watch.isOver(START + 99, RULES), false);
    assert.equal(watch.isOver(START + 100, RULES), true);
  });

  it("lasts twice as long each time in a row, up to the longest time", () => {
    const backend = watched();
    let now = START;
    const lengths = [];
    for (let i = 0; i < 5; i++) {
      const end = ejectOnce(backend, now);
      lengths.push(end - now);
      now = end + 1;
      backend.watch.forgive(now, RULES);
    }
    assert.deepEqual(lengths, [100, 200, 400, 500, 500]);
  });

  it("is not taken for the last one while its own end is not written", () => {
    const backend = watched();
    const end = ejectOnce(backend, START);
    // The time comes out as it was: as if the thread had set the mark only.
    backend.state.eject(end - 200, 100, 500);
    assert.equal(backend.state.ejectedUntil, end);
    assert.equal(backend.state.ejected, true);
    assert.equal(backend.watch.isOver(end + 10_000, RULES), false);
  });

  it("is over at once where nobody is ejected any more, or the longest time became shorter", () => {
    const { state, watch } = watched();
    state.eject(START, 400, 500);
    assert.equal(watch.isOver(START, RULES), false);
    assert.equal(watch.isOver(START, null), true);
    assert.equal(watch.isOver(START, ejection({ timeMs: 100, maxTimeMs: 200 })), true);
  });

  it("that began before it was watched ends too", () => {
    const state = new BackendShare(createBackendState(1), 0);
    state.eject(START, 100, 500);
    const watch = new EjectionWatch(state, START + 50);
    assert.deepEqual([watch.isOver(START + 99, RULES), watch.isOver(START + 100, RULES)], [false, true]);
  });
});

describe("ejections are forgiven", () => {
  function count(state: BackendShare, requests: number, failures: number): void {
    for (let i = 0; i < requests; i++) state.countRequest();
    for (let i = 0; i < failures; i++) state.countFailure();
  }

  const TABLE: ReadonlyArray<{ requests: number; failures: number; forgiven: boolean }> = [
    { requests: 0, failures: 0, forgiven: true },
    { requests: 100, failures: 0, forgiven: true },
    { requests: 100, failures: 10, forgiven: true },
    { requests: 100, failures: 11, forgiven: false },
    { requests: 3, failures: 1, forgiven: false },
    { requests: 3, failures: 3, forgiven: false },
  ];
  for (const { requests, failures, forgiven } of TABLE) {
    it(`${forgiven ? "" : "not "}after ${failures} failures in ${requests} exchanges`, () => {
      const backend = watched();
      count(backend.state, 50, 50);
      const end = ejectOnce(backend, ejectOnce(backend, START));
      assert.equal(backend.state.ejectionsInARow, 2);
      count(backend.state, requests, failures);
      // The last ejection lasted for 200 ms.
      backend.watch.forgive(end + 199, RULES);
      assert.equal(backend.state.ejectionsInARow, 2);
      backend.watch.forgive(end + 200, RULES);
      assert.equal(backend.state.ejectionsInARow, forgiven ? 0 : 2);
      // What was not forgiven is looked at anew.
      count(backend.state, 10, 0);
      backend.watch.forgive(end + 399, RULES);
      assert.equal(backend.state.ejectionsInARow, forgiven ? 0 : 2);
      backend.watch.forgive(end + 400, RULES);
      assert.equal(backend.state.ejectionsInARow, 0);
    });
  }

  it("not while the next one lasts", () => {
    const backend = watched();
    const end = ejectOnce(backend, START);
    backend.state.eject(end + 1, RULES.timeMs, RULES.maxTimeMs);
    backend.watch.forgive(end + 1000, RULES);
    assert.equal(backend.state.ejectionsInARow, 2);
  });
});

describe("the count of ejected backends", () => {
  const compare = (count: EjectedCount, state: UpstreamState, marked: readonly number[]) => {
    for (const backends of marked) count.compare(state, backends);
  };
  const newState = () => new UpstreamState(createUpstreamState(1, 1), 1, 1);

  it("is set right when it was off for ten looks, upwards and downwards", () => {
    for (const [counted, marked] of [
      [3, 1],
      [0, 2],
      [5, 0],
    ] as const) {
      const state = newState();
      for (let i = 0; i < counted; i++) state.tryEject(9);
      const count = new EjectedCount();
      compare(count, state, new Array(10).fill(marked));
      assert.equal(state.ejected, counted);
      compare(count, state, [marked]);
      assert.equal(state.ejected, marked);
      compare(count, state, new Array(30).fill(marked));
      assert.equal(state.ejected, marked);
    }
  });

  it("is left alone while it is off for moments", () => {
    const state = newState();
    state.tryEject(9);
    const count = new EjectedCount();
    for (let i = 0; i < 10; i++) compare(count, state, [0, 0, 0, 0, 1]);
    assert.equal(state.ejected, 1);
  });
});
