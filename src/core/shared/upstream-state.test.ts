// What all threads know of an upstream: the bound on ejections, the circuit, pending exchanges; raced for by worker threads
// running this file.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMainThread } from "node:worker_threads";
import { race, sum, takePart } from "./racers.test.ts";
import { createUpstreamState, UpstreamState } from "./upstream-state.ts";

const THREADS = 4;
const QUEUE_SIZE = 3;
const MOST = 5;
const ROUNDS = 1_000_000;
const NOW = 1_800_000_000_000;

interface Shared {
  readonly upstream: SharedArrayBuffer;
  /** What the threads hold, as they count it themselves. */
  readonly held: SharedArrayBuffer;
}

if (isMainThread) {
  describe("the ejected backends of an upstream", () => {
    it("are so many at most", () => {
      const state = upstreamState();
      assert.deepEqual([state.tryEject(2), state.tryEject(2), state.tryEject(2)], [true, true, false]);
      assert.equal(state.ejected, 2);
      state.readmit();
      assert.equal(state.ejected, 1);
      assert.equal(state.tryEject(2), true);
    });

    it("are none where none may be", () => {
      assert.equal(upstreamState().tryEject(0), false);
    });

    it("are never more when four threads eject and let in", async () => {
      const shared = sharedUpstream();
      const most = await race<number>(import.meta.url, { task: "eject", threads: THREADS, input: shared });
      assert.ok(Math.max(...most) <= MOST, `a thread saw ${Math.max(...most)} ejected`);
      assert.equal(stateIn(shared).ejected, 0);
    });
  });

  describe("the pending exchanges of an upstream", () => {
    it("are so many at most, over all threads", () => {
      const state = upstreamState();
      assert.deepEqual([state.tryPend(0, 2), state.tryPend(1, 2), state.tryPend(1, 2)], [true, true, false]);
      state.endPending(0);
      assert.equal(state.pending, 1);
      assert.equal(state.tryPend(2, 2), true);
    });

    it("are never more when four threads come and go", async () => {
      const shared = sharedUpstream();
      const most = await race<number>(import.meta.url, { task: "pend", threads: THREADS, input: shared });
      assert.ok(Math.max(...most) <= MOST, `a thread saw ${Math.max(...most)} pending`);
      assert.equal(stateIn(shared).pending, 0);
    });
  });

  describe("the circuit of an upstream", () => {
    it("is closed at first, and has no trial then", () => {
      const state = upstreamState();
      assert.equal(state.circuit, "closed");
      assert.equal(state.tryTrial(0, NOW), false);
      state.endTrial(0, NOW);
      assert.equal(state.circuit, "closed");
    });

    it("is opened once, for as long as the first one said", () => {
      const state = upstreamState();
      assert.equal(state.open(NOW + 1000), true);
      assert.equal(state.open(NOW + 5000), false);
      assert.deepEqual([state.circuit, state.openUntil], ["open", NOW + 1000]);
    });

    it("has one trial when its time is over, and not before", () => {
      const state = upstreamState();
      state.open(NOW + 1000);
      assert.equal(state.tryTrial(0, NOW + 999), false);
      assert.equal(state.tryTrial(1, NOW + 1000), true);
      assert.equal(state.circuit, "trial");
      assert.equal(state.tryTrial(0, NOW + 5000), false);
      assert.equal(state.tryTrial(1, NOW + 5000), false);
      assert.equal(state.open(NOW + 9000), false);
      assert.equal(state.openUntil, NOW + 1000);
    });

    it("is closed by a trial that went well, and open for longer after another", () => {
      const state = upstreamState();
      state.open(NOW);
      assert.ok(state.tryTrial(2, NOW));
      state.endTrial(2, NOW + 7000);
      assert.deepEqual([state.circuit, state.openUntil], ["open", NOW + 7000]);
      assert.equal(state.tryTrial(0, NOW + 6999), false);
      assert.ok(state.tryTrial(0, NOW + 7000));
      state.endTrial(0, null);
      assert.equal(state.circuit, "closed");
      assert.equal(state.open(NOW + 8000), true);
    });

    it("does not take the end of an exchange of another thread for the end of the trial", () => {
      const state = upstreamState();
      state.open(NOW);
      assert.ok(state.tryTrial(2, NOW));
      state.endTrial(1, null);
      assert.equal(state.circuit, "trial");
    });

    it("has one trial at a time when four threads try", async () => {
      const shared = sharedUpstream();
      stateIn(shared).open(NOW);
      const threads = await race<{ trials: number; most: number }>(import.meta.url, {
        task: "try",
        threads: THREADS,
        input: shared,
      });
      assert.ok(sum(threads.map(({ trials }) => trials)) > 0);
      assert.equal(Math.max(...threads.map(({ most }) => most)), 1);
      assert.equal(stateIn(shared).circuit, "open");
    });

    it("counts exchanges apart from the retry budget", () => {
      const state = upstreamState();
      state.circuitWindow(1000).add(NOW, true);
      state.retries.add(NOW, false);
      state.retries.add(NOW, false);
      const window = state.circuitWindow(1000);
      assert.deepEqual([window.all(NOW), window.some(NOW)], [1, 1]);
      assert.deepEqual([state.retries.all(NOW), state.retries.some(NOW)], [2, 0]);
      assert.equal(state.retries.all(NOW + 9999), 2);
      assert.equal(state.retries.all(NOW + 10_000), 0);
    });
  });

  describe("a thread that ended", () => {
    it("gives back its pending exchanges, its trial and its places in the line, and nobody else's", () => {
      const state = upstreamState();
      for (const thread of [0, 1, 1, 3]) state.tryPend(thread, 9);
      for (const thread of [1, 0, 1]) state.line.join(thread);
      state.tryEject(9);
      state.open(NOW + 1000);
      assert.ok(state.tryTrial(1, NOW + 1000));
      state.forgetThread(1);
      assert.equal(state.pending, 2);
      assert.deepEqual([state.line.waiting, state.line.firstThread], [1, 0]);
      assert.equal(state.ejected, 1);
      assert.equal(state.circuit, "open");
      assert.ok(state.tryTrial(0, NOW + 1000), "another trial at once");
      state.forgetThread(1);
      assert.equal(state.pending, 2);
    });

    it("leaves the trial of another one alone, and an open circuit open", () => {
      const state = upstreamState();
      state.open(NOW + 1000);
      state.forgetThread(0);
      assert.deepEqual([state.circuit, state.openUntil], ["open", NOW + 1000]);
      assert.ok(state.tryTrial(2, NOW + 1000));
      state.forgetThread(0);
      assert.equal(state.circuit, "trial");
    });

    it("leaves an upstream that it did not use as it was", () => {
      const state = upstreamState();
      state.forgetThread(3);
      assert.deepEqual([state.pending, state.circuit, state.line.waiting], [0, "closed", 0]);
    });
  });

  describe("the line of an upstream", () => {
    it("has its size, whatever else is in the same memory", () => {
      const shared = createUpstreamState(THREADS, QUEUE_SIZE);
      const state = new UpstreamState(shared, THREADS, QUEUE_SIZE);
      for (let i = 0; i < QUEUE_SIZE; i++) assert.ok(state.line.join(THREADS - 1) > 0);
      assert.equal(state.line.join(0), 0);
      assert.ok(state.tryPend(THREADS - 1, 1));
      assert.equal(state.line.waiting, QUEUE_SIZE);
      assert.equal(new UpstreamState(shared, THREADS, QUEUE_SIZE).line.firstThread, THREADS - 1);
    });
  });
} else {
  takePart<Shared>({
    eject: (_, shared) => {
      const state = stateIn(shared);
      return churn(shared, { enter: () => state.tryEject(MOST), leave: () => state.readmit() });
    },
    pend: (thread, shared) => {
      const state = stateIn(shared);
      return churn(shared, {
        enter: () => state.tryPend(thread, MOST),
        leave: () => state.endPending(thread),
      });
    },
    try: (thread, shared) => {
      const state = stateIn(shared);
      let trials = 0;
      const most = churn(shared, {
        enter: () => {
          if (!state.tryTrial(thread, NOW)) return false;
          trials++;
          return true;
        },
        leave: () => state.endTrial(thread, NOW),
      });
      return { trials, most };
    },
  });
}

function upstreamState(): UpstreamState {
  return new UpstreamState(createUpstreamState(THREADS, QUEUE_SIZE), THREADS, QUEUE_SIZE);
}

function sharedUpstream(): Shared {
  return { upstream: createUpstreamState(THREADS, QUEUE_SIZE), held: new SharedArrayBuffer(4) };
}

function stateIn({ upstream }: Shared): UpstreamState {
  return new UpstreamState(upstream, THREADS, QUEUE_SIZE);
}

/** Enters and leaves, several at a time where that is allowed. Returns the most that all threads were seen to hold. */
function churn(shared: Shared, { enter, leave }: { enter: () => boolean; leave: () => void }): number {
  const held = new Int32Array(shared.held);
  let most = 0;
  let own = 0;
  for (let i = 0; i < ROUNDS; i++) {
    if (enter()) {
      most = Math.max(most, Atomics.add(held, 0, 1) + 1);
      own++;
    }
    while (own > 0 && (own > 2 || i % 3 === 0 || i === ROUNDS - 1)) {
      Atomics.sub(held, 0, 1);
      leave();
      own--;
    }
  }
  return most;
}
