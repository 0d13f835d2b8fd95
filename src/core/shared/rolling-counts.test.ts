// Counts of the last so many milliseconds: against a list of what was counted, and by worker threads running this file.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMainThread } from "node:worker_threads";
import fc from "fast-check";
import { race, takePart } from "./racers.test.ts";
import { ROLLING_COUNT_CELLS, RollingCounts } from "./rolling-counts.ts";

/** A time like those of `Date.now()`, on the border of a bucket of every window used here. */
const START = 1_800_000_000_000;
const THREADS = 4;
const ADDED = 100_000;

interface Shared {
  readonly cells: SharedArrayBuffer;
  readonly windowMs: number;
  /** The time goes on by this with each count. */
  readonly stepMs: number;
}

if (isMainThread) {
  describe("counts of the last so many milliseconds", () => {
    it("are none at first", () => {
      const counts = countsOf(1000);
      assert.deepEqual([counts.all(START), counts.some(START)], [0, 0]);
    });

    it("tell all from some", () => {
      const counts = countsOf(1000);
      for (let i = 0; i < 7; i++) counts.add(START, i < 3);
      assert.deepEqual([counts.all(START), counts.some(START)], [7, 3]);
      counts.addSome(START);
      assert.deepEqual([counts.all(START), counts.some(START)], [7, 4]);
    });

    const EDGES: ReadonlyArray<
      readonly [windowMs: number, countedAt: number, lastSeen: number, gone: number]
    > = [
      [1000, 0, 999, 1000],
      [1000, 99, 999, 1000],
      [1000, 100, 1099, 1100],
      [10_000, 999, 9999, 10_000],
      [10_000, 5000, 14_999, 15_000],
      [10, 0, 9, 10],
      // Shorter ones are no shorter than ten milliseconds: a bucket has one at least.
      [5, 0, 9, 10],
      [15, 0, 14, 15],
    ];
    for (const [windowMs, countedAt, lastSeen, gone] of EDGES) {
      it(`of ${windowMs} ms have what was counted at ${countedAt} until ${lastSeen}`, () => {
        const counts = countsOf(windowMs);
        counts.add(START + countedAt, true);
        for (const [at, seen] of [
          [countedAt, 1],
          [lastSeen, 1],
          [gone, 0],
          [gone + windowMs, 0],
          [gone + 7 * windowMs, 0],
        ] as const) {
          assert.deepEqual([counts.all(START + at), counts.some(START + at)], [seen, seen], `at ${at}`);
        }
      });
    }

    it("do not come back when a bucket is used again", () => {
      const counts = countsOf(1000);
      for (let i = 0; i < 5; i++) counts.add(START, true);
      counts.add(START + 1000, false);
      assert.deepEqual([counts.all(START + 1000), counts.some(START + 1000)], [1, 0]);
      counts.addSome(START + 5000);
      assert.deepEqual([counts.all(START + 5000), counts.some(START + 5000)], [0, 1]);
    });

    it("are none when they were cleared, and go on from there", () => {
      const counts = countsOf(1000);
      for (let at = 0; at < 1000; at += 50) counts.add(START + at, true);
      counts.clear();
      assert.deepEqual([counts.all(START + 999), counts.some(START + 999)], [0, 0]);
      counts.add(START + 999, false);
      assert.deepEqual([counts.all(START + 999), counts.some(START + 999)], [1, 0]);
    });

    it("do not mix with those of a window of another length in the same memory", () => {
      const cells = new Int32Array(ROLLING_COUNT_CELLS);
      new RollingCounts(cells, 1000).add(START, true);
      assert.equal(new RollingCounts(cells, 20_000).all(START), 0);
    });

    it("are the sums of what was counted in the last ten buckets", () => {
      const event = fc.record({ afterMs: fc.nat(400), isSome: fc.boolean() });
      const window = fc.constantFrom(10, 500, 1000, 10_000);
      fc.assert(
        fc.property(window, fc.array(event, { maxLength: 100, size: "max" }), (windowMs, events) => {
          const counts = countsOf(windowMs);
          const counted: Array<{ at: number; isSome: boolean }> = [];
          let at = START;
          for (const { afterMs, isSome } of events) {
            at += afterMs;
            counts.add(at, isSome);
            counted.push({ at, isSome });
            const bucketMs = windowMs / 10;
            const from = (Math.floor(at / bucketMs) - 9) * bucketMs;
            const seen = counted.filter((event) => event.at >= from);
            assert.equal(counts.all(at), seen.length);
            assert.equal(counts.some(at), seen.filter((event) => event.isSome).length);
          }
        }),
      );
    });
  });

  describe("counts that four threads add to", () => {
    it("are exact within a bucket", async () => {
      const shared = sharedCounts(10_000, 0);
      countsIn(shared).add(START, true);
      await race(import.meta.url, { task: "add", threads: THREADS, input: shared });
      const counts = countsIn(shared);
      assert.equal(counts.all(START), 1 + THREADS * ADDED);
      assert.equal(counts.some(START), 1 + (THREADS * ADDED) / 2);
    });

    it("are exact where all of them begin the same buckets", async () => {
      // In the end all ten are in the window. What was counted long before is not.
      const shared = sharedCounts(10_000, 10_000 / ADDED);
      for (let at = 0; at < 10_000; at += 10) countsIn(shared).add(START - 50_000 + at, true);
      await race(import.meta.url, { task: "add", threads: THREADS, input: shared });
      const counts = countsIn(shared);
      assert.equal(counts.all(START + 9999), THREADS * ADDED);
      assert.equal(counts.some(START + 9999), (THREADS * ADDED) / 2);
    });
  });
} else {
  takePart<Shared>({
    add: (_, shared) => {
      const counts = countsIn(shared);
      for (let i = 0; i < ADDED; i++) counts.add(START + Math.floor(i * shared.stepMs), i % 2 === 0);
    },
  });
}

function countsOf(windowMs: number): RollingCounts {
  return new RollingCounts(new Int32Array(ROLLING_COUNT_CELLS), windowMs);
}

function sharedCounts(windowMs: number, stepMs: number): Shared {
  return { cells: new SharedArrayBuffer(4 * ROLLING_COUNT_CELLS), windowMs, stepMs };
}

function countsIn({ cells, windowMs }: Shared): RollingCounts {
  return new RollingCounts(new Int32Array(cells), windowMs);
}
