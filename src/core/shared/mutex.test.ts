// The lock of shared memory, raced for by worker threads running this file.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMainThread } from "node:worker_threads";
import { exclusively } from "./mutex.ts";
import { race, sum, takePart } from "./racers.test.ts";

const THREADS = 4;
const ROUNDS = 50_000;

const LOCK = 0;
const COUNT = 1;
const INSIDE = 2;
const CELLS = 3;

if (isMainThread) {
  describe("a section that runs exclusively", () => {
    it("loses nothing of what four threads write without atomics", async () => {
      const shared = new SharedArrayBuffer(4 * CELLS);
      const met = await race<number>(import.meta.url, { task: "count", threads: THREADS, input: shared });
      const cells = new Int32Array(shared);
      assert.equal(cells[COUNT], THREADS * ROUNDS);
      assert.equal(sum(met), 0, "times that a thread met another one inside");
      assert.equal(cells[LOCK], 0, "the lock is free in the end");
    });

    it("gives what it returns, one after the other", () => {
      const cells = new Int32Array(new SharedArrayBuffer(4 * CELLS));
      assert.equal(
        exclusively(cells, LOCK, () => "first"),
        "first",
      );
      assert.equal(
        exclusively(cells, LOCK, () => cells[LOCK]),
        1,
      );
      assert.equal(cells[LOCK], 0);
    });

    it("does not hold up that of another cell", () => {
      const cells = new Int32Array(new SharedArrayBuffer(4 * CELLS));
      assert.equal(
        exclusively(cells, LOCK, () => exclusively(cells, COUNT, () => "both")),
        "both",
      );
    });

    it("waits for a holder that takes long", async () => {
      const shared = new SharedArrayBuffer(4 * CELLS);
      const found = await race<number>(import.meta.url, { task: "hold", threads: 2, input: shared });
      assert.deepEqual(found.sort(), [0, 1]);
    });
  });
} else {
  takePart<SharedArrayBuffer>({
    count: (_, shared) => {
      const cells = new Int32Array(shared);
      let met = 0;
      for (let round = 0; round < ROUNDS; round++) {
        met += exclusively(cells, LOCK, () => {
          const inside = cells[INSIDE]!;
          cells[INSIDE] = inside + 1;
          cells[COUNT] = cells[COUNT]! + 1;
          cells[INSIDE] = 0;
          return inside;
        });
      }
      return met;
    },
    /** How many were through before. */
    hold: (_, shared) => {
      const cells = new Int32Array(shared);
      return exclusively(cells, LOCK, () => {
        const before = cells[COUNT]!;
        // Nobody notifies: the one who holds the lock sleeps for many steps of those who wait.
        Atomics.wait(cells, INSIDE, 0, 50);
        cells[COUNT] = before + 1;
        return before;
      });
    },
  });
}
