// How the waits of an app are counted over data threads; raced for by worker threads running this file.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMainThread } from "node:worker_threads";
import { AppQueueShare, createAppQueue, readAppQueue } from "./app-queue.ts";
import { race, sum, takePart } from "./racers.test.ts";

const THREADS = 4;
const MOST = 7;
const ATTEMPTS = 200_000;

interface Taken {
  readonly highest: number;
  readonly held: number;
}

if (isMainThread) {
  describe("the queue of an app", () => {
    it("is told over all data threads", () => {
      const shared = createAppQueue(3);
      const shares = [0, 1, 2].map((thread) => new AppQueueShare(shared, 3, thread));
      for (const share of shares) {
        share.addQueued(1);
        share.rejected();
        share.timedOut();
      }
      shares[0]!.addQueued(-1);
      shares[1]!.rejected();
      for (let i = 0; i < 10; i++) shares[i % 3]!.waited(i);
      assert.equal(shares[2]!.tryWait(10), true);
      const { waits, ...numbers } = readAppQueue(shared, 3);
      assert.deepEqual(numbers, { queued: 2, waiting: 1, rejected: 4, timedOut: 3 });
      assert.deepEqual([waits.count, waits.max, waits.sum], [10, 9000, 45_000]);
    });

    it("forgets what a thread held that ended, and keeps what was counted", () => {
      const shared = createAppQueue(2);
      const [first, second] = [0, 1].map((thread) => new AppQueueShare(shared, 2, thread)) as [
        AppQueueShare,
        AppQueueShare,
      ];
      for (const share of [first, second]) {
        share.addQueued(1);
        share.tryWait(2);
        share.rejected();
      }
      assert.equal(first.tryWait(2), false);
      second.forget();
      assert.equal(first.tryWait(2), true);
      const { queued, waiting, rejected } = readAppQueue(shared, 2);
      assert.deepEqual({ queued, waiting, rejected }, { queued: 1, waiting: 2, rejected: 2 });
    });

    it("has never more that wait for a VM than may, whoever comes first", async () => {
      const shared = createAppQueue(THREADS);
      const results = await race<Taken>(import.meta.url, { task: "waits", threads: THREADS, input: shared });
      assert.ok(Math.max(...results.map(({ highest }) => highest)) <= MOST);
      const held = sum(results.map((result) => result.held));
      assert.equal(readAppQueue(shared, THREADS).waiting, held);
      // What the limit goes by.
      assert.equal(new Int32Array(shared)[0], held);
    });
  });
} else {
  takePart<SharedArrayBuffer>({
    waits: (thread, shared): Taken => {
      const share = new AppQueueShare(shared, THREADS, thread);
      const all = new Int32Array(shared, 0, 1);
      let held = 0;
      let highest = 0;
      for (let i = 0; i < ATTEMPTS; i++) {
        if (share.tryWait(MOST)) held++;
        highest = Math.max(highest, Atomics.load(all, 0));
        if (held > i % 3) {
          share.endWait();
          held--;
        }
      }
      return { highest, held };
    },
  });
}
