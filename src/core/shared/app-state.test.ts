// How many exchanges VMs have, exactly and over all data threads; raced for by worker threads running this file.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMainThread } from "node:worker_threads";
import { AppState, createAppState } from "./app-state.ts";
import { race, sum, takePart } from "./racers.test.ts";

const THREADS = 4;
const SLOTS = 3;
const MOST = 7;
const ATTEMPTS = 200_000;

interface Taken {
  readonly highest: number;
  readonly held: readonly number[];
}

if (isMainThread) {
  describe("the places of VMs", () => {
    it("are as many as may be, for each VM by itself", () => {
      const state = new AppState(createAppState(2, SLOTS), 2);
      assert.equal(state.slots, SLOTS);
      for (let i = 0; i < 3; i++) assert.equal(state.tryAcquire(1, i % 2, 3), true);
      assert.equal(state.tryAcquire(1, 0, 3), false);
      assert.equal(state.tryAcquire(2, 0, 3), true);
      state.release(1, 1);
      assert.deepEqual(
        [0, 1, 2].map((slot) => state.outstanding(slot)),
        [0, 2, 1],
      );
      assert.equal(state.tryAcquire(1, 0, 3), true);
    });

    it("are none more where fewer may be than there are", () => {
      const state = new AppState(createAppState(1, 1), 1);
      for (let i = 0; i < 3; i++) state.tryAcquire(0, 0, 3);
      assert.equal(state.tryAcquire(0, 0, 2), false);
    });

    it("come back from a thread that ended", () => {
      const state = new AppState(createAppState(2, SLOTS), 2);
      for (const slot of [0, 0, 1]) state.tryAcquire(slot, 1, 9);
      state.tryAcquire(0, 0, 9);
      state.forgetThread(1);
      assert.deepEqual(
        [0, 1, 2].map((slot) => state.outstanding(slot)),
        [1, 0, 0],
      );
    });

    it("are never more than may be, whoever comes first", async () => {
      const shared = createAppState(THREADS, SLOTS);
      const results = await race<Taken>(import.meta.url, { task: "takes", threads: THREADS, input: shared });
      assert.equal(Math.max(...results.map(({ highest }) => highest)), MOST);
      const state = new AppState(shared, THREADS);
      for (let slot = 0; slot < SLOTS; slot++)
        assert.equal(state.outstanding(slot), sum(results.map(({ held }) => held[slot]!)));
    });
  });
} else {
  takePart<SharedArrayBuffer>({
    takes: (thread, shared): Taken => {
      const state = new AppState(shared, THREADS);
      const held = new Array<number>(SLOTS).fill(0);
      let highest = 0;
      for (let i = 0; i < ATTEMPTS; i++) {
        const slot = i % SLOTS;
        if (state.tryAcquire(slot, thread, MOST)) held[slot]! += 1;
        highest = Math.max(highest, state.outstanding(slot));
        if (held[slot]! > i % 5) {
          state.release(slot, thread);
          held[slot]! -= 1;
        }
      }
      return { highest, held };
    },
  });
}
