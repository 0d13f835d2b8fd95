// The line of waiters in shared memory: against a plain array, and by worker threads running this file that join, take
// their turns and give up all at once.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMainThread } from "node:worker_threads";
import fc from "fast-check";
import { race, randomFrom, sum, takePart } from "./racers.test.ts";
import { LINE_FULL, NOBODY, WaitingLine, waitingLineCells } from "./waiting-line.ts";

const THREADS = 4;
const SIZE = 10;
const TURNS = 20_000;
/** Joins of each thread that takes turns or gives up as chance has it. */
const JOINS = 5000;

/** A waiter, by moments of a clock that all threads share: its turn is 0 where it gave up. */
interface Wait {
  readonly beforeJoin: number;
  readonly afterJoin: number;
  readonly turn: number;
}

interface Shared {
  readonly line: SharedArrayBuffer;
  readonly size: number;
  /** A clock of steps, and the turns so far. */
  readonly counts: SharedArrayBuffer;
}

const CLOCK = 0;
const TAKEN = 1;

if (isMainThread) {
  describe("a line of waiters", () => {
    it("is empty at first", () => {
      const line = lineOf(2);
      assert.deepEqual([line.waiting, line.firstThread, line.isFirst(1)], [0, NOBODY, false]);
    });

    it("has no more than its size, to the waiter", () => {
      const line = lineOf(3);
      const places = [0, 1, 0].map((thread) => line.join(thread));
      assert.equal(line.join(2), LINE_FULL);
      assert.equal(line.waiting, 3);
      line.leave(places[1]!);
      assert.notEqual(line.join(2), LINE_FULL);
      assert.equal(line.join(2), LINE_FULL);
    });

    it("has no more than are asked for, where that is less than its size", () => {
      const line = lineOf(9);
      assert.notEqual(line.join(0, 2), LINE_FULL);
      assert.notEqual(line.join(0, 2), LINE_FULL);
      assert.equal(line.join(0, 2), LINE_FULL);
      assert.notEqual(line.join(0, 3), LINE_FULL);
      assert.equal(line.join(0, 0), LINE_FULL);
    });

    it("without places is always full", () => {
      assert.equal(lineOf(0).join(0), LINE_FULL);
    });

    it("closes up where the waiters of a thread that ended stood", () => {
      const line = lineOf(SIZE);
      const places = [7, 1, 7, 7, 2, 7].map((thread) => line.join(thread));
      line.forgetThread(7);
      assert.deepEqual([line.waiting, line.firstThread], [2, 1]);
      line.leave(places[1]!);
      assert.deepEqual([line.isFirst(places[4]!), line.firstThread], [true, 2]);
      line.forgetThread(2);
      assert.deepEqual([line.waiting, line.firstThread], [0, NOBODY]);
      for (let i = 0; i < SIZE; i++) assert.notEqual(line.join(0), LINE_FULL);
      assert.equal(line.join(0), LINE_FULL);
    });

    it("is what an array would be, whoever comes, leaves and dies", () => {
      const step = fc.oneof(
        { weight: 10, arbitrary: fc.record({ act: fc.constant("join" as const), of: fc.nat(THREADS - 1) }) },
        { weight: 8, arbitrary: fc.record({ act: fc.constant("leave" as const), of: fc.nat(SIZE - 1) }) },
        { weight: 1, arbitrary: fc.record({ act: fc.constant("die" as const), of: fc.nat(THREADS - 1) }) },
      );
      fc.assert(
        fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
          const line = lineOf(SIZE);
          let model: Array<{ place: number; thread: number }> = [];
          for (const { act, of } of steps) {
            if (act === "join") {
              const place = line.join(of);
              assert.equal(place === LINE_FULL, model.length === SIZE);
              assert.ok(
                model.every((waiter) => waiter.place !== place),
                "nobody else stands there",
              );
              if (place !== LINE_FULL) model.push({ place, thread: of });
            } else if (act === "die") {
              line.forgetThread(of);
              model = model.filter(({ thread }) => thread !== of);
            } else if (of < model.length) {
              line.leave(model.splice(of, 1)[0]!.place);
            }
            assert.equal(line.waiting, model.length);
            assert.equal(line.firstThread, model[0]?.thread ?? NOBODY);
            for (const [at, { place }] of model.entries()) assert.equal(line.isFirst(place), at === 0);
          }
        }),
        { numRuns: 300 },
      );
    });

    it("has lost no place after 100 000 joins and leaves in any order", () => {
      const line = lineOf(SIZE);
      const random = randomFrom(1);
      const places: number[] = [];
      for (let joined = 0; joined < 100_000; ) {
        if (random() < 0.5) {
          const place = line.join(Math.floor(random() * THREADS));
          assert.equal(place === LINE_FULL, places.length === SIZE);
          if (place === LINE_FULL) continue;
          places.push(place);
          joined++;
        } else if (places.length > 0) {
          line.leave(places.splice(Math.floor(random() * places.length), 1)[0]!);
        }
      }
      for (const place of places) line.leave(place);
      for (let i = 0; i < SIZE; i++) places[i] = line.join(i);
      assert.equal(line.join(0), LINE_FULL);
      for (let i = 0; i < SIZE; i++) {
        assert.equal(line.firstThread, i);
        line.leave(places[i]!);
      }
    });
  });

  describe("a line that four threads stand in", () => {
    it("is never longer than its size", async () => {
      const shared = sharedLine(100);
      const joined = await race<number>(import.meta.url, { task: "fill", threads: THREADS, input: shared });
      assert.equal(sum(joined), 100);
      assert.equal(lineIn(shared).waiting, 100);
    });

    it("lets nobody past: not one turn out of order, whoever gives up in between", async () => {
      const shared = sharedLine(SIZE);
      const waits = await race<Wait[]>(import.meta.url, { task: "come", threads: THREADS, input: shared });
      const all = waits.flat();
      const served = all.filter(({ turn }) => turn > 0).sort((one, other) => one.turn - other.turn);
      assert.ok(served.length > JOINS / 10 && served.length < all.length, `${served.length} turns`);
      let latest = 0;
      for (const { beforeJoin, afterJoin, turn } of served) {
        // Somebody who came when this one stood in line already was served before it.
        assert.ok(afterJoin > latest, `turn ${turn} of who came before ${latest}`);
        latest = Math.max(latest, beforeJoin);
      }
      const line = lineIn(shared);
      assert.equal(line.waiting, 0);
      for (let i = 0; i < SIZE; i++) assert.notEqual(line.join(0), LINE_FULL);
      assert.equal(line.join(0), LINE_FULL);
    });

    it("starves nobody: whoever stands in it is next after those who stood there before", async () => {
      const shared = sharedLine(SIZE);
      const threads = await race<{ turns: number; passed: number }>(import.meta.url, {
        task: "take turns",
        threads: THREADS,
        input: shared,
      });
      assert.ok(sum(threads.map(({ turns }) => turns)) >= TURNS);
      // How often a thread comes to stand in it, the system decides.
      for (const { turns, passed } of threads) {
        assert.ok(passed < THREADS, `${passed} turns of others during one wait`);
        assert.ok(turns > 0);
      }
      assert.equal(lineIn(shared).waiting, 0);
    });
  });
} else {
  takePart<Shared>({
    fill: (thread, shared) => {
      const line = lineIn(shared);
      let joined = 0;
      for (let i = 0; i < shared.size; i++) if (line.join(thread) !== LINE_FULL) joined++;
      return joined;
    },
    come,
    "take turns": takeTurns,
  });
}

