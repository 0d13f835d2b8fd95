// What all threads know of a backend: limits, ejections, measures and sums; raced for by worker threads running this file.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMainThread } from "node:worker_threads";
import fc from "fast-check";
import { BackendShare, BackendState, Check, createBackendState } from "./backend-state.ts";
import { race, randomFrom, sum, takePart } from "./racers.test.ts";

const THREADS = 4;
const MOST = 7;
const ATTEMPTS = 1_000_000;
const NOW = 1_800_000_000_000;
/** The time constant of response times. */
const DECAY_MS = 10_000;

interface Shared {
  readonly backend: SharedArrayBuffer;
  /** Connections, as the threads count them themselves. */
  readonly open: SharedArrayBuffer;
}

if (isMainThread) {
  describe("the connections of a backend", () => {
    it("are as many as may be over all threads, to the connection", () => {
      const { state, shares } = backend(2);
      assert.equal(shares[0]!.tryConnect(3), true);
      assert.equal(shares[1]!.tryConnect(3), true);
      assert.equal(shares[0]!.tryConnect(3), true);
      assert.equal(shares[1]!.tryConnect(3), false);
      shares[0]!.disconnected();
      assert.equal(state.connections, 2);
      assert.equal(shares[1]!.tryConnect(3), true);
    });

    it("are none more where the limit was lowered below what is open", () => {
      const { shares } = backend(1);
      for (let i = 0; i < 3; i++) shares[0]!.tryConnect(3);
      assert.equal(shares[0]!.tryConnect(2), false);
      assert.equal(shares[0]!.tryConnect(0), false);
    });

    it("are given back with what they carry when their thread ends, and those of others are not", () => {
      const { state, shares } = backend(3);
      for (const [thread, open] of [2, 3, 4].entries()) {
        for (let i = 0; i < open; i++) shares[thread]!.tryConnect(100);
        for (let i = 1; i < open; i++) shares[thread]!.beginExchange();
        shares[thread]!.countRequest();
      }
      state.forgetThread(1);
      assert.deepEqual([state.connections, state.inFlight], [6, 4]);
      state.forgetThread(1);
      state.forgetThread(3);
      assert.deepEqual([state.connections, state.inFlight], [6, 4]);
      assert.equal(state.totals.requests, 3, "what it counted stays");
      shares[0]!.endExchange();
      state.forgetThread(0);
      state.forgetThread(2);
      assert.deepEqual([state.connections, state.inFlight], [0, 0]);
    });

    it("are what each thread has together, whoever comes, goes and dies", () => {
      const step = fc.record({
        act: fc.constantFrom("connect", "connect", "disconnect", "begin", "end", "die"),
        thread: fc.nat(2),
      });
      fc.assert(
        fc.property(fc.array(step, { maxLength: 100, size: "max" }), (steps) => {
          const { state, shares } = backend(3);
          const open = [0, 0, 0];
          const busy = [0, 0, 0];
          for (const { act, thread } of steps) {
            const share = shares[thread]!;
            if (act === "connect") {
              assert.equal(share.tryConnect(MOST), sum(open) < MOST);
              if (sum(open) < MOST) open[thread]!++;
            } else if (act === "disconnect" && open[thread]! > 0) {
              share.disconnected();
              open[thread]!--;
            } else if (act === "begin") {
              share.beginExchange();
              busy[thread]!++;
            } else if (act === "end" && busy[thread]! > 0) {
              share.endExchange();
              busy[thread]!--;
            } else if (act === "die") {
              state.forgetThread(thread);
              open[thread] = 0;
              busy[thread] = 0;
            }
            assert.deepEqual([state.connections, state.inFlight], [sum(open), sum(busy)]);
          }
        }),
      );
    });

    it("are exactly as many as may be when four threads race for them", async () => {
      const shared = sharedBackend();
      const taken = await race<number>(import.meta.url, { task: "fill", threads: THREADS, input: shared });
      const state = new BackendState(shared.backend);
      assert.equal(sum(taken), 1000);
      assert.equal(state.connections, 1000);
      for (let thread = 0; thread < THREADS; thread++) state.forgetThread(thread);
      assert.equal(state.connections, 0);
    });

    it("are never more while four threads open and close them", async () => {
      const shared = sharedBackend();
      const most = await race<number>(import.meta.url, { task: "churn", threads: THREADS, input: shared });
      assert.ok(Math.max(...most) <= MOST, `a thread saw ${Math.max(...most)} connections`);
      const state = new BackendState(shared.backend);
      assert.deepEqual([state.connections, state.inFlight], [0, 0]);
      assert.equal(state.totals.requests, THREADS * ATTEMPTS);
    });
  });

  describe("a backend", () => {
    it("is up while its checks pass and it is not ejected", () => {
      const { state } = backend(1);
      assert.equal(state.up, true);
      for (const check of [Check.failed, Check.awaited]) {
        state.check = check;
        assert.deepEqual([state.check, state.up], [check, false]);
      }
      state.check = Check.passed;
      assert.ok(state.eject(NOW, 1000, 1000));
      assert.equal(state.up, false);
      state.check = Check.failed;
      assert.ok(state.readmit());
      assert.equal(state.up, false);
      state.check = Check.passed;
      assert.equal(state.up, true);
    });

    it("starts slowly from a moment on until that is over", () => {
      const { state, shares } = backend(1);
      assert.equal(state.slowStarting, false);
      state.startSlowly(NOW);
      assert.deepEqual([shares[0]!.slowStarting, shares[0]!.slowSince], [true, NOW]);
      state.endSlowStart();
      assert.equal(shares[0]!.slowStarting, false);
    });

    it("counts exchanges in a window that all threads share", () => {
      const { state, shares } = backend(2);
      shares[0]!.window(1000).add(NOW, true);
      shares[1]!.window(1000).add(NOW, false);
      const window = state.window(1000);
      assert.deepEqual([window.all(NOW), window.some(NOW)], [2, 1]);
      assert.equal(state.connections, 0);
      assert.equal(state.ejected, false);
    });
  });

  describe("the ejection of a backend", () => {
    it("is one, whoever else ejects it, until it is let in again", () => {
      const { state, shares } = backend(2);
      assert.equal(shares[0]!.eject(NOW, 1000, 9000), true);
      assert.equal(shares[1]!.eject(NOW + 5, 1000, 9000), false);
      assert.deepEqual([state.ejected, state.ejectedUntil, state.ejections], [true, NOW + 1000, 1]);
      assert.equal(state.readmit(), true);
      assert.equal(state.readmit(), false);
      assert.deepEqual([state.ejected, state.ejections], [false, 1]);
    });

    it("lasts twice as long each time in a row, up to the longest time", () => {
      const { state } = backend(1);
      const times = Array.from({ length: 40 }, () => ejectionTime(state));
      assert.deepEqual(times.slice(0, 7), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
      assert.ok(times.slice(7).every((time) => time === 30_000));
      assert.deepEqual([state.ejectionsInARow, state.ejections], [40, 40]);
    });

    it("is as long as the first one again when those before are forgiven", () => {
      const { state } = backend(1);
      for (let i = 0; i < 4; i++) ejectionTime(state);
      state.forgiveEjections();
      assert.equal(state.ejectionsInARow, 0);
      assert.deepEqual([ejectionTime(state), ejectionTime(state)], [1000, 2000]);
      assert.equal(state.ejections, 6);
    });

    it("begins a new row of failures", () => {
      const { state } = backend(1);
      assert.deepEqual([state.addFailure(), state.addFailure()], [1, 2]);
      ejectionTime(state);
      assert.equal(state.addFailure(), 1);
      state.endFailures();
      assert.equal(state.addFailure(), 1);
    });

    it("is done by one of four threads that do it at the same moment, each time", async () => {
      const shared = sharedBackend();
      const done = await race<number>(import.meta.url, { task: "eject", threads: THREADS, input: shared });
      const state = new BackendState(shared.backend);
      assert.ok(sum(done) > 0);
      assert.equal(state.ejectionsInARow, sum(done));
    });

    it("follows a row of failures that four threads count without losing one", async () => {
      const shared = sharedBackend();
      await race(import.meta.url, { task: "fail", threads: THREADS, input: shared });
      assert.equal(new BackendState(shared.backend).addFailure(), THREADS * ATTEMPTS + 1);
    });
  });

  describe("the response time of a backend", () => {
    it("is unknown at first, and then what was measured first", () => {
      const { state } = backend(1);
      assert.equal(state.timeUs(NOW), 0);
      state.recordTime(5000, NOW);
      assert.equal(state.timeUs(NOW), 5000);
    });

    it("fades with time, so that a slow backend is tried again", () => {
      const { state } = backend(1);
      state.recordTime(5000, NOW);
      near(state.timeUs(NOW + DECAY_MS), 5000 / Math.E);
      assert.ok(state.timeUs(NOW + 20 * DECAY_MS) < 0.001);
    });

    it("weighs what was measured by the time since the last one", () => {
      const { state } = backend(1);
      state.recordTime(1000, NOW);
      state.recordTime(2000, NOW + DECAY_MS);
      near(state.timeUs(NOW + DECAY_MS), 1000 / Math.E + 2000 * (1 - 1 / Math.E));
      state.recordTime(100, NOW + 30 * DECAY_MS);
      near(state.timeUs(NOW + 30 * DECAY_MS), 100);
    });

    it("follows answers that come in the same millisecond", () => {
      const { state } = backend(1);
      state.recordTime(1000, NOW);
      state.recordTime(2000, NOW);
      near(state.timeUs(NOW), 1010);
      for (let i = 0; i < 2000; i++) state.recordTime(2000, NOW);
      near(state.timeUs(NOW), 2000);
    });

    it("stays between the least and the most that was measured, and does not mind a clock that goes back", () => {
      const measure = fc.record({
        us: fc.integer({ min: 10, max: 1e6 }),
        afterMs: fc.integer({ min: -100, max: 5000 }),
      });
      fc.assert(
        fc.property(fc.array(measure, { minLength: 1, maxLength: 50 }), (measures) => {
          const { state } = backend(1);
          let at = NOW;
          for (const { us, afterMs } of measures) {
            at += afterMs;
            state.recordTime(us, at);
          }
          const found = state.timeUs(at);
          const all = measures.map(({ us }) => us);
          assert.ok(found >= Math.min(...all) - 1e-6 && found <= Math.max(...all) + 1e-6, String(found));
        }),
      );
    });
  });

  describe("the utilisation of a backend", () => {
    it("is 0 where none was reported", () => {
      assert.equal(backend(1).state.utilisation(NOW), 0);
    });

    it("is what was reported last, and fades evenly to nothing over 30 seconds", () => {
      const { state, shares } = backend(1);
      state.report(0.2, NOW - 1);
      state.report(0.8, NOW);
      for (const [afterMs, left] of [
        [0, 0.8],
        [15_000, 0.4],
        [29_970, 0.0008],
        [30_000, 0],
        [300_000, 0],
      ] as const) {
        near(shares[0]!.utilisation(NOW + afterMs), left);
      }
      near(state.utilisation(NOW - 5000), 0.8);
    });
  });

  describe("the totals of a backend", () => {
    it("are those of all threads, by class of the status", () => {
      const { state, shares } = backend(3);
      for (const [thread, statuses] of [[200, 204, 299, 500], [301, 404, 499], [599]].entries()) {
        for (const status of statuses) {
          shares[thread]!.countRequest();
          shares[thread]!.countResponse(status);
        }
        shares[thread]!.countFailure();
      }
      shares[0]!.countRequest();
      assert.deepEqual(state.totals, { requests: 9, failures: 3, responses: [3, 1, 2, 2] });
      assert.deepEqual(shares[2]!.totals, state.totals);
    });
  });
} else {
  takePart<Shared>({
    fill: (thread, { backend }) => {
      const share = new BackendShare(backend, thread);
      let taken = 0;
      for (let i = 0; i < 1000; i++) if (share.tryConnect(1000)) taken++;
      return taken;
    },
    churn,
    eject: (_, { backend }) => {
      const state = new BackendState(backend);
      let done = 0;
      for (let i = 0; i < ATTEMPTS; i++) {
        if (!state.eject(NOW, 1000, 1000)) continue;
        done++;
        state.readmit();
      }
      return done;
    },
    fail: (_, { backend }) => {
      const state = new BackendState(backend);
      for (let i = 0; i < ATTEMPTS; i++) state.addFailure();
    },
  });
}

function backend(threads: number): { state: BackendState; shares: BackendShare[] } {
  const shared = createBackendState(threads);
  const shares = Array.from({ length: threads }, (_, thread) => new BackendShare(shared, thread));
  return { state: new BackendState(shared), shares };
}

function sharedBackend(): Shared {
  return { backend: createBackendState(THREADS), open: new SharedArrayBuffer(4) };
}

/** Ejects it for a second at first and 30 at most, lets it in again, and tells for how long it was out. */
function ejectionTime(state: BackendState): number {
  assert.ok(state.eject(NOW, 1000, 30_000));
  assert.ok(state.readmit());
  return state.ejectedUntil - NOW;
}

function near(found: number, expected: number): void {
  assert.ok(Math.abs(found - expected) <= 1e-6 * Math.max(1, expected), `${found}: expected ${expected}`);
}

/** The most connections that this thread saw while it held one. */
function churn(thread: number, shared: Shared): number {
  const share = new BackendShare(shared.backend, thread);
  const open = new Int32Array(shared.open);
  const random = randomFrom(thread);
  let most = 0;
  let held = 0;
  for (let i = 0; i < ATTEMPTS; i++) {
    share.countRequest();
    if (share.tryConnect(MOST)) {
      most = Math.max(most, Atomics.add(open, 0, 1) + 1);
      share.beginExchange();
      held++;
    }
    while (held > 0 && (i === ATTEMPTS - 1 || random() < 0.4)) {
      Atomics.sub(open, 0, 1);
      share.endExchange();
      share.disconnected();
      held--;
    }
  }
  return most;
}
