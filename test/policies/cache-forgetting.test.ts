// What makes the cache forget: changes, purges, reloads; on all data threads. Runs against gateways in processes of their own.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { post } from "../admin/setting.ts";
import type { Answer, Client } from "../http/client.ts";
import type { RawConnection } from "../support/raw.ts";
import { CachePair, FRESH, isHit, response } from "./cache-gateway.ts";

describe("the cache forgets", { timeout: 60_000 }, () => {
  let gateway: CachePair;
  before(async () => {
    const route = (name: string, policies: string) =>
      `${name}: { path: /${name}, upstream: origin, policies: { ${policies} } }`;
    const routes = [route("deaf", "cache: { request_directives: false }")];
    gateway = await CachePair.start("", { routes: routes.join(", ") });
  });
  beforeEach(() => {
    gateway.origin.reset();
    gateway.origin.answer = () => response(FRESH, "hello");
  });
  after(() => gateway.stop());

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
