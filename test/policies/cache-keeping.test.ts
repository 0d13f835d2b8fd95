// What the cache keeps, and for whom: keys, times, and the policies around it. Runs against a gateway in a process of its own.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { valuesOf } from "../http/strict-reading.ts";
import { CachePair, FRESH, isHit, response, statusOf } from "./cache-gateway.ts";
import { basic, scryptHash } from "./passwords.ts";

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
      route(
        "changed",
        "cache: {}, headers: { request: { set: { X-Country: '{header:x-from}' } }, response: { set: { X-Out: '{header:x-from}' } } }",
      ),
      "fixed: { path: /fixed, respond: { body: hi, headers: { Cache-Control: max-age=60 } }, policies: { cache: {} } }",
      route("off", "cache: { enabled: false }"),
      route("packed", "cache: {}, compress: { encodings: [gzip] }"),
      route(
        "locked",
        `cache: {}, basic_auth: { users: { ann: '${scryptHash("a")}', bob: '${scryptHash("b")}' } }`,
      ),
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

  it("keeps a response as it came, and compresses it for those who take it", async () => {
    for (const [path, body] of [
      ["/packed/short", "hello ".repeat(400)],
      ["/packed/long", "hello ".repeat(60_000)],
    ] as const) {
      gateway.origin.reset();
      gateway.origin.answer = () => response(`${FRESH}Content-Type: text/plain\r\n`, body);
      for (const fields of ["", "Accept-Encoding: gzip\r\n", "", "Accept-Encoding: gzip\r\n"]) {
        const answer = await gateway.ask(path, fields);
        const bytes = Buffer.from(answer.body, "latin1");
        const isPacked = fields !== "";
        assert.deepEqual(valuesOf(answer.fields, "content-encoding"), isPacked ? ["gzip"] : []);
        assert.equal((isPacked ? gunzipSync(bytes) : bytes).toString(), body);
      }
      assert.equal(gateway.origin.requests.length, 1);
    }
  });

  it("answers only those who may come in, and keeps of them what is for everybody", async () => {
    const as = (user: string, password: string) => `Authorization: ${basic(user, password)}\r\n`;
    const [ann, bob] = [as("ann", "a"), as("bob", "b")];
    await gateway.ask("/locked/x", ann);
    assert.ok(!isHit(await gateway.ask("/locked/x", bob)));
    gateway.origin.answer = () => response("Cache-Control: public, max-age=60\r\n", "for all");
    await gateway.ask("/locked/y", ann);
    assert.ok(isHit(await gateway.ask("/locked/y", bob)));
    for (const fields of ["", as("ann", "b")]) {
      const { status, body } = await gateway.ask("/locked/y", fields);
      assert.equal(status, 401);
      assert.ok(!body.includes("for all"));
    }
  });

  it("answers anew through the policies in front of it", async () => {
    await gateway.ask("/changed/y", "X-From: de\r\n");
    const answer = await gateway.ask("/changed/y", "X-From: fr\r\n");
    assert.ok(isHit(answer));
    assert.deepEqual(valuesOf(answer.fields, "x-out"), ["fr"]);
  });
});
