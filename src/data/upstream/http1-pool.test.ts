// The connections of a data thread to a backend: which one is used, how many there are, and when they go. Real sockets; the
// data threads are all in the thread of the test.

import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { RawBackend, type RawConnection } from "../../../test/support/raw.ts";
import type { BackendSpec, ServerSpec } from "../../config/snapshot.ts";
import { Check } from "../../core/shared/backend-state.ts";
import type { Http1Connection } from "../http1/client.ts";
import type { BackendPool } from "./pool.ts";
import { type Served, type TestThread, threadsOf, upstreamSpec } from "./setting.test.ts";
import { gone, OK, serveOk, TestUser } from "./test-user.test.ts";

interface Setting {
  readonly backend: RawBackend;
  readonly thread: TestThread;
  readonly pool: BackendPool;
  readonly served: Served;
  /** The same backend as another thread has it. */
  readonly other: Served;
}

/** A backend that answers everything, and its pools on two threads. */
async function poolOf(
  t: TestContext,
  settings: Partial<BackendSpec> = {},
  { serve = serveOk, server = {} }: { serve?: Serve; server?: Partial<ServerSpec> } = {},
): Promise<Setting> {
  const backend = await RawBackend.start(serve);
  t.after(() => backend.stop());
  const spec = upstreamSpec(2, [{ port: backend.port, ...settings }]);
  const [thread, second] = threadsOf(2);
  const served = thread!.serve(spec, server);
  const other = second!.serve(spec, server);
  return { backend, thread: thread!, pool: served.pools[0]!, served, other };
}

type Serve = (connection: RawConnection) => unknown;

/** Never answers. */
const SILENT: Serve = () => {};

/** What is counted of a backend, and of unused connections of the thread. */
function counts({ pool, thread }: Setting): { connections: number; inFlight: number; unused: number } {
  const { connections, inFlight } = pool.state;
  return { connections, inFlight, unused: thread.context.unusedBackendConnections };
}

/** Asks so many times at once; resolves with the connections, each of them unused by then. */
async function opened({ pool }: Setting, count: number): Promise<Http1Connection[]> {
  return await Promise.all(Array.from({ length: count }, () => TestUser.answered(pool)));
}

