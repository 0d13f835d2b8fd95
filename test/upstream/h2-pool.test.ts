// The pool of a backend over HTTP/2, used as an exchange uses it: places, sessions, and what a paused response is worth when
// the connection closes. Real sockets; the data threads are all in the thread of the test.

import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { BackendSpec, ServerSpec } from "../../src/config/snapshot.ts";
import type { GatewayError } from "../../src/core/errors.ts";
import type { ResponseHead } from "../../src/core/exchange.ts";
import type {
  BackendConnection,
  BackendUser,
  OutgoingHead,
} from "../../src/data/upstream/backend-connection.ts";
import type { BackendPool } from "../../src/data/upstream/pool.ts";
import {
  type Served,
  type TestThread,
  threadsOf,
  upstreamSpec,
} from "../../src/data/upstream/setting.test.ts";
import { FrameBackend, type Serve } from "../http2/frame-backend.ts";
import { settings } from "../http2/frames.ts";
import { backendSpec } from "../support/health.ts";

const HEAD: OutgoingHead = {
  method: "GET",
  upgrade: null,
  bodyLength: 0,
  textFor: () => "",
  fieldsFor: () => [":method", "GET", ":scheme", "http", ":authority", "test", ":path", "/"],
};
const TIMES = { responseMs: 10_000, idleMs: 10_000, backendKeepAliveMs: 10_000 };

class User implements BackendUser {
  connection: BackendConnection | null = null;
  body = "";
  readonly outcome = Promise.withResolvers<string>();
  readonly #pauses: boolean;

  /** Null where the pool has no place. */
  static ask(pool: BackendPool, pauses = false): User | null {
    const user = new User(pauses);
    user.connection = pool.acquire(user, 1000, false);
    if (user.connection === null) return null;
    if (user.connection.usable) user.onConnected();
    return user;
  }

  constructor(pauses: boolean) {
    this.#pauses = pauses;
  }

  preface(): Buffer | null {
    return null;
  }

  onConnected(): void {
    this.connection!.sendHead(HEAD, backendSpec({ port: 1 }), TIMES);
  }

