// The policy `ip_filter`: who may come in, by the address of the client. Runs against a gateway in a process of its own.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { Client } from "../http/client.ts";
import { Pair } from "../http/pair.ts";

const ROUTES = `
  office: { path: /office, upstream: origin, policies: { ip_filter: { allow: [192.0.2.0/24, "2001:db8::/32"], deny: 192.0.2.66 } } },
  banned: { path: /banned, upstream: origin, policies: { ip_filter: { deny: [198.51.100.0/24, "2001:db8:bad::/48"] } } },
  off: { path: /off, upstream: origin, policies: { ip_filter: { enabled: false } } },`;

const CASES: ReadonlyArray<readonly [path: string, client: string, status: number]> = [
  ["/office", "192.0.2.1", 200],
  ["/office", "192.0.2.66", 403],
  ["/office", "192.0.3.1", 403],
  ["/office", "::ffff:192.0.2.1", 200],
  ["/office", "::ffff:192.0.2.66", 403],
  ["/office", "2001:db8::1", 200],
  ["/office", "2001:db9::1", 403],
  ["/office", "127.0.0.1", 403],
  ["/banned", "198.51.100.7", 403],
  ["/banned", "192.0.2.1", 200],
  ["/banned", "2001:db8:bad::1", 403],
  ["/banned", "2001:db8:bed::1", 200],
  ["/off", "203.0.113.1", 200],
  ["/else", "203.0.113.1", 403],
  ["/else", "127.0.0.1", 200],
];

describe("the policy ip_filter", { timeout: 20_000 }, () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.start({
      routes: ROUTES,
      server: "trusted_proxies: [127.0.0.1]",
      sections: "policies: { ip_filter: { deny: 203.0.113.0/24 } }",
    });
  });
  beforeEach(() => pair.origin.reset());
  after(() => pair.stop());

  for (const [path, client, status] of CASES) {
    it(`answers ${status} to ${client} for ${path}`, async () => {
      const connection = await pair.connect();
      connection.send(`GET ${path} HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: ${client}\r\n\r\n`);
      const answer = await connection.answer();
      assert.equal(answer.status, status);
      assert.equal(pair.origin.requests.length, status === 200 ? 1 : 0);
      if (status === 403) assert.equal(JSON.parse(answer.body).error.code, "client_denied");
      connection.close();
    });
  }

  it("believes nobody but trusted proxies", async () => {
    await pair.gateway.adopt(
      "routing: { office: { respond: {}, policies: { ip_filter: { allow: 192.0.2.0/24 } } } }",
    );
    const connection = await pair.connect();
    connection.send("GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
    assert.equal((await connection.answer()).status, 403);
    connection.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert.equal((await connection.answer("HEAD")).status, 403);
    connection.close();
  });

  it("takes nothing of a request that it denies", async () => {
    const connection = await Client.connect(pair.port);
    connection.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    const answer = await connection.answer("POST");
    assert.equal(answer.status, 403);
    assert.equal(await connection.ended(), "");
    connection.close();
  });
});
