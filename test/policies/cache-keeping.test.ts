// What the cache keeps, for whom, how much and how long: keys, memory, slow clients, reloads, data threads. Runs against
// gateways in processes of their own.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { get, post } from "../admin/setting.ts";
import type { Answer, Client } from "../http/client.ts";
import { valuesOf } from "../http/strict-reading.ts";
import type { RawConnection } from "../support/raw.ts";
import { CachePair, FRESH, response, statusOf } from "./cache-gateway.ts";

const MB = 1024 ** 2;

function isHit(answer: Answer): boolean {
  return statusOf(answer).startsWith("sluice; hit");
}

describe("the cache", { timeout: 60_000 }, () => {
  let gateway: CachePair;
  before(async () => {
    const route = (name: string, policies: string) =>
      `${name}: { path: /${name}, upstream: origin, policies: { ${policies} } }`;
    const routes = [
      route("ttl", "cache: { ttl: 1h, status_header: false }"),
      route("deaf", "cache: { request_directives: false }"),
      route("query", "cache: { ignore_query: [id, 'utm_*'] }"),
      route("path", "cache: { key: [] }"),
      route("bypass", "cache: { bypass_cookies: [sid, 'pre_*'], bypass_headers: [X-Preview] }"),
      route("big", "cache: { size: 64mb, max_object: 32mb }"),
      route("little", "cache: { size: 1mb }"),
      route(
        "changed",
        "cache: {}, headers: { request: { set: { X-Country: '{header:x-from}' } }, response: { set: { X-Out: '{header:x-from}' } } }",
      ),
      "fixed: { path: /fixed, respond: { body: hi, headers: { Cache-Control: max-age=60 } }, policies: { cache: {} } }",
      route("off", "cache: { enabled: false }"),
    ];
    gateway = await CachePair.start("", { routes: routes.join(", ") });
  });
  beforeEach(() => {
    gateway.origin.reset();
    gateway.origin.answer = () => response(FRESH, "hello");
  });
  after(() => gateway.stop());

  async function hits(target: string, first: string, second: string): Promise<boolean> {
    assert.ok(!isHit(await gateway.ask(target, first)));
    return isHit(await gateway.ask(target, second));
  }

  it("tells hosts, ports, schemes, paths and queries apart", async () => {
    const ask = async (target: string, host: string) => {
      const client = await gateway.pair.connect();
      client.send(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      const answer = await client.answer();
      client.close();
      return isHit(answer);
    };
    assert.equal(await ask("/k", "a.test"), false);
    for (const same of ["a.test", "A.TEST", "a.test.", "a.test:80"])
      assert.equal(await ask("/k", same), true, same);
    assert.equal(await ask("/k/./x/../z", "a.test"), false);
    assert.equal(await ask("/k/%7A", "a.test"), true);
    for (const other of ["b.test", "a.test:8080"]) assert.equal(await ask("/k", other), false, other);
    for (const other of ["/K", "/k/", "/k?", "/k?a", "/k?a&b", "/k?b&a"])
      assert.equal(await ask(other, "a.test"), false, other);
  });

  it("leaves out of the key what it is told to", async () => {
    await gateway.ask("/query/x?b=1&id=5&utm_source=a");
    for (const same of ["?id=7&b=1", "?b=1", "?utm_&b=1&id"])
      assert.ok(isHit(await gateway.ask(`/query/x${same}`)));
    for (const other of ["?b=2", "?ID=1&b=1", "?b=1&utm=1"])
      assert.ok(!isHit(await gateway.ask(`/query/x${other}`)));
    await gateway.ask("/path/x?a");
    assert.ok(isHit(await gateway.ask("/path/x?b")));
  });

  it("takes ttl where the response says nothing", async () => {
    gateway.origin.answer = () => response("", "hello");
    await gateway.ask("/ttl/x");
    const answer = await gateway.ask("/ttl/x");
    assert.equal(gateway.origin.requests.length, 1);
    assert.deepEqual([valuesOf(answer.fields, "cache-status"), valuesOf(answer.fields, "age")], [[], ["0"]]);
    for (const own of ["no-cache", "max-age=0", "no-store", "private"]) {
      gateway.origin.answer = () => response(`Cache-Control: ${own}\r\n`, "hello");
      for (let i = 0; i < 2; i++) await gateway.ask(`/ttl/${own}`);
    }
    assert.equal(gateway.origin.requests.length, 9);
    gateway.origin.answer = () => response("", "oops", 500);
    for (let i = 0; i < 2; i++) await gateway.ask("/ttl/500");
    assert.equal(gateway.origin.requests.length, 11);
  });

  it("takes no notice of what clients ask for, where it is told so", async () => {
    assert.ok(
      await hits("/deaf/x", "Cache-Control: no-store\r\n", "Cache-Control: no-cache\r\nPragma: no-cache\r\n"),
    );
  });

  it("is passed by with certain cookies and fields", async () => {
    await gateway.ask("/bypass/x");
    for (const fields of [
      "Cookie: a=b; sid=1\r\n",
      "Cookie: a=b\r\nCookie: pre_x=1\r\n",
      "x-preview: 1\r\n",
      "Cookie: sid\r\n",
    ]) {
      assert.equal(statusOf(await gateway.ask("/bypass/x", fields)), "sluice; fwd=bypass", fields);
    }
    for (const fields of ["Cookie: a=sid; xsid=1; SID=1\r\n", "X-Previewed: 1\r\n"])
      assert.ok(isHit(await gateway.ask("/bypass/x", fields)), fields);
  });

  it("is not there where it is turned off", async () => {
    for (let i = 0; i < 2; i++) assert.equal(statusOf(await gateway.ask("/off")), "");
    assert.equal(gateway.origin.requests.length, 2);
  });

  it("keeps what the gateway itself answers, too", async () => {
    assert.ok(await hits("/fixed", "", ""));
  });

  it("keeps nothing that varies by a field which is only made behind it", async () => {
    gateway.origin.answer = ({ fields }) =>
      response(`${FRESH}Vary: X-Country\r\n`, valuesOf(fields, "x-country").join());
    assert.equal((await gateway.ask("/changed/x", "X-From: de\r\n")).body, "de");
    assert.equal((await gateway.ask("/changed/x", "X-From: fr\r\n")).body, "fr");
  });

  it("answers anew through the policies in front of it", async () => {
    await gateway.ask("/changed/y", "X-From: de\r\n");
    const answer = await gateway.ask("/changed/y", "X-From: fr\r\n");
    assert.ok(isHit(answer));
    assert.deepEqual(valuesOf(answer.fields, "x-out"), ["fr"]);
  });

  it("knows what Location and Content-Location of a change name", async () => {
    for (const path of ["/list", "/list?a", "/one"]) await gateway.ask(path);
    const fields = "Location: /one\r\nContent-Location: http://a.test/list?a\r\n";
    gateway.origin.answer = () => response(fields, "", 201);
    await gateway.ask("/list", "", "POST");
    gateway.origin.answer = () => response(FRESH, "anew");
    for (const path of ["/list", "/list?a", "/one"])
      assert.equal((await gateway.ask(path)).body, "anew", path);
    gateway.origin.answer = () => response("Location: http://b.test/one\r\n", "", 201);
    await gateway.ask("/other", "", "POST");
    assert.ok(isHit(await gateway.ask("/one")));
  });

  it("keeps nothing that was fetched before a change, and came behind it", async () => {
    const connections: RawConnection[] = [];
    gateway.origin.answer = (_, connection) => {
      connections.push(connection);
      return null;
    };
    const reading = await gateway.send("/race");
    while (connections.length < 1) await new Promise((resolve) => setImmediate(resolve));
    gateway.origin.answer = () => response("", "", 200);
    await gateway.ask("/race", "", "PUT");
    connections[0]!.write(response(FRESH, "before"));
    assert.equal((await reading.answer()).body, "before");
    gateway.origin.answer = () => response(FRESH, "behind");
    assert.equal((await gateway.ask("/race")).body, "behind");
  });

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

  it("lives on over a reload, unless its route changes", async () => {
    const one = await CachePair.start("");
    const config = (more: string, size = "64mb") => `
admin: { port: 0, open: true }
backends: { origin: [{ host: 127.0.0.1, port: ${one.origin.port} }] }
routing:
  stays: { path: /stays, upstream: origin }
  changes: { path: /changes, upstream: origin${more} }
policies: { cache: { size: ${size} } }
`;
    try {
      await one.pair.gateway.adopt(config(""));
      one.origin.answer = () => response(FRESH, "hello");
      for (const path of ["/stays", "/changes"]) await one.ask(path);
      await one.pair.gateway.adopt(config(", strip_prefix: true", "32mb"));
      assert.ok(isHit(await one.ask("/stays")));
      assert.ok(!isHit(await one.ask("/changes")));
      await one.pair.gateway.adopt(config(", strip_prefix: true", "600b"));
      assert.ok(!isHit(await one.ask("/stays")));
    } finally {
      await one.stop();
    }
  });

  it("is purged by route, host, path and prefix", async () => {
    const purge = async (what: object) => {
      const { status, body } = await post(gateway.adminPort, "/api/v1/cache/purge", what, "");
      assert.equal(status, 200, body);
      return JSON.parse(body).removed;
    };
    await purge({});
    assert.deepEqual((({ entries, bytes }) => [entries, bytes])(await gateway.counters()), [0, 0]);
    for (const path of ["/n/a", "/n/a?x", "/n/b", "/deaf/n", "/m"]) await gateway.ask(path);
    assert.equal(await purge({ path: "/n/a" }), 2);
    assert.equal(await purge({ prefix: "/n" }), 1);
    assert.equal(await purge({ host: "b.test" }), 0);
    assert.equal(await purge({ route: "deaf", host: "A.test", prefix: "/" }), 1);
    assert.ok(isHit(await gateway.ask("/m")));
    assert.equal(await purge({}), 1);
    assert.ok(!isHit(await gateway.ask("/m")));
  });

  it("keeps nothing that was being fetched when it was purged", async () => {
    const connections: RawConnection[] = [];
    gateway.origin.answer = (_, connection) => {
      connections.push(connection);
      return null;
    };
    const reading = await gateway.send("/purged");
    while (connections.length < 1) await new Promise((resolve) => setImmediate(resolve));
    await post(gateway.adminPort, "/api/v1/cache/purge", { path: "/purged" }, "");
    connections[0]!.write(response(FRESH, "before"));
    await reading.answer();
    gateway.origin.answer = () => response(FRESH, "behind");
    assert.equal((await gateway.ask("/purged")).body, "behind");
  });
});

describe("the cache of several data threads", { timeout: 60_000 }, () => {
  let gateway: CachePair;
  let clients: Client[];
  before(async () => {
    gateway = await CachePair.start("", { server: "workers: 3" });
    clients = await Promise.all(Array.from({ length: 12 }, () => gateway.pair.connect()));
  });
  after(async () => {
    for (const client of clients) client.close();
    await gateway.stop();
  });

  async function ask(client: Client, target: string, method = "GET"): Promise<Answer> {
    client.send(`${method} ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
    return await client.answer(method);
  }

  it("answers nobody with what was kept before a change that its client was told of", async () => {
    let version = 0;
    gateway.origin.answer = ({ method }) => {
      if (method === "POST") version++;
      return response(FRESH, String(version));
    };
    for (const client of clients) await ask(client, "/x");
    for (let i = 1; i <= 60; i++) {
      await ask(clients[i % clients.length]!, "/x", "POST");
      const bodies = await Promise.all(clients.map(async (client) => (await ask(client, "/x")).body));
      assert.deepEqual(
        bodies,
        clients.map(() => String(i)),
      );
    }
    // Each of the threads keeps it, and each had to fetch it.
    const { entries } = await gateway.counters();
    assert.ok(entries > 1 && entries <= 3, `${entries} entries`);
  });

  it("is purged on all of them", async () => {
    for (const client of clients) await ask(client, "/y");
    const { entries } = await gateway.counters();
    const { body } = await post(gateway.adminPort, "/api/v1/cache/purge", {}, "");
    assert.equal(JSON.parse(body).removed, entries);
    const before = gateway.origin.requests.length;
    for (const client of clients) await ask(client, "/y");
    assert.ok(gateway.origin.requests.length > before + 1);
  });
});
