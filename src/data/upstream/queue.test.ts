// The line for a backend with room, as several data threads stand in it: real shared memory, wakes and connections. The
// data threads are all in the thread of the test.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RawBackend } from "../../../test/support/raw.ts";
import { Check } from "../../core/shared/backend-state.ts";
import type { Ticket, Waiter } from "./queue.ts";
import { type Served, type TestThread, threadsOf, upstreamSpec } from "./setting.test.ts";
import { serveOk, TestUser } from "./test-user.test.ts";

/** The room for all is one connection to one backend, which a waiter takes and `free` gives back. */
class Line {
  readonly threads: readonly TestThread[];
  readonly served: readonly Served[];
  /** Names of waiters in the order in which they got the room, or "<name> late". */
  readonly events: string[] = [];
  readonly #watchers = new Set<() => void>();

  constructor(threads: number, size = 10) {
    const spec = upstreamSpec(threads, [{ maxConnections: 1 }], { queue: { size, timeoutMs: 1000 } });
    this.threads = threadsOf(threads);
    this.served = this.threads.map((thread) => thread.serve(spec));
  }

  get waiting(): number {
    return this.served[0]!.queue.waiting;
  }

  /** A waiter of that thread, which takes the room when it is its turn. */
  join(thread: number, name: string, timeoutMs = 1000): Ticket | null {
    const { queue, pools, upstream } = this.served[thread]!;
    let ticket: Ticket | null = null;
    const waiter: Waiter = {
      onTurn: () => {
        if (!pools[0]!.state.tryConnect(1)) return false;
        ticket!.leave();
        this.#tell(name);
        return true;
      },
      onQueueTimeout: () => this.#tell(`${name} late`),
    };
    ticket = queue.join(waiter, upstream.spec.queue.size, timeoutMs);
    return ticket;
  }

  /** The room is taken by nobody who waits. */
  take(thread = 0): void {
    assert.ok(this.served[thread]!.pools[0]!.state.tryConnect(1));
  }

  /** That thread gives the room back, and says so or not. */
  free(thread: number, says = true): void {
    const { queue, pools } = this.served[thread]!;
    pools[0]!.state.disconnected();
    if (says) queue.advance();
  }

  async until(count: number): Promise<string[]> {
    await new Promise<void>((resolve) => {
      const look = () => {
        if (this.events.length >= count) resolve();
      };
      this.#watchers.add(look);
      look();
    });
    return this.events;
  }

  #tell(event: string): void {
    this.events.push(event);
    for (const watcher of this.#watchers) watcher();
  }
}

describe("exchanges that wait on one thread", () => {
  it("get the room in the order in which they came", () => {
    const line = new Line(1);
    line.take();
    for (const name of ["a", "b", "c"]) line.join(0, name);
    assert.deepEqual([line.events, line.waiting], [[], 3]);
    for (let i = 0; i < 3; i++) line.free(0);
    assert.deepEqual([line.events, line.waiting], [["a", "b", "c"], 0]);
    assert.equal(line.threads[0]!.metrics.readTotals().counters.queued, 3);
  });

  it("are so many at most", () => {
    const line = new Line(1, 2);
    line.take();
    const [a, b, c] = ["a", "b", "c"].map((name) => line.join(0, name));
    assert.ok(a && b);
    assert.equal(c, null);
    a.leave();
    assert.ok(line.join(0, "d"));
    assert.equal(line.threads[0]!.metrics.readTotals().counters.queued, 3);
  });

  it("keep their place when it is their turn and there is no room", () => {
    const line = new Line(1);
    line.take();
    for (const name of ["a", "b"]) line.join(0, name);
    for (let i = 0; i < 5; i++) line.served[0]!.queue.advance();
    assert.deepEqual([line.events, line.waiting], [[], 2]);
    line.free(0);
    assert.deepEqual(line.events, ["a"]);
  });

  it("leave when their time is over, and hear of it once", () => {
    const line = new Line(1);
    line.take();
    line.join(0, "a", 400);
    line.join(0, "b", 5000);
    line.threads[0]!.elapse(300);
    assert.deepEqual(line.events, []);
    line.threads[0]!.elapse(400);
    assert.deepEqual([line.events, line.waiting], [["a late"], 1]);
    line.free(0);
    line.threads[0]!.elapse(9000);
    assert.deepEqual([line.events, line.waiting], [["a late", "b"], 0]);
  });

  it("have no time that runs out when they got the room or left", () => {
    const line = new Line(1);
    line.take();
    line.join(0, "a", 300);
    line.join(0, "b", 300)!.leave();
    line.free(0);
    line.threads[0]!.elapse(2000);
    assert.deepEqual(line.events, ["a"]);
  });

  it("close up where one leaves, however often it says so", () => {
    const line = new Line(1);
    line.take();
    const [, b] = ["a", "b", "c"].map((name) => line.join(0, name));
    b!.leave();
    b!.leave();
    assert.equal(line.waiting, 2);
    for (let i = 0; i < 2; i++) line.free(0);
    assert.deepEqual(line.events, ["a", "c"]);
  });

  it("find room that nobody told of", () => {
    const line = new Line(1);
    line.take();
    line.join(0, "a", 60_000);
    line.threads[0]!.elapse(1000);
    assert.deepEqual(line.events, []);
    line.free(0, false);
    line.threads[0]!.elapse(300);
    assert.deepEqual(line.events, ["a"]);
  });

  it("may come, leave and be told of room while one has its turn", () => {
    const line = new Line(1);
    const { queue } = line.served[0]!;
    const order: string[] = [];
    const tickets = new Map<string, Ticket>();
    const join = (name: string, onTurn: () => void) => {
      const waiter: Waiter = {
        onTurn: () => {
          order.push(name);
          tickets.get(name)!.leave();
          onTurn();
          return true;
        },
        onQueueTimeout: () => {},
      };
      tickets.set(name, queue.join(waiter, 10, 1000)!);
    };
    join("a", () => {
      queue.advance();
      tickets.get("b")!.leave();
      join("d", () => {});
      order.push("a ends");
    });
    for (const name of ["b", "c"]) join(name, () => {});
    queue.advance();
    assert.deepEqual(order, ["a", "a ends", "c", "d"]);
    assert.equal(queue.waiting, 0);
  });
});

