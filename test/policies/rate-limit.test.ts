// The policy `rate_limit` over real connections: what passes, what is told, what is counted together, and that the limit is
// exact whatever the number of data threads. Runs against a gateway in a process of its own.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Answer, ask, Client } from "../http/client.ts";
import { Pair } from "../http/pair.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { TestGateway } from "../support/gateway.ts";

/** Nothing comes back while a test runs. */
const SLOW = "1/30d";

const RATE_LIMITED =
  /^\{"error":\{"code":"rate_limited","status":429,"message":"too many requests: try again in \d+ s"\}\}\n$/;

async function get(port: number, path: string, fields = "", host = "a.test"): Promise<Answer> {
  return (await ask(port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`)).answer;
}

function only(answer: Answer, name: string): string {
  const values = valuesOf(answer.fields, name);
  assert.equal(values.length, 1, `${name}: ${values}`);
  return values[0]!;
}

const ROUTES = `
  told: { path: /told, upstream: origin, policies: { rate_limit: { rate: 6/m, burst: 2 } } },
  fast: { path: /fast, respond: {}, policies: { rate_limit: { rate: 1000/s, burst: 10, name: 'a"b\\c' } } },
  refused: { path: /refused, upstream: origin, policies: {
    rate_limit: { rate: ${SLOW} }, headers: { response: { set: { X-Policy: passed } } } } },
  quiet: { path: /quiet, upstream: origin, policies: { rate_limit: { rate: ${SLOW}, headers: false } } },
  dry: { path: /dry, upstream: origin, policies: { rate_limit: { rate: ${SLOW}, dry_run: true } } },
  both: { path: /both, upstream: origin, policies: {
    rate_limit: { rate: ${SLOW}, burst: 3, by: "query:key", and: [{ rate: ${SLOW}, burst: 5, by: all, name: all }] } } },
  client: { path: /client, upstream: origin, policies: { rate_limit: { rate: ${SLOW} } } },
  wide: { path: /wide, upstream: origin, policies: { rate_limit: { rate: ${SLOW}, ipv6_prefix: 128 } } },
  header: { path: /header, upstream: origin, policies: { rate_limit: { rate: ${SLOW}, by: "header:X-Key" } } },
  cookie: { path: /cookie, upstream: origin, policies: { rate_limit: { rate: ${SLOW}, by: "cookie:key" } } },
  paths: { path: /paths, upstream: origin, policies: { rate_limit: { rate: ${SLOW}, by: path } } },
  everyone: { path: /everyone, upstream: origin, policies: { rate_limit: { rate: ${SLOW}, by: all } } },
  one: { hosts: shared.test, path: /one, upstream: origin },
  two: { hosts: shared.test, path: /two, upstream: origin },
  free: { path: /free, upstream: origin, policies: { rate_limit: { enabled: false, rate: ${SLOW} } } },`;

describe("the policy rate_limit", () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.start({
      server: "workers: 2, trusted_proxies: [127.0.0.0/8]",
      routes: ROUTES,
      sections: `policies: { rate_limit: { rate: ${SLOW}, burst: 3, by: "header:X-Shared" } }\n`,
    });
  });
  after(() => pair.stop());

  it("tells what is left, and refuses what is beyond it", async () => {
    const answers: Answer[] = [];
    for (let i = 0; i < 3; i++) answers.push(await get(pair.port, "/told"));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 429],
    );
    for (const answer of answers) assert.equal(only(answer, "ratelimit-policy"), '"default";q=2;w=20');
    assert.equal(only(answers[0]!, "ratelimit"), '"default";r=1;t=10');
    for (const answer of answers.slice(1))
      assert.match(only(answer, "ratelimit"), /^"default";r=0;t=(?:10|[5-9])$/);
    assert.deepEqual(valuesOf(answers[0]!.fields, "retry-after"), []);
    assert.equal(only(answers[2]!, "ratelimit").split("t=")[1], only(answers[2]!, "retry-after"));
    assert.match(answers[2]!.body, RATE_LIMITED);
  });

  it("tells a rate above its burst by what comes in a second, under any name", async () => {
    assert.equal(only(await get(pair.port, "/fast"), "ratelimit-policy"), String.raw`"a\"b\\c";q=1000;w=1`);
  });

  it("refuses before the backend is asked, within what other policies do", async () => {
    await get(pair.port, "/refused");
    pair.origin.reset();
    const { status, fields } = await get(pair.port, "/refused");
    assert.equal(status, 429);
    await get(pair.port, "/free");
    assert.equal(pair.origin.only.target, "/free");
    assert.deepEqual(valuesOf(fields, "x-policy"), ["passed"]);
  });

  it("keeps a connection whose request it refused", async () => {
    const client = await Client.connect(pair.port);
    for (const expected of [429, 429, 200]) {
      client.send(`GET ${expected === 200 ? "/free" : "/refused"} HTTP/1.1\r\nHost: a\r\n\r\n`);
      assert.equal((await client.answer()).status, expected);
    }
    client.close();
  });

  it("tells only when to come again where headers is false", async () => {
    await get(pair.port, "/quiet");
    const answer = await get(pair.port, "/quiet");
    assert.equal(answer.status, 429);
    assert.equal(only(answer, "retry-after"), "2592000");
    for (const name of ["ratelimit", "ratelimit-policy"]) assert.deepEqual(valuesOf(answer.fields, name), []);
  });

  it("refuses nothing in a dry run, and logs what it would", async () => {
    for (let i = 0; i < 2; i++) {
      const { status, fields } = await get(pair.port, "/dry");
      assert.equal(status, 200);
      assert.deepEqual(valuesOf(fields, "ratelimit"), []);
    }
    const line = await pair.gateway.logged(({ msg }) => msg.includes("dry_run"));
    assert.deepEqual([line["route"], line["client"]], ["dry", "127.0.0.1"]);
  });

  it("of several limits is charged by none where one refuses", async () => {
    const statuses: number[] = [];
    for (const key of ["a", "a", "a", "a", "a", "b", "b", "b"])
      statuses.push((await get(pair.port, `/both?key=${key}`)).status);
    // Three of a; the two that a was refused are left to b, which has one more of its own.
    assert.deepEqual(statuses, [200, 200, 200, 429, 429, 200, 200, 429]);
    const answer = await get(pair.port, "/both?key=b");
    assert.equal(only(answer, "ratelimit-policy"), '"default";q=3;w=7776000, "all";q=5;w=12960000');
    assert.match(only(answer, "ratelimit"), /^"default";r=1;t=\d+, "all";r=0;t=2592000$/);
  });

  const from = (address: string) => `X-Forwarded-For: ${address}\r\n`;
  const TOGETHER: ReadonlyArray<
    readonly [what: string, path: string, first: string, second: string, isSame: boolean]
  > = [
    ["one address", "/client", from("10.0.0.1"), from("10.0.0.1"), true],
    ["two addresses", "/client", from("10.0.0.2"), from("10.0.0.3"), false],
    ["an address, mapped and not", "/client", from("10.0.0.4"), from("::ffff:10.0.0.4"), true],
    ["a network of IPv6", "/client", from("2001:db8:1:1::1"), from("2001:db8:1:1:ffff::2"), true],
    ["two networks of IPv6", "/client", from("2001:db8:1:2::1"), from("2001:db8:1:3::1"), false],
    ["two addresses of IPv6, with another setting", "/wide", from("2001:db8::1"), from("2001:db8::2"), false],
    ["a header", "/header", "X-Key: a\r\n", "x-key: a\r\n", true],
    ["two headers", "/header", "X-Key: b\r\n", "X-Key: c\r\n", false],
    ["no header: the client", "/header", from("10.0.0.5"), from("10.0.0.5"), true],
    ["no header: two clients", "/header", from("10.0.0.6"), from("10.0.0.7"), false],
    [
      "no header, and a header with the client in it",
      "/header",
      from("10.0.0.8"),
      "X-Key: 10.0.0.8\r\n",
      false,
    ],
    ["a cookie", "/cookie", "Cookie: a=1; key=x\r\n", "Cookie: key=x; b=2\r\n", true],
    ["two cookies", "/cookie", "Cookie: key=y\r\n", "Cookie: key=z\r\n", false],
  ];
  for (const [what, path, first, second, isSame] of TOGETHER) {
    it(`counts ${isSame ? "together" : "apart"}: ${what}`, async () => {
      assert.equal((await get(pair.port, path, first)).status, 200);
      assert.equal((await get(pair.port, path, second)).status, isSame ? 429 : 200);
    });
  }

  it("counts by path, and everybody together", async () => {
    const paths = ["/paths/a", "/paths/b", "/paths/a?x=1", "/everyone/a", "/everyone/b"];
    const statuses: number[] = [];
    for (const [i, path] of paths.entries())
      statuses.push((await get(pair.port, path, from(`10.1.0.${i}`))).status);
    assert.deepEqual(statuses, [200, 200, 429, 200, 429]);
  });

  it("of the file counts the requests of all its routes together, and can be switched off", async () => {
    const fields = "X-Shared: one\r\n";
    const statuses: number[] = [];
    for (const path of ["/one", "/two", "/one", "/two"])
      statuses.push((await get(pair.port, path, fields, "shared.test")).status);
    statuses.push((await get(pair.port, "/free", fields)).status);
    assert.deepEqual(statuses, [200, 200, 200, 429, 200]);
  });

  it("goes on over a reload, and begins anew where the limit changes", async () => {
    const config = (rate: string, more = "") =>
      `routing: { a: { respond: {}, policies: { rate_limit: { rate: ${rate} } } } }\n${more}`;
    const gateway = await TestGateway.start(config(SLOW), { server: "workers: 2" });
    try {
      assert.equal((await get(gateway.port, "/")).status, 200);
      await gateway.adopt(config(SLOW, "access_log: { enabled: false }"), { server: "workers: 2" });
      assert.equal((await get(gateway.port, "/")).status, 429);
      await gateway.adopt(config("2/30d"), { server: "workers: 2" });
      assert.equal((await get(gateway.port, "/")).status, 200);
    } finally {
      await gateway.stop();
    }
  });
});

for (const workers of [1, 2, 4]) {
  it(`the limit is exact with ${workers} data threads under load`, async () => {
    const BURST = 100;
    const policies = `{ rate_limit: { rate: ${SLOW}, burst: ${BURST}, and: [{ rate: ${SLOW}, burst: 150, by: all }] } }`;
    const gateway = await TestGateway.start(`routing: { a: { respond: {}, policies: ${policies} } }`, {
      server: `workers: ${workers}, trusted_proxies: [127.0.0.0/8]`,
    });
    try {
      // Two clients, 200 requests of each on 16 connections: one may have all of its hundred, both a hundred and fifty.
      const passed = await Promise.all(
        Array.from({ length: 16 }, async (_, i) => {
          const client = await Client.connect(gateway.port);
          const request = `GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.${i % 2}\r\n\r\n`;
          client.send(request.repeat(25));
          let ok = 0;
          for (let k = 0; k < 25; k++) if ((await client.answer()).status === 200) ok++;
          client.close();
          return ok;
        }),
      );
      const of = (client: number) =>
        passed.filter((_, i) => i % 2 === client).reduce((sum, ok) => sum + ok, 0);
      assert.equal(of(0) + of(1), 150);
      assert.ok(of(0) <= BURST && of(1) <= BURST, `${of(0)} and ${of(1)}`);
    } finally {
      await gateway.stop();
    }
  });
}
