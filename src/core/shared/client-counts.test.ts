// Connections by client in shared memory: against a plain map, and by worker threads running this file that race for them.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import fc from "fast-check";
import { ClientCounts, createClientCounts } from "./client-counts.ts";

interface Job {
  readonly shared: SharedArrayBuffer;
  readonly thread: number;
  readonly task: "fill" | "churn";
  /** One cell in which the threads gather, so that they start at the same time. */
  readonly gate: SharedArrayBuffer;
  /** Connections of each client that are open now, as the threads count them themselves. */
  readonly open: SharedArrayBuffer;
}

const THREADS = 4;
const MOST = 5;
const CLIENTS = Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? `192.0.2.${i}` : `2001:db8::${i}`));
/** Clients for which the smallest table has room. */
const ROOM = 63;

if (isMainThread) {
  describe("connections of a client", () => {
    it("are counted up to the limit, over all threads", () => {
      const counts = clientCounts(2);
      assert.equal(counts.tryAcquire(0, "192.0.2.1", 2), "counted");
      assert.equal(counts.tryAcquire(1, "192.0.2.1", 2), "counted");
      assert.equal(counts.tryAcquire(0, "192.0.2.1", 2), "refused");
      assert.equal(counts.tryAcquire(0, "192.0.2.2", 2), "counted");
      assert.equal(counts.of("192.0.2.1"), 2);
      counts.release(1, "192.0.2.1");
      assert.equal(counts.of("192.0.2.1"), 1);
      assert.equal(counts.tryAcquire(1, "192.0.2.1", 2), "counted");
      assert.equal(counts.clients, 2);
    });

    it("are refused where the limit was lowered below what is open", () => {
      const counts = clientCounts(1);
      for (let i = 0; i < 3; i++) counts.tryAcquire(0, "192.0.2.1", 3);
      assert.equal(counts.tryAcquire(0, "192.0.2.1", 1), "refused");
    });

    it("are those of one address, however it is written", () => {
      const counts = clientCounts(1);
      for (const text of ["2001:db8::1", "2001:DB8:0::0:1"]) counts.tryAcquire(0, text, 9);
      for (const text of ["192.0.2.1", "::ffff:192.0.2.1"]) counts.tryAcquire(0, text, 9);
      assert.deepEqual([counts.of("2001:db8::1"), counts.of("192.0.2.1"), counts.clients], [2, 2, 2]);
    });

    it("may be of the address of zeros", () => {
      const counts = clientCounts(1);
      assert.equal(counts.tryAcquire(0, "::", 1), "counted");
      assert.equal(counts.tryAcquire(0, "::", 1), "refused");
      assert.equal(counts.of("0.0.0.0"), 0);
    });

    it("are not counted without an address, or without room", () => {
      const counts = clientCounts(1);
      assert.equal(counts.tryAcquire(0, "", 1), "uncounted");
      for (let i = 0; i < ROOM; i++) assert.equal(counts.tryAcquire(0, `192.0.2.${i}`, 2), "counted");
      assert.equal(counts.tryAcquire(0, "192.0.2.255", 2), "uncounted");
      assert.equal(counts.of("192.0.2.255"), 0);
      assert.equal(counts.tryAcquire(0, "192.0.2.7", 2), "counted");
      counts.release(0, "192.0.2.9");
      assert.equal(counts.tryAcquire(0, "192.0.2.255", 2), "counted");
    });

    it("need memory for as many clients as there are connections, but no more than there is", () => {
      assert.ok(createClientCounts(8, 100_000).byteLength >= 200_000 * 4 * (5 + 8));
      for (const threads of [1, 8, 1024]) {
        const { byteLength } = createClientCounts(threads, Number.MAX_SAFE_INTEGER);
        assert.ok(byteLength > 2 ** 26 && byteLength <= 2 ** 28 + 12, String(byteLength));
      }
    });

    it("are as a map would have them, whatever comes and goes", () => {
      const client = fc.nat(80).map((i) => `2001:db8::${i.toString(16)}`);
      const thread = fc.nat(2);
      const step = fc.oneof(
        { weight: 8, arbitrary: fc.record({ act: fc.constant("come" as const), client, thread }) },
        { weight: 6, arbitrary: fc.record({ act: fc.constant("go" as const), client, thread }) },
        { weight: 1, arbitrary: fc.record({ act: fc.constant("die" as const), client, thread }) },
      );
      fc.assert(
        fc.property(fc.array(step, { maxLength: 400, size: "max" }), (steps) => {
          const counts = clientCounts(3);
          const model = new Model(3);
          for (const { act, client, thread } of steps) {
            if (act === "come") {
              assert.equal(counts.tryAcquire(thread, client, 3), model.come(thread, client, 3));
            } else if (act === "die") {
              counts.forgetThread(thread);
              model.die(thread);
            } else if (model.held(thread, client) > 0) {
              counts.release(thread, client);
              model.go(thread, client);
            }
            assert.equal(counts.clients, model.clients);
          }
          for (let i = 0; i <= 80; i++) {
            const address = `2001:db8::${i.toString(16)}`;
            assert.equal(counts.of(address), model.of(address), address);
          }
        }),
        { numRuns: 300 },
      );
    });

    it("are exactly as many as allowed when threads race for them", async () => {
      const shared = createClientCounts(THREADS, 1000);
      const results = await runThreads(shared, "fill");
      assert.equal(sum(results), CLIENTS.length * MOST);
      const counts = new ClientCounts(shared, THREADS);
      for (const client of CLIENTS) assert.equal(counts.of(client), MOST);
      for (let thread = 0; thread < THREADS; thread++) counts.forgetThread(thread);
      assert.equal(counts.clients, 0);
    });

    it("are never more while threads take and give back", async () => {
      const shared = createClientCounts(THREADS, 1000);
      const most = await runThreads(shared, "churn");
      assert.ok(Math.max(...most) <= MOST, `a thread saw ${Math.max(...most)} connections`);
      assert.equal(new ClientCounts(shared, THREADS).clients, 0);
    });
  });
} else {
  const { shared, thread, task, gate, open } = workerData as Job;
  const counts = new ClientCounts(shared, THREADS);
  waitForAll(new Int32Array(gate));
  parentPort?.postMessage(
    task === "fill" ? fill(counts, thread) : churn(counts, thread, new Int32Array(open)),
  );
}

