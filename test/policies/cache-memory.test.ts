// How much memory the cache takes, and slow clients of it. Runs against a gateway in a process of its own.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { get } from "../admin/setting.ts";
import type { Client } from "../http/client.ts";
import { CachePair, FRESH, isHit, response, statusOf } from "./cache-gateway.ts";

const MB = 1024 ** 2;

describe("the memory of the cache", { timeout: 60_000 }, () => {
  let gateway: CachePair;
  before(async () => {
    const route = (name: string, policies: string) =>
      `${name}: { path: /${name}, upstream: origin, policies: { ${policies} } }`;
    const routes = [
      route("big", "cache: { size: 64mb, max_object: 32mb }"),
      route("little", "cache: { size: 1mb }"),
      route("narrow", "cache: { size: 32mb, max_object: 16mb }"),
    ];
    gateway = await CachePair.start("", { routes: routes.join(", ") });
  });
  beforeEach(() => {
    gateway.origin.reset();
    gateway.origin.answer = () => response(FRESH, "hello");
  });
  after(() => gateway.stop());

  it("holds no more than its size, and what was used last", async () => {
    const before = (await gateway.counters()).bytes;
    const body = "x".repeat(2000);
    gateway.origin.answer = () => response(`${FRESH}X-Long: ${"y".repeat(500)}\r\n`, body);
    const client = await gateway.pair.connect();
    const ask = async (path: string) => {
      client.send(`GET ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
      return await client.answer();
    };
    for (let i = 0; i < 1000; i++) {
      await ask(`/little/${i}`);
      if (i % 50 === 0) await ask("/little/0");
    }
    const { bytes } = await gateway.counters();
    assert.ok(bytes - before <= MB, `${bytes - before} bytes`);
    assert.ok(bytes - before > 0.9 * MB, `${bytes - before} bytes`);
    assert.ok(isHit(await ask("/little/0")));
    assert.ok(isHit(await ask("/little/999")));
    assert.ok(!isHit(await ask("/little/1")));
    client.close();
  });

  async function residentBytes(): Promise<number> {
    const { body } = await get(gateway.adminPort, "/metrics");
    return Number(/^process_resident_memory_bytes (\d+)/m.exec(body)?.[1]);
  }

  it("sends a large response to slow clients at their pace, and holds it once", async () => {
    const size = 16 * MB;
    const before = await residentBytes();
    gateway.origin.answer = (_, connection) => {
      connection.write(`HTTP/1.1 200 OK\r\n${FRESH}Content-Length: ${size}\r\n\r\n`);
      connection.write(Buffer.alloc(size, "abcdefghij"));
      return null;
    };
    const slow: Client[] = [];
    // The first of them makes the fetch, and takes nothing: the others are served all the same.
    for (let i = 0; i < 12; i++) {
      const client = await gateway.send("/big/x");
      client.connection.socket.pause();
      slow.push(client);
    }
    const fast = await gateway.send("/big/x");
    await fast.connection.untilBytes(size);
    assert.equal(statusOf(await gateway.ask("/big/x", "Range: bytes=0-9\r\n")).slice(0, 11), "sluice; hit");
    const used = (await residentBytes()) - before;
    assert.ok(used < 100 * MB, `${used} bytes`);
    for (const { connection } of slow.slice(0, 2)) {
      connection.socket.resume();
      const bytes = await connection.untilBytes(size);
      const headLength = bytes.indexOf("\r\n\r\n") + 4;
      const body = (await connection.untilBytes(headLength + size)).subarray(headLength);
      assert.ok(body.equals(Buffer.alloc(size, "abcdefghij")));
    }
    for (const client of [...slow, fast]) client.close();
    assert.equal(gateway.origin.requests.length, 1);
  });

  it("holds back what is large for slow clients, once it has its size on the way", async () => {
    const body = Buffer.alloc(16 * MB, "x");
    gateway.origin.answer = (_, connection) => {
      connection.write(`HTTP/1.1 200 OK\r\n${FRESH}Content-Length: ${body.length}\r\n\r\n`);
      connection.write(body);
      return null;
    };
    const before = await residentBytes();
    const slow: Client[] = [];
    for (let i = 0; i < 12; i++) {
      const client = await gateway.send(`/narrow/${i}`);
      await client.connection.until("\r\n\r\n");
      client.connection.socket.pause();
      slow.push(client);
    }
    // What has no room is passed on at the pace of its client, and says that it is not kept.
    const kept = slow.filter(({ connection }) => connection.text.includes("; stored"));
    assert.ok(kept.length >= 1 && kept.length <= 4, `${kept.length} are kept`);
    const used = (await residentBytes()) - before;
    assert.ok(used < 140 * MB, `${used} bytes`);
    for (const client of slow) client.close();
  });
});