describe("exchanges that wait on several threads", () => {
  it("get the room in the order in which they came, whichever thread makes it", async () => {
    const line = new Line(3);
    line.take();
    const order = ["1 a", "0 b", "2 c", "2 d", "1 e", "0 f"];
    for (const name of order) line.join(Number(name[0]), name);
    for (let i = 0; i < order.length; i++) {
      line.free(i % 3);
      assert.deepEqual(await line.until(i + 1), order.slice(0, i + 1));
    }
  });

  it("are so many at most, all together", () => {
    const line = new Line(2, 3);
    line.take();
    const joined = [0, 1, 0, 1, 0].map((thread) => line.join(thread, "one") !== null);
    assert.deepEqual(joined, [true, true, true, false, false]);
  });

  it("are woken while the thread that made room goes on", async () => {
    const line = new Line(2);
    line.take();
    line.join(1, "a");
    line.free(0);
    assert.deepEqual(line.events, [], "nothing of another thread runs in this one");
    assert.deepEqual(await line.until(1), ["a"]);
  });

  it("are not woken for a backend that is down or full", async () => {
    const line = new Line(2);
    const [pool] = line.served[0]!.pools;
    line.take();
    line.join(1, "a", 60_000);
    pool!.state.check = Check.failed;
    line.free(0);
    line.take();
    pool!.state.check = Check.passed;
    line.served[0]!.queue.advance();
    line.free(0);
    assert.deepEqual(await line.until(1), ["a"]);
    assert.equal(pool!.state.connections, 1);
  });

  it("have their turn when those of a thread before them died with it", () => {
    const line = new Line(2);
    line.take();
    line.join(0, "dead");
    line.join(1, "a", 60_000);
    line.served[1]!.state.forgetThread(0);
    line.served[1]!.pools[0]!.state.forgetThread(0);
    line.threads[1]!.elapse(300);
    assert.deepEqual([line.events, line.waiting], [["a"], 0]);
  });

  it("take over the unused connections of others", { timeout: 30_000 }, async (t) => {
    const backend = await RawBackend.start(serveOk);
    t.after(() => backend.stop());
    const spec = upstreamSpec(2, [{ port: backend.port, maxConnections: 1 }]);
    const [one, other] = threadsOf(2).map((thread) => thread.serve(spec));
    const [pool] = other!.pools;
    await TestUser.answered(one!.pools[0]!);
    assert.deepEqual([pool!.state.connections, pool!.state.inFlight], [1, 0]);
    const user = await new Promise<TestUser>((resolve) => {
      const waiter: Waiter = {
        onTurn: () => {
          const asking = TestUser.ask(pool!);
          if (asking === null) return false;
          ticket!.leave();
          resolve(asking);
          return true;
        },
        onQueueTimeout: () => {},
      };
      const ticket = other!.queue.join(waiter, 10, 60_000);
    });
    assert.equal(await backend.connections[0]!.untilGone(), "ended");
    assert.equal(await user.outcome, "answered");
    assert.equal(backend.connections.length, 2);
    assert.equal(pool!.state.connections, 1);
  });
});
