// The policy `forward_auth`: what is asked, and what becomes of each answer. Runs against a gateway in a process of its own,
// between an origin and a server that says who may come in.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { type Answer, ask } from "../http/client.ts";
import { Origin } from "../http/origin.ts";
import { Pair } from "../http/pair.ts";
import { valuesOf } from "../http/strict-reading.ts";

const PASS = "HTTP/1.1 204 No Content\r\n\r\n";

describe("the policy forward_auth", { timeout: 60_000 }, () => {
  let pair: Pair;
  let auth: Origin;
  before(async () => {
    auth = await Origin.start();
    pair = await Pair.start({
      backends: `auth: [{ host: 127.0.0.1, port: ${auth.port} }], gone: [{ host: 127.0.0.1, port: 1 }]`,
      routes: `
        guarded: { path: /guarded, upstream: origin, policies: {
          forward_auth: { upstream: auth, path: "/verify?x=1", timeout: 400ms, response_headers: [X-User, X-Groups] },
          headers: { request: { set: { X-Seen: "{header:x-user}" } } } } },
        narrow: { path: /narrow, upstream: origin, policies: { forward_auth: { upstream: auth, timeout: 10m, request_headers: [Cookie] } } },
        kept: { path: /kept, upstream: origin, policies: {
          forward_auth: { upstream: auth, response_headers: X-User }, cache: {},
          headers: { request: { set: { X-Seen: "{header:x-user}" } } } } },
        closed: { path: /closed, upstream: origin, policies: { forward_auth: { upstream: gone } } },`,
      sections: "access_log: { path: access.log }",
    });
  });
  beforeEach(() => {
    pair.origin.reset();
    auth.reset();
    auth.answer = () => PASS;
  });
  after(async () => {
    await pair.stop();
    await auth.stop();
  });

  async function send(text: string): Promise<Answer> {
    return (await ask(pair.port, text.replaceAll("\n", "\r\n"))).answer;
  }

  it("asks with the request, but without its body", async () => {
    const answer = await send(
      "POST /guarded/a%20b/../c?d=e HTTP/1.1\nHost: a.test\nCookie: a=b\nAuthorization: Basic x\nContent-Type: text/plain\nContent-Length: 5\nIf-None-Match: x\nRange: bytes=0-1\nX-Forwarded-Method: GET\nX_Forwarded_Uri: /public\nConnection: close, x-hop\nX-Hop: 1\n\nhello",
    );
    assert.equal(answer.status, 200);
    const { method, target, body } = auth.only;
    assert.deepEqual([method, target, body], ["GET", "/verify?x=1", ""]);
    assert.deepEqual(auth.valuesOf("x-forwarded-method"), ["POST"]);
    assert.deepEqual(auth.valuesOf("x-forwarded-uri"), ["/guarded/c?d=e"]);
    assert.deepEqual(auth.valuesOf("x-forwarded-host"), ["a.test"]);
    assert.deepEqual(auth.valuesOf("x-forwarded-proto"), ["http"]);
    assert.deepEqual(auth.valuesOf("x-forwarded-for"), ["127.0.0.1"]);
    assert.deepEqual(auth.valuesOf("cookie"), ["a=b"]);
    assert.deepEqual(auth.valuesOf("authorization"), ["Basic x"]);
    for (const name of [
      "content-type",
      "content-length",
      "if-none-match",
      "range",
      "x_forwarded_uri",
      "x-hop",
    ])
      assert.deepEqual(auth.valuesOf(name), [], name);
    const { origin } = pair;
    assert.deepEqual(
      [origin.only.method, origin.only.target, origin.only.body],
      ["POST", "/guarded/c?d=e", "hello"],
    );
    assert.deepEqual(origin.valuesOf("range"), ["bytes=0-1"]);
    assert.deepEqual(origin.valuesOf("if-none-match"), ["x"]);
    assert.deepEqual(origin.valuesOf("x-forwarded-method"), []);
  });

  it("asks with the fields that are named, and no other", async () => {
    await send("GET /narrow HTTP/1.1\nHost: a.test\ncookie: a=b\nAuthorization: Basic x\nAccept: a\n\n");
    const names = auth.only.fields.map(([name]) => name.toLowerCase()).sort();
    assert.deepEqual(names, [
      "cookie",
      "host",
      "via",
      "x-forwarded-for",
      "x-forwarded-host",
      "x-forwarded-method",
      "x-forwarded-proto",
      "x-forwarded-uri",
      "x-real-ip",
    ]);
    assert.deepEqual(pair.origin.valuesOf("authorization"), ["Basic x"]);
  });

  it("gives the backend fields of the answer, and not the client's own", async () => {
    const forged = "X-User: root\nx-user: root\nX_User: root\nX-Groups: all\n";
    auth.answer = () =>
      "HTTP/1.1 200 OK\r\nx-user: alice\r\nX-Secret: 1\r\nX-Groups: a\r\nX-Groups: b\r\nContent-Length: 2\r\n\r\nok";
    await send(`GET /guarded HTTP/1.1\nHost: a.test\n${forged}\n`);
    const { origin } = pair;
    assert.deepEqual(origin.valuesOf("x-user"), ["alice"]);
    assert.deepEqual(origin.valuesOf("x-seen"), ["alice"]);
    assert.deepEqual(origin.valuesOf("x-groups"), ["a", "b"]);
    assert.deepEqual(origin.valuesOf("x-secret"), []);
    assert.deepEqual(origin.valuesOf("x_user"), []);
    origin.reset();
    auth.answer = () => PASS;
    await send(`GET /guarded HTTP/1.1\nHost: a.test\n${forged}\n`);
    for (const name of ["x-user", "x_user", "x-groups"]) assert.deepEqual(origin.valuesOf(name), [], name);
  });

  for (const [status, line] of [
    [401, "401 Unauthorized"],
    [302, "302 Found"],
    [500, "500 Oops"],
    [404, "404 Not Found"],
  ] as const) {
    it(`answers with the ${status} of the server, and keeps the connection`, async () => {
      auth.answer = () =>
        `HTTP/1.1 ${line}\r\nWWW-Authenticate: Basic\r\nLocation: /login\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: x-hop\r\nX-Hop: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno!\r\n0\r\n\r\n`;
      const client = await pair.connect();
      for (const method of ["GET", "HEAD", "GET"]) {
        client.send(`${method} /guarded HTTP/1.1\r\nHost: a.test\r\n\r\n`);
        const { fields, ...answer } = await client.answer(method);
        assert.deepEqual([answer.status, answer.body], [status, method === "HEAD" ? "" : "no!"]);
        assert.deepEqual(valuesOf(fields, "set-cookie"), ["a=1", "b=2"]);
        assert.deepEqual(valuesOf(fields, "location"), ["/login"]);
        assert.deepEqual(valuesOf(fields, "content-length"), ["3"]);
        assert.deepEqual(valuesOf(fields, "x-hop"), []);
      }
      client.close();
      assert.equal(pair.origin.requests.length, 0);
    });
  }

  it("takes no more of an answer than a page", async () => {
    auth.answer = () => `HTTP/1.1 403 Forbidden\r\nContent-Length: 65536\r\n\r\n${"x".repeat(65_536)}`;
    const { status, body } = await send("GET /guarded HTTP/1.1\nHost: a.test\n\n");
    assert.deepEqual([status, body.length], [403, 65_536]);
    auth.answer = () => `HTTP/1.1 403 Forbidden\r\nContent-Length: 65537\r\n\r\n${"x".repeat(65_537)}`;
    assert.equal((await send("GET /guarded HTTP/1.1\nHost: a.test\n\n")).status, 502);
    assert.equal(pair.origin.requests.length, 0);
  });

  for (const [title, path, answer, status] of [
    ["nobody is there", "/closed", null, 502],
    ["no answer comes in time", "/guarded", null, 504],
    [
      "half an answer comes in time",
      "/guarded",
      "HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nab",
      504,
    ],
    ["the answer is rubbish", "/guarded", "nonsense\r\n\r\n", 502],
  ] as const) {
    it(`lets nobody through where ${title}`, async () => {
      auth.answer = () => answer;
      const { body, ...found } = await send(
        "GET /guarded HTTP/1.1\nHost: a.test\n\n".replace("/guarded", path),
      );
      assert.equal(found.status, status, body);
      assert.equal(pair.origin.requests.length, 0);
    });
  }

  it("goes on with a head of 2xx, whatever becomes of the rest", async () => {
    auth.answer = () => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab";
    assert.equal((await send("GET /guarded HTTP/1.1\nHost: a.test\n\n")).status, 200);
  });

  it("asks again where a connection was closed meanwhile, and uses it for the next", async () => {
    await send("GET /guarded HTTP/1.1\nHost: a.test\n\n");
    await send("GET /guarded HTTP/1.1\nHost: a.test\n\n");
    const [first, second] = auth.requests;
    assert.equal(first!.connection, second!.connection);
    const used = auth.backend.connections[second!.connection]!;
    auth.answer = (_request, connection) => {
      if (connection !== used) return PASS;
      connection.destroy();
      return null;
    };
    assert.equal((await send("GET /guarded HTTP/1.1\nHost: a.test\n\n")).status, 200);
  });

  it("lets a request body wait, and closes for one that nobody read", async () => {
    const client = await pair.connect();
    const head =
      "POST /guarded HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    client.send(head);
    assert.equal((await client.answer()).status, 100);
    client.send("hello");
    assert.equal((await client.answer()).status, 200);
    assert.equal(pair.origin.only.body, "hello");
    auth.answer = () => "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    client.send(head);
    const answer = await client.answer();
    assert.deepEqual([answer.status, valuesOf(answer.fields, "connection")], [403, ["close"]]);
    assert.equal(await client.ended(), "");
    client.close();
  });

  it("gives the question up when the client goes", async () => {
    const asked = Promise.withResolvers<Origin["backend"]["connections"][number]>();
    auth.answer = (_request, connection) => {
      asked.resolve(connection);
      return null;
    };
    const client = await pair.connect();
    client.send("GET /narrow HTTP/1.1\r\nHost: a.test\r\n\r\n");
    const connection = await asked.promise;
    client.close();
    assert.equal(await connection.untilGone(), "ended");
  });

  it("keeps what is for one who was let through from others, unless it is for everybody", async () => {
    for (const [control, requests] of [
      ["max-age=60", 2],
      ["public, max-age=60", 1],
    ] as const) {
      pair.origin.reset();
      pair.origin.answer = () => `HTTP/1.1 200 OK\r\nCache-Control: ${control}\r\nContent-Length: 0\r\n\r\n`;
      auth.answer = () => "HTTP/1.1 200 OK\r\nX-User: alice\r\nContent-Length: 0\r\n\r\n";
      for (let i = 0; i < 2; i++) await send(`GET /kept/${requests} HTTP/1.1\nHost: a.test\n\n`);
      assert.equal(pair.origin.requests.length, requests, control);
      auth.answer = () => "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
      assert.equal((await send(`GET /kept/${requests} HTTP/1.1\nHost: a.test\n\n`)).status, 403);
    }
  });

  it("goes over to another server with a reload", async () => {
    const other = await Origin.start();
    other.answer = () => "HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n";
    await pair.gateway.adopt(
      `backends: { auth: [{ host: 127.0.0.1, port: ${other.port} }] }
policies: { forward_auth: { upstream: auth } }
routing: { a: { path: /a, respond: { body: open } }, b: { path: /b, respond: { body: open }, policies: { forward_auth: { enabled: false } } } }`,
      { server: "trusted_proxies: [127.0.0.1]" },
    );
    const claims = "X-Forwarded-For: 192.0.2.7\nX-Forwarded-Method: HEAD\nX-Forwarded-Uri: /b\n";
    assert.equal((await send(`PUT /a HTTP/1.1\nHost: a.test\n${claims}\n`)).status, 418);
    // A trusted proxy is believed who the client is, not what it asks for.
    assert.deepEqual(other.valuesOf("x-forwarded-for"), ["192.0.2.7, 127.0.0.1"]);
    assert.deepEqual(other.valuesOf("x-forwarded-method"), ["PUT"]);
    assert.deepEqual(other.valuesOf("x-forwarded-uri"), ["/a"]);
    assert.equal((await send("GET /none HTTP/1.1\nHost: a.test\n\n")).status, 418);
    assert.equal((await send("GET /b HTTP/1.1\nHost: a.test\n\n")).status, 200);
    await other.stop();
  });
});
