import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { describe, it, type TestContext } from "node:test";
import fc from "fast-check";
import { PendingStreams, replaceStreamTables, StreamTable } from "./stream-tables.ts";

describe("the tables of a session", () => {
  it("hold what a Map would hold", () => {
    const step = fc.tuple(fc.constantFrom("set", "delete"), fc.integer({ min: 1, max: 8 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const table = new StreamTable();
        const map = new Map<number, object>();
        for (const [what, id] of steps) {
          if (what === "delete") assert.equal(table.delete(id), map.delete(id));
          else {
            const stream = {};
            table.set(id, stream);
            map.set(id, stream);
          }
          assert.equal(table.size, map.size);
          for (let other = 0; other <= 8; other++) assert.equal(table.get(other), map.get(other));
        }
        const seen: Array<[number, object]> = [];
        table.forEach((stream, id) => {
          seen.push([id, stream]);
        });
        assert.deepEqual(new Map(seen.sort(byId)), new Map([...map].sort(byId)));
      }),
    );
  });

  it("hold a stream that waits once, and let go of any of them", () => {
    const [a, b, c] = [{}, {}, {}];
    const pending = new PendingStreams().add(a).add(b).add(b).add(c);
    assert.equal(pending.size, 3);
    assert.ok(pending.delete(a));
    assert.ok(!pending.delete(a));
    const seen = new Set<object>();
    pending.forEach((stream) => {
      seen.add(stream);
    });
    assert.deepEqual(seen, new Set([b, c]));
  });

  it("go on with the others where one leaves meanwhile", () => {
    const table = new StreamTable();
    for (const id of [1, 3, 5]) table.set(id, {});
    const seen: number[] = [];
    table.forEach((_stream, id) => {
      seen.push(id);
      table.delete(id);
    });
    assert.deepEqual([seen, table.size], [[1, 3, 5], 0]);
  });
});

describe("a session of node:http2", { timeout: 30_000 }, () => {
  it("takes them, at both ends, for as long as it has no streams", async (t) => {
    const server = await serving(t);
    const replaced: boolean[] = [];
    server.on("session", (session) => replaced.push(replaceStreamTables(session)));
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    replaced.push(replaceStreamTables(session));
    const bodies = await Promise.all([1, 2, 3].map(() => text(session.request({ ":path": "/" }))));
    assert.deepEqual(bodies, ["hello", "hello", "hello"]);
    assert.deepEqual(replaced, [true, true]);
    session.request({ ":path": "/" }).on("error", () => {});
    const other = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const waiting = other.request({ ":path": "/" });
    assert.ok(!replaceStreamTables(other));
    assert.equal(await text(waiting), "hello");
    other.destroy();
    session.destroy();
  });

  it("that ends takes its streams along", async (t) => {
    const server = await serving(t);
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    assert.ok(replaceStreamTables(session));
    await once(session, "connect");
    const streams = [1, 2, 3].map(() => session.request({ ":path": "/silent" }));
    const closed = Promise.all(streams.map((stream) => once(stream, "close")));
    session.destroy();
    await closed;
  });

  it("of another make keeps its own", () => {
    const state = { streams: new Map([[1, {}]]), pendingStreams: new Set() };
    const before = { ...state };
    assert.ok(!replaceStreamTables({ [Symbol("state")]: state }));
    assert.deepEqual(state, before);
    for (const other of [{}, { [Symbol("state")]: null }, { [Symbol("state")]: { streams: {} } }])
      assert.ok(!replaceStreamTables(other));
  });
});

function byId([a]: readonly [number, object], [b]: readonly [number, object]): number {
  return a - b;
}

async function serving(t: TestContext): Promise<Http2Server> {
  const server = createServer();
  server.on("stream", (stream, fields) => {
    stream.on("error", () => {});
    if (fields[":path"] !== "/silent") stream.end("hello");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return server;
}