  onResponseHead(_head: ResponseHead, body: Buffer | null, last: boolean): void {
    this.body += body?.toString() ?? "";
    if (last) this.outcome.resolve("answered");
    else if (this.#pauses) this.connection!.pause();
  }

  onResponseBody(chunk: Buffer): void {
    this.body += chunk.toString();
  }

  onResponseEnd(): void {
    this.outcome.resolve("answered");
  }

  onBackendFailed(error: GatewayError): void {
    this.outcome.resolve(error.code);
  }

  onInformational(): void {}
  onSwitch(): void {}
  onBackendDrain(): void {}
}

interface Setting {
  readonly backend: FrameBackend;
  readonly thread: TestThread;
  readonly pool: BackendPool;
  /** The same backend as another thread has it. */
  readonly other: Served;
}

const OK: Serve = (connection, stream) => connection.respond(stream);
const SILENT: Serve = () => {};

async function poolOf(
  t: TestContext,
  serve: Serve,
  spec: Partial<BackendSpec> = {},
  { first = settings(), server = {} }: { first?: Buffer; server?: Partial<ServerSpec> } = {},
): Promise<Setting> {
  const backend = await FrameBackend.start(t, serve, { settings: first });
  const upstream = upstreamSpec(2, [{ port: backend.port, protocol: "h2", ...spec }]);
  const [thread, second] = threadsOf(2);
  const served = thread!.serve(upstream, server);
  return { backend, thread: thread!, pool: served.pools[0]!, other: second!.serve(upstream, server) };
}

function counts({ pool, thread }: Setting) {
  const { connections, inFlight } = pool.state;
  return { places: connections, inFlight, unused: thread.context.unusedBackendConnections };
}

describe("a pool of HTTP/2 sessions", { timeout: 30_000 }, () => {
  it("gives places up to max_conn, whatever other threads have", async (t) => {
    const setting = await poolOf(t, SILENT, { maxConnections: 2 });
    const [own, others] = [setting.pool, setting.other.pools[0]!];
    assert.ok(User.ask(own));
    assert.deepEqual([own.hasRoom, own.mayOpen, others.hasRoom], [true, true, true]);
    assert.ok(User.ask(others));
    assert.deepEqual([own.hasRoom, own.mayOpen, others.hasRoom], [false, false, false]);
    assert.equal(User.ask(own), null);
    assert.deepEqual(counts(setting), { places: 2, inFlight: 2, unused: 0 });
  });

  it("takes a place back at the end of a response, of a failure, and of a user that leaves", async (t) => {
    const setting = await poolOf(t, (connection, stream) => {
      if (stream === 1) connection.respond(stream);
      else if (stream === 3) connection.reset(stream, 2);
    });
    assert.equal(await User.ask(setting.pool)!.outcome.promise, "answered");
    assert.deepEqual(counts(setting), { places: 0, inFlight: 0, unused: 1 });
    assert.equal(await User.ask(setting.pool)!.outcome.promise, "upstream_closed");
    assert.deepEqual(counts(setting), { places: 0, inFlight: 0, unused: 1 });
    const user = User.ask(setting.pool)!;
    assert.deepEqual(counts(setting), { places: 1, inFlight: 1, unused: 0 });
    user.connection!.retire();
    user.connection!.retire();
    assert.deepEqual(counts(setting), { places: 0, inFlight: 0, unused: 1 });
  });

  it("takes a place back of a user that leaves before there is a session", async (t) => {
    const setting = await poolOf(t, SILENT);
    const user = User.ask(setting.pool)!;
    assert.equal(user.connection!.usable, false);
    user.connection!.retire();
    assert.deepEqual(counts(setting), { places: 0, inFlight: 0, unused: 0 });
    // The session goes on to be opened, and serves the next one.
    assert.ok(User.ask(setting.pool));
    assert.deepEqual(counts(setting), { places: 1, inFlight: 1, unused: 0 });
  });

  it("keeps no more unused sessions than the thread may", async (t) => {
    const setting = await poolOf(t, OK, {}, { server: { unusedBackendConnections: 0 } });
    assert.equal(await User.ask(setting.pool)!.outcome.promise, "answered");
    await setting.backend.connections[0]!.raw.untilEnd();
  });

  it("lets a session that is unused go when it is retired, and one that is used afterwards", async (t) => {
    let answer = () => {};
    const setting = await poolOf(t, (connection, stream) => {
      if (stream === 1) connection.respond(stream);
      else answer = () => connection.respond(stream);
    });
    await User.ask(setting.pool)!.outcome.promise;
    const user = User.ask(setting.pool)!;
    const [connection] = setting.backend.connections;
    await connection!.request(1);
    setting.pool.retire();
    answer();
    assert.equal(await user.outcome.promise, "answered");
    await connection!.raw.untilEnd();
  });

  it("passes on the rest of a whole response when the connection closes, though it is paused", async (t) => {
    const body = "x".repeat(100_000);
    const setting = await poolOf(t, (connection, stream) => {
      connection.head(stream, [[":status", "200"]]);
      for (let at = 0; at < body.length; at += 10_000) connection.data(stream, body.slice(at, at + 10_000));
      connection.data(stream, "", true);
      setTimeout(() => connection.raw.socket.end(), 50);
    });
    const user = User.ask(setting.pool, true)!;
    assert.equal(await user.outcome.promise, "answered");
    assert.equal(user.body.length, body.length);
  });

  it("fails what is not whole when the connection closes, paused or not", async (t) => {
    const setting = await poolOf(t, (connection, stream) => {
      connection.head(stream, [[":status", "200"]]);
      connection.data(stream, "half");
      setTimeout(() => connection.raw.socket.end(), 50);
    });
    assert.equal(await User.ask(setting.pool, true)!.outcome.promise, "response_truncated");
  });

  it("opens as many sessions at once as the backend is known to need", async (t) => {
    const held: Array<() => void> = [];
    const setting = await poolOf(
      t,
      (connection, stream) => {
        held.push(() => connection.respond(stream));
      },
      {},
      { first: settings([3, 2]) },
    );
    const users = Array.from({ length: 5 }, () => User.ask(setting.pool)!);
    while (held.length < 5) await new Promise((resolve) => setImmediate(resolve));
    for (const answer of held.splice(0)) answer();
    for (const user of users) assert.equal(await user.outcome.promise, "answered");
    assert.equal(setting.backend.connections.length, 3);
    assert.equal(setting.thread.metrics.readTotals().counters.upstreamConnectionsOpened, 3);
  });
});
