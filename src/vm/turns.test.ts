// The queue in front of a VM: order, how many run, and who is told what, when. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import type { LoadedApp } from "./app.ts";
import { type Turn, Turns } from "./turns.ts";

class Exchange implements Turn {
  isTold = false;
  readonly name: number;
  readonly said: string[];
  readonly onRun: (exchange: Exchange) => void;

  constructor(name: number, said: string[], onRun: (exchange: Exchange) => void = () => {}) {
    this.name = name;
    this.said = said;
    this.onRun = onRun;
  }

  onQueued(): void {
    this.said.push(`${this.name} queued`);
  }

  onStarted(): void {
    this.said.push(`${this.name} started`);
  }

  flush(): void {
    this.said.push("flush");
  }

  run(): void {
    this.said.push(`${this.name} runs`);
    this.onRun(this);
  }
}

function turnsOf(concurrency: number): Turns {
  return new Turns({} as LoadedApp, concurrency);
}

describe("turns", () => {
  it("runs as many at a time as may be, and tells the others at the end of the turn of the event loop", async () => {
    const said: string[] = [];
    const turns = turnsOf(2);
    for (let i = 1; i <= 4; i++) turns.enter(new Exchange(i, said));
    assert.deepEqual(said, ["1 runs", "2 runs"]);
    await nextTurn();
    assert.deepEqual(said.splice(0), ["1 runs", "2 runs", "3 queued", "4 queued"]);
    assert.deepEqual([turns.running, turns.queued], [2, 2]);
  });

  it("tells nothing to who is begun in the turn in which it came", async () => {
    const said: string[] = [];
    const turns = turnsOf(1);
    for (let i = 1; i <= 3; i++)
      turns.enter(new Exchange(i, said, () => queueMicrotask(() => turns.leave())));
    await nextTurn();
    assert.deepEqual(said, ["1 runs", "2 runs", "3 runs"]);
    assert.equal(turns.running, 0);
  });

  it("begins who was told only after that is out", async () => {
    const said: string[] = [];
    const turns = turnsOf(1);
    for (let i = 1; i <= 2; i++) turns.enter(new Exchange(i, said));
    await nextTurn();
    said.splice(0);
    turns.leave();
    assert.deepEqual(said, []);
    await nextTurn();
    assert.deepEqual(said, ["2 started", "flush", "2 runs"]);
  });

  it("lets nobody past who waits, although there is room", async () => {
    const said: string[] = [];
    const turns = turnsOf(1);
    for (let i = 1; i <= 2; i++) turns.enter(new Exchange(i, said));
    await nextTurn();
    turns.leave();
    turns.enter(new Exchange(3, said));
    await nextTurn();
    assert.deepEqual(
      said.filter((what) => what.endsWith("runs")),
      ["1 runs", "2 runs"],
    );
    assert.equal(said.at(-1), "2 runs");
    assert.ok(said.includes("3 queued"));
  });

  it("begins nobody who gave up", async () => {
    const said: string[] = [];
    const turns = turnsOf(1);
    const exchanges = [1, 2, 3, 4].map((name) => new Exchange(name, said));
    for (const exchange of exchanges) turns.enter(exchange);
    assert.equal(turns.giveUp(exchanges[1]!), true);
    await nextTurn();
    assert.equal(turns.giveUp(exchanges[2]!), true);
    assert.equal(turns.giveUp(exchanges[0]!), false);
    turns.leave();
    await nextTurn();
    assert.deepEqual(said, ["1 runs", "3 queued", "4 queued", "4 started", "flush", "4 runs"]);
  });

  it("lets the event loop go on where handlers that end at once take long", async () => {
    const said: string[] = [];
    const turns = turnsOf(1);
    const busy = () => {
      const until = performance.now() + 4;
      while (performance.now() < until);
      queueMicrotask(() => turns.leave());
    };
    for (let i = 1; i <= 20; i++) turns.enter(new Exchange(i, said, busy));
    await nextTurn();
    assert.ok(turns.queued > 0, "all in one turn");
    while (turns.queued > 0) await nextTurn();
    const order = said.filter((what) => what.endsWith("runs"));
    assert.deepEqual(
      order,
      Array.from({ length: 20 }, (_, i) => `${i + 1} runs`),
    );
  });

  it("keeps the order and the limit, whatever comes, ends and gives up", async () => {
    const step = fc.constantFrom("enter", "leave", "give up", "turn");
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(step, { maxLength: 60 }),
        async (most, steps) => {
          const said: string[] = [];
          const turns = turnsOf(most);
          const running = new Set<Exchange>();
          const waiting: Exchange[] = [];
          let last = 0;
          const onRun = (exchange: Exchange) => {
            running.add(exchange);
            assert.ok(running.size <= most);
            assert.equal(exchange, waiting.shift());
            assert.equal(said.includes(`${exchange.name} queued`), said.includes(`${exchange.name} started`));
          };
          for (const what of steps) {
            if (what === "turn") await nextTurn();
            else if (what === "enter") {
              const exchange = new Exchange(++last, said, onRun);
              waiting.push(exchange);
              turns.enter(exchange);
            } else if (what === "give up" && waiting.length > 0) {
              const [gone] = waiting.splice(Math.floor(waiting.length / 2), 1);
              assert.equal(turns.giveUp(gone!), true);
            } else if (what === "leave" && running.size > 0) {
              const [first] = running;
              running.delete(first!);
              turns.leave();
            }
          }
          for (let i = 0; i < 100 && (running.size > 0 || waiting.length > 0); i++) {
            for (const exchange of [...running]) {
              running.delete(exchange);
              turns.leave();
            }
            await nextTurn();
          }
          assert.deepEqual([turns.running, turns.queued], [0, 0]);
        },
      ),
      { numRuns: 200 },
    );
  });
});