describe("a pool", { timeout: 30_000 }, () => {
  it("uses a connection again", async (t) => {
    const setting = await poolOf(t);
    const first = await TestUser.answered(setting.pool);
    assert.deepEqual(counts(setting), { connections: 1, inFlight: 0, unused: 1 });
    const second = TestUser.ask(setting.pool)!;
    assert.equal(second.connection, first);
    assert.deepEqual(counts(setting), { connections: 1, inFlight: 1, unused: 0 });
    assert.equal(await second.outcome, "answered");
    assert.equal(setting.backend.connections.length, 1);
    assert.equal(setting.thread.metrics.readTotals().counters.upstreamConnectionsOpened, 1);
  });

  it("uses the one first that was used last, and gives up the one that was not used for longest", async (t) => {
    const setting = await poolOf(t);
    // In the order in which their answers came.
    const order: Http1Connection[] = [];
    await Promise.all(
      Array.from({ length: 3 }, async () => order.push(await TestUser.answered(setting.pool))),
    );
    for (let i = 0; i < 4; i++) assert.equal(await TestUser.answered(setting.pool), order[2]);
    const [last, before] = [TestUser.ask(setting.pool)!, TestUser.ask(setting.pool)!];
    assert.deepEqual([last.connection, before.connection], [order[2], order[1]]);
    for (const user of [last, before]) assert.equal(await user.outcome, "answered");
    assert.ok(setting.pool.giveUpIdle());
    await gone(order[0]!);
    assert.deepEqual([order[1]!.usable, order[2]!.usable], [true, true]);
    assert.deepEqual(counts(setting), { connections: 2, inFlight: 0, unused: 2 });
  });

  it("opens no more than max_conn, whatever other threads have, and says so with null", async (t) => {
    const setting = await poolOf(t, { maxConnections: 2 }, { serve: SILENT });
    const [own, others] = [setting.pool, setting.other.pools[0]!];
    assert.ok(TestUser.ask(own));
    assert.deepEqual([own.hasRoom, own.mayOpen], [true, true]);
    assert.ok(TestUser.ask(others));
    assert.deepEqual([own.hasRoom, own.mayOpen, others.hasRoom], [false, false, false]);
    assert.equal(TestUser.ask(own), null);
    assert.equal(TestUser.ask(others), null);
    assert.deepEqual(counts(setting), { connections: 2, inFlight: 2, unused: 0 });
  });

  it("has room where one is unused, though max_conn are open", async (t) => {
    const setting = await poolOf(t, { maxConnections: 1 });
    await TestUser.answered(setting.pool);
    assert.deepEqual([setting.pool.hasRoom, setting.pool.mayOpen], [true, false]);
    assert.equal(setting.other.pools[0]!.hasRoom, false);
    assert.equal(await TestUser.ask(setting.pool)!.outcome, "answered");
  });

  it("may open none to a backend that is not up", async (t) => {
    const { pool } = await poolOf(t);
    pool.state.check = Check.failed;
    assert.deepEqual([pool.mayOpen, pool.hasRoom], [false, true]);
  });

  it("opens a new one where that is wanted, and takes an unused one where it cannot", async (t) => {
    const setting = await poolOf(t, { maxConnections: 2 });
    const first = await TestUser.answered(setting.pool);
    const second = TestUser.ask(setting.pool, true)!;
    assert.notEqual(second.connection, first);
    const third = TestUser.ask(setting.pool, true)!;
    assert.equal(third.connection, first);
    assert.equal(TestUser.ask(setting.pool, true), null);
    assert.deepEqual([await second.outcome, await third.outcome], ["answered", "answered"]);
  });

  it("forgets an unused one that the backend closes", async (t) => {
    const setting = await poolOf(t);
    const connection = await TestUser.answered(setting.pool);
    (await setting.backend.connection(0)).socket.end();
    await gone(connection);
    assert.deepEqual(counts(setting), { connections: 0, inFlight: 0, unused: 0 });
    assert.notEqual((await TestUser.answered(setting.pool)).socket, connection.socket);
  });

  it("takes none that is about to close, and opens another one in its place", async (t) => {
    const setting = await poolOf(t, { maxConnections: 2 });
    const connection = await TestUser.answered(setting.pool);
    connection.socket.destroy();
    const next = TestUser.ask(setting.pool)!;
    assert.notEqual(next.connection, connection);
    await gone(connection);
    assert.equal(await next.outcome, "answered");
    assert.deepEqual(counts(setting), { connections: 1, inFlight: 0, unused: 1 });
  });

  it("counts one that cannot be opened until it is gone, and no longer", async (t) => {
    const setting = await poolOf(t, { maxConnections: 1 });
    await setting.backend.stop();
    const user = TestUser.ask(setting.pool)!;
    assert.deepEqual(counts(setting), { connections: 1, inFlight: 1, unused: 0 });
    assert.equal(await user.outcome, "connect_failed");
    await gone(user.connection!);
    assert.deepEqual(counts(setting), { connections: 0, inFlight: 0, unused: 0 });
  });

  it("counts one that is given up in use until the backend has closed it", async (t) => {
    const setting = await poolOf(t, { maxConnections: 1 }, { serve: SILENT });
    const user = TestUser.ask(setting.pool)!;
    const raw = await setting.backend.connection(0);
    await raw.until("GET /");
    user.connection!.retire();
    assert.equal(await raw.untilGone(), "ended");
    assert.deepEqual(counts(setting), { connections: 1, inFlight: 1, unused: 0 });
    raw.socket.end();
    await gone(user.connection!);
    assert.deepEqual(counts(setting), { connections: 0, inFlight: 0, unused: 0 });
  });

  it("keeps so many unused ones as the thread may, over all its pools", async (t) => {
    const setting = await poolOf(t, {}, { server: { unusedBackendConnections: 2 } });
    const all = await opened(setting, 5);
    await Promise.all(all.filter(({ usable }) => !usable).map(gone));
    assert.deepEqual(counts(setting), { connections: 2, inFlight: 0, unused: 2 });
    const kept = all.filter(({ usable }) => usable);
    assert.equal(setting.pool.giveUpIdle(), true);
    await gone(kept.find(({ usable }) => !usable)!);
    await TestUser.answered(setting.pool, true);
    assert.deepEqual(counts(setting), { connections: 2, inFlight: 0, unused: 2 });
  });

  it("keeps no connection that a PROXY header has told of its client", async (t) => {
    const setting = await poolOf(t, { proxyProtocol: 1 });
    await gone(await TestUser.answered(setting.pool));
    assert.deepEqual(counts(setting), { connections: 0, inFlight: 0, unused: 0 });
  });

  it("closes what is unused when it is retired, and the rest when that is answered", async (t) => {
    const answers: RawConnection[] = [];
    const serve: Serve = (connection) => answers.push(connection);
    const setting = await poolOf(t, {}, { serve });
    const [one, other] = [TestUser.ask(setting.pool)!, TestUser.ask(setting.pool)!];
    const [first, second] = [await setting.backend.connection(0), await setting.backend.connection(1)];
    await first.until("GET /");
    first.write(OK);
    const early = await Promise.race([
      one.outcome.then(() => one.connection!),
      other.outcome.then(() => other.connection!),
    ]);
    setting.pool.retire();
    assert.equal(await first.untilGone(), "ended");
    first.socket.end();
    await gone(early);
    assert.deepEqual(counts(setting), { connections: 1, inFlight: 1, unused: 0 });
    await second.until("GET /");
    second.write(OK);
    assert.deepEqual([await one.outcome, await other.outcome], ["answered", "answered"]);
    assert.equal(await second.untilGone(), "ended");
    second.socket.end();
    await Promise.all([gone(one.connection!), gone(other.connection!)]);
    assert.deepEqual(counts(setting), { connections: 0, inFlight: 0, unused: 0 });
  });

  it("gives an answered connection to who waits, and a closed one's place too", async (t) => {
    const setting = await poolOf(t, { maxConnections: 1 });
    const asked: TestUser[] = [];
    const first = TestUser.ask(setting.pool)!;
    const waiting = ["one", "two"].map(() => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const ticket = setting.served.queue.join(
        {
          onTurn: () => {
            const user = TestUser.ask(setting.pool);
            if (user === null) return false;
            asked.push(user);
            ticket!.leave();
            resolve();
            return true;
          },
          onQueueTimeout: () => {},
        },
        10,
        60_000,
      );
      return promise;
    });
    assert.equal(await first.outcome, "answered");
    await waiting[0];
    assert.equal(asked[0]!.connection, first.connection);
    asked[0]!.connection!.socket.destroy();
    await waiting[1];
    assert.notEqual(asked[1]!.connection, first.connection);
    assert.equal(await asked[1]!.outcome, "answered");
  });

  it("gives up what a lowered limit has no room for, when that is answered", async (t) => {
    const serve: Serve = ({ socket }) => socket.on("end", () => socket.end());
    const setting = await poolOf(t, { maxConnections: 3 }, { serve });
    const asked = Array.from({ length: 3 }, () => TestUser.ask(setting.pool)!);
    const spec = { ...setting.pool.spec, maxConnections: 1 };
    setting.thread.serve({ ...setting.served.upstream.spec, backends: [spec] });
    for (const index of [0, 1, 2]) {
      const raw = await setting.backend.connection(index);
      await raw.until("GET /");
      raw.write(OK);
      const answered = await Promise.race(asked.map((user) => user.outcome.then(() => user)));
      asked.splice(asked.indexOf(answered), 1);
      // The last one stays.
      if (asked.length > 0) await gone(answered.connection!);
    }
    assert.deepEqual(counts(setting), { connections: 1, inFlight: 0, unused: 1 });
  });

  it("goes over to the limit of the next snapshot", async (t) => {
    const setting = await poolOf(t, { maxConnections: 1 }, { serve: SILENT });
    assert.ok(TestUser.ask(setting.pool));
    assert.equal(setting.pool.hasRoom, false);
    const spec = { ...setting.pool.spec, maxConnections: 2 };
    const next = setting.thread.serve({ ...setting.served.upstream.spec, backends: [spec] });
    assert.equal(next.pools[0], setting.pool, "it is the same pool");
    assert.equal(setting.pool.hasRoom, true);
    assert.ok(TestUser.ask(setting.pool));
    assert.equal(TestUser.ask(setting.pool), null);
  });
});