function lineOf(size: number): WaitingLine {
  return new WaitingLine(new Int32Array(waitingLineCells(size)), size);
}

function sharedLine(size: number): Shared {
  const line = new SharedArrayBuffer(4 * waitingLineCells(size));
  return { line, size, counts: new SharedArrayBuffer(8) };
}

function lineIn({ line, size }: Shared): WaitingLine {
  return new WaitingLine(new Int32Array(line), size);
}

/** Joins, gives up, and takes its turns; tells when each of its waiters came and when it had its turn. */
function come(thread: number, shared: Shared): Wait[] {
  const line = lineIn(shared);
  const counts = new Int32Array(shared.counts);
  const random = randomFrom(thread);
  const waits: Wait[] = [];
  const standing: Array<{ place: number; beforeJoin: number; afterJoin: number }> = [];
  let joined = 0;
  while (joined < JOINS || standing.length > 0) {
    const taken = Atomics.load(counts, TAKEN);
    const first = standing[0];
    if (first !== undefined && line.isFirst(first.place)) {
      waits.push({ ...standing.shift()!, turn: now(counts) });
      line.leave(first.place);
      turnTaken(counts);
    } else if (joined < JOINS && standing.length < 3) {
      const beforeJoin = now(counts);
      const place = line.join(thread);
      if (place === LINE_FULL) continue;
      standing.push({ place, beforeJoin, afterJoin: now(counts) });
      joined++;
    } else if (random() < 0.3) {
      const [gone] = standing.splice(Math.floor(random() * standing.length), 1);
      waits.push({ ...gone!, turn: 0 });
      line.leave(gone!.place);
      turnTaken(counts);
    } else Atomics.wait(counts, TAKEN, taken, 100);
  }
  return waits;
}

/** One waiter at a time. `passed` is the most turns that others took during one wait. */
function takeTurns(thread: number, shared: Shared): { turns: number; passed: number } {
  const line = lineIn(shared);
  const counts = new Int32Array(shared.counts);
  let turns = 0;
  let passed = 0;
  while (Atomics.load(counts, TAKEN) < TURNS) {
    const place = line.join(thread);
    const from = Atomics.load(counts, TAKEN);
    for (let taken = from; !line.isFirst(place); taken = Atomics.load(counts, TAKEN))
      Atomics.wait(counts, TAKEN, taken, 100);
    passed = Math.max(passed, Atomics.load(counts, TAKEN) - from);
    turns++;
    Atomics.add(counts, TAKEN, 1);
    line.leave(place);
    Atomics.notify(counts, TAKEN);
  }
  return { turns, passed };
}

function now(counts: Int32Array): number {
  return Atomics.add(counts, CLOCK, 1) + 1;
}

function turnTaken(counts: Int32Array): void {
  Atomics.add(counts, TAKEN, 1);
  Atomics.notify(counts, TAKEN);
}
