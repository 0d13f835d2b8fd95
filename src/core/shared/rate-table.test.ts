// The rate of each key in shared memory: against GCRA on fractions, and raced for by worker threads running this file.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMainThread } from "node:worker_threads";
import fc from "fast-check";
import { race, randomFrom, sum, takePart } from "./racers.test.ts";
import { createRateTable, type Rate, RateTable, sharedClock } from "./rate-table.ts";

const THREADS = 4;
const KEYS = 20;
const BURST = 500;
/** So slow that nothing comes back while a test runs. */
const SLOW: Rate = { requests: 1, periodMs: 30 * 86_400_000, burst: BURST };
/** Days after the start of the machine. */
const START = 1e12;

interface Tables {
  readonly each: SharedArrayBuffer;
  readonly all: SharedArrayBuffer;
  /** More than one thread needs to use them up. */
  readonly attempts: number;
}

if (isMainThread) {
  describe("the rate of a key", () => {
    it("is a burst at once, then one in each interval", () => {
      const table = tableOf({ requests: 10, periodMs: 1000, burst: 3 });
      const passed = [0, 0, 0, 0, 99_999, 100_000, 100_001, 500_000, 500_000, 500_000, 500_000].map((us) =>
        take(table, "a", START + us),
      );
      assert.deepEqual(passed, [true, true, true, false, false, true, false, true, true, true, false]);
    });

    it("is one of each key by itself", () => {
      const table = tableOf({ requests: 1, periodMs: 1000, burst: 1 });
      assert.deepEqual(
        ["a", "b", "a", "b", "c"].map((key) => take(table, key, START)),
        [true, true, false, false, true],
      );
    });

    it("tells what is left and for how long", () => {
      const table = tableOf({ requests: 1, periodMs: 10_000, burst: 3 });
      const seen: number[][] = [];
      for (const us of [0, 0, 1e6, 1e6, 10e6]) {
        take(table, "a", START + us);
        seen.push([table.remaining, table.waitSeconds, table.fullSeconds]);
      }
      assert.deepEqual(seen, [
        [2, 0, 10],
        [1, 0, 20],
        [0, 9, 29],
        [0, 9, 29],
        [0, 10, 30],
      ]);
    });

    it("is not charged while it is only looked at", () => {
      const table = tableOf({ requests: 1, periodMs: 1000, burst: 1 });
      for (let i = 0; i < 3; i++) {
        table.hash.ofText(1, "a");
        table.hold(START);
        assert.equal(table.passes, true);
        table.release();
      }
      assert.equal(take(table, "a", START), true);
      assert.equal(take(table, "a", START), false);
    });

    it("forgets of too many keys the one with the shortest past", () => {
      // One set: 16 places.
      const table = tableOf({ requests: 1, periodMs: 1000, burst: 100 }, 1);
      for (let i = 0; i < 16; i++) {
        for (let times = 0; times <= (i === 5 ? 0 : i + 1); times++)
          assert.equal(charge(table, `${i}`), true);
      }
      assert.equal(charge(table, "another"), false);
      assert.equal(leftOf(table, "5"), 100, "forgotten");
      assert.equal(leftOf(table, "0"), 98);
      assert.equal(leftOf(table, "another"), 99);
    });

    it("takes places whose time has passed without forgetting anybody", () => {
      const table = tableOf({ requests: 1, periodMs: 1000, burst: 100 }, 1);
      for (let round = 0; round < 4; round++) {
        for (let i = 0; i < 16; i++) assert.equal(charge(table, `${round} ${i}`, START + round * 1e6), true);
      }
    });

    for (const rate of [
      { requests: 3, periodMs: 1000, burst: 4 },
      { requests: 700_001, periodMs: 1000, burst: 7 },
      { requests: 7, periodMs: 30 * 86_400_000, burst: 5 },
      { requests: 1_000_000, periodMs: 1000, burst: 1_000_000 },
    ]) {
      it(`is GCRA at ${rate.requests} in ${rate.periodMs} ms, burst ${rate.burst}`, () => {
        const interval = (rate.periodMs * 1000) / rate.requests;
        const pause = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 3 * interval, noNaN: true }));
        fc.assert(
          fc.property(fc.array(fc.tuple(pause, fc.nat(3)), { maxLength: 60 }), (steps) => {
            const table = tableOf(rate);
            const model = new Map<number, number>();
            let now = START;
            for (const [microseconds, key] of steps) {
              now += microseconds;
              const before = Math.max(model.get(key) ?? 0, now);
              const most = rate.burst * interval;
              // Where the clock decides by less than its own step, either is right.
              const margin = before + interval - now - most;
              const passed = take(table, `${key}`, now);
              if (Math.abs(margin) > 2e-6 * interval + 2)
                assert.equal(passed, margin <= 0, `margin ${margin}`);
              if (passed) model.set(key, before + interval);
            }
          }),
          { numRuns: 200 },
        );
      });
    }

    it("is a whole burst at once, at every rate", () => {
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 1_000_000 }),
          fc.integer({ min: 1, max: 400 }),
          (requests, burst) => {
            const table = tableOf({ requests, periodMs: 86_400_000, burst });
            let passed = 0;
            for (let i = 0; i < burst + 5; i++) if (take(table, "a", START + 0.1)) passed++;
            assert.equal(passed, burst);
          },
        ),
      );
    });

    it("goes by a clock that never goes back", () => {
      let last = 0;
      for (let i = 0; i < 10_000; i++) {
        const now = sharedClock();
        assert.ok(now >= last);
        last = now;
      }
    });

    it("is exactly kept where threads race", async () => {
      const shared = createRateTable(KEYS);
      const input: Tables = { each: shared, all: shared, attempts: BURST * KEYS };
      const passed = await race<number>(import.meta.url, { task: "take", threads: THREADS, input });
      assert.equal(sum(passed), BURST * KEYS);
    });

    it("is charged by none of two limits where the other refuses, and threads race", async () => {
      const each = createRateTable(KEYS);
      const all = createRateTable(1);
      const input: Tables = { each, all, attempts: BURST * KEYS };
      const passed = await race<number>(import.meta.url, { task: "both", threads: THREADS, input });
      // All together may have no more than one alone.
      assert.equal(sum(passed), BURST);
      const table = new RateTable(each, SLOW);
      let charged = 0;
      for (let key = 0; key < KEYS; key++) charged += BURST - leftOf(table, `${key}`, sharedClock());
      assert.equal(charged, BURST);
    });
  });
} else {
  takePart<Tables>({
    take: (thread, { each, attempts }) => {
      const table = new RateTable(each, SLOW);
      const random = randomFrom(thread);
      let passed = 0;
      for (let i = 0; i < attempts; i++) {
        if (take(table, `${Math.floor(random() * KEYS)}`, sharedClock())) passed++;
      }
      // What chance left of some keys.
      for (let i = 0; i < KEYS * BURST; i++) if (take(table, `${i % KEYS}`, sharedClock())) passed++;
      return passed;
    },
    both: (thread, { each, all, attempts }) => {
      const tables = [new RateTable(each, SLOW), new RateTable(all, SLOW)];
      const random = randomFrom(thread);
      let passed = 0;
      for (let i = 0; i < attempts; i++) {
        tables[0]!.hash.ofText(1, `${Math.floor(random() * KEYS)}`);
        tables[1]!.hash.ofText(1, "");
        for (const table of tables) table.hold(sharedClock());
        if (tables.every((table) => table.passes)) {
          passed++;
          for (const table of tables) table.charge();
        }
        for (const table of tables) table.release();
      }
      return passed;
    },
  });
}

function tableOf(rate: Rate, keys = 100): RateTable {
  return new RateTable(createRateTable(keys), rate);
}

function take(table: RateTable, key: string, now: number): boolean {
  table.hash.ofText(1, key);
  table.hold(now);
  const { passes } = table;
  if (passes) table.charge();
  table.release();
  return passes;
}

/** Returns what `charge` does. */
function charge(table: RateTable, key: string, now = START): boolean {
  table.hash.ofText(1, key);
  table.hold(now);
  const wasFree = table.charge();
  table.release();
  return wasFree;
}

function leftOf(table: RateTable, key: string, now = START): number {
  table.hash.ofText(1, key);
  table.hold(now);
  const { remaining } = table;
  table.release();
  return remaining;
}