/** With the smallest table. */
function clientCounts(threads: number): ClientCounts {
  return new ClientCounts(createClientCounts(threads, 1), threads);
}

/** What the table should do. */
class Model {
  readonly #threads: ReadonlyArray<Map<string, number>>;

  constructor(threads: number) {
    this.#threads = Array.from({ length: threads }, () => new Map());
  }

  get clients(): number {
    return new Set(this.#threads.flatMap((held) => [...held.keys()])).size;
  }

  of(client: string): number {
    return sum(this.#threads.map((held) => held.get(client) ?? 0));
  }

  held(thread: number, client: string): number {
    return this.#threads[thread]!.get(client) ?? 0;
  }

  come(thread: number, client: string, most: number): string {
    const count = this.of(client);
    if (count >= most) return "refused";
    if (count === 0 && this.clients >= ROOM) return "uncounted";
    this.#threads[thread]!.set(client, this.held(thread, client) + 1);
    return "counted";
  }

  go(thread: number, client: string): void {
    const left = this.held(thread, client) - 1;
    if (left === 0) this.#threads[thread]!.delete(client);
    else this.#threads[thread]!.set(client, left);
  }

  die(thread: number): void {
    this.#threads[thread]!.clear();
  }
}

/** Runs one task in every thread at once and gives their results. */
async function runThreads(shared: SharedArrayBuffer, task: Job["task"]): Promise<number[]> {
  const gate = new SharedArrayBuffer(4);
  const open = new SharedArrayBuffer(4 * CLIENTS.length);
  const workers = Array.from({ length: THREADS }, (_, thread) => {
    const job: Job = { shared, thread, task, gate, open };
    return new Worker(new URL(import.meta.url), { workerData: job });
  });
  return Promise.all(workers.map(async (worker) => (await once(worker, "message"))[0] as number));
}

function waitForAll(gate: Int32Array): void {
  if (Atomics.add(gate, 0, 1) === THREADS - 1) Atomics.notify(gate, 0);
  for (let here = Atomics.load(gate, 0); here < THREADS; here = Atomics.load(gate, 0))
    Atomics.wait(gate, 0, here);
}

/** The number of connections this thread took before no client could have one more. */
function fill(counts: ClientCounts, thread: number): number {
  let taken = 0;
  for (let round = 0; round < MOST + 1; round++) {
    for (const client of CLIENTS) if (counts.tryAcquire(thread, client, MOST) === "counted") taken++;
  }
  return taken;
}

/** The most connections of one client that this thread saw while it held one. */
function churn(counts: ClientCounts, thread: number, open: Int32Array): number {
  let most = 0;
  let seed = thread + 1;
  const held: number[] = [];
  for (let i = 0; i < 20_000; i++) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    const at = (seed >> 8) % CLIENTS.length;
    if (counts.tryAcquire(thread, CLIENTS[at]!, MOST) === "counted") {
      most = Math.max(most, Atomics.add(open, at, 1) + 1);
      held.push(at);
    }
    if (held.length > 100 || i % 3 === 0) giveBack(counts, thread, open, held.shift());
  }
  for (const at of held) giveBack(counts, thread, open, at);
  return most;
}

function giveBack(counts: ClientCounts, thread: number, open: Int32Array, at: number | undefined): void {
  if (at === undefined) return;
  Atomics.sub(open, at, 1);
  counts.release(thread, CLIENTS[at]!);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
