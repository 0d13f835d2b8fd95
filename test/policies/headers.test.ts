// The policy `headers`, as a backend and a client see it. Runs against a gateway in a process of its own.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { type Answer, ask } from "../http/client.ts";
import { Pair } from "../http/pair.ts";
import { valuesOf } from "../http/strict-reading.ts";

const OUTER = `policies:
  headers:
    request: { set: { X-All: "{route}" } }
    response: { set: { X-Everywhere: "{method} {path}" } }
`;

const ROUTES = `
  changed: { path: /changed, upstream: origin, policies: { headers: {
    request: {
      set: { Host: "inner.{host}", X-Client: "{client}", X-Old: "new, was {header:x-old}", X-Forwarded-Prefix: /changed, X-None: "{header:x-missing}" },
      add: { X-More: second }, remove: [Cookie, X-Gone] },
    response: { set: { Server: "mine" , Content-Type: "text/x" }, add: { Set-Cookie: "b=2" }, remove: [X-Powered-By] } } } },
  plain: { path: /plain, upstream: origin, policies: { headers: { enabled: false } } },
  fixed: { path: /fixed, respond: { body: hi, headers: { X-A: "1" } }, policies: { headers: { response: { add: { X-A: "2" } } } } },`;

describe("the policy headers", () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.start({ routes: ROUTES, sections: OUTER });
  });
  beforeEach(() => pair.origin.reset());
  after(() => pair.stop());

  async function get(path: string, fields = ""): Promise<Answer> {
    const { answer } = await ask(pair.port, `GET ${path} HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n`);
    return answer;
  }

  it("sets, adds and removes fields of a request", async () => {
    await get(
      "/changed",
      "X-Old: 1\r\nx-old: 2\r\nX-More: first\r\nCookie: a\r\nX-Gone: 1\r\nx-gone: 2\r\nX-None: 1\r\n",
    );
    const { origin } = pair;
    assert.deepEqual(origin.valuesOf("host"), ["inner.a.test"]);
    assert.deepEqual(origin.valuesOf("x-client"), ["127.0.0.1"]);
    assert.deepEqual(origin.valuesOf("x-old"), ["new, was 1"]);
    assert.deepEqual(origin.valuesOf("x-more"), ["first", "second"]);
    assert.deepEqual(origin.valuesOf("x-forwarded-prefix"), ["/changed"]);
    assert.deepEqual(origin.valuesOf("x-forwarded-host"), ["a.test"]);
    for (const gone of ["cookie", "x-gone", "x-none"]) assert.deepEqual(origin.valuesOf(gone), [], gone);
  });

  it("sets, adds and removes fields of a response", async () => {
    pair.origin.answer = () =>
      "HTTP/1.1 200 OK\r\nServer: a\r\nserver: b\r\nX-Powered-By: c\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n";
    const { fields } = await get("/changed");
    assert.deepEqual(valuesOf(fields, "server"), ["mine"]);
    assert.deepEqual(valuesOf(fields, "content-type"), ["text/x"]);
    assert.deepEqual(valuesOf(fields, "set-cookie"), ["a=1", "b=2"]);
    assert.deepEqual(valuesOf(fields, "x-powered-by"), []);
  });

  it("of a route stands in for that of the file", async () => {
    assert.deepEqual(valuesOf((await get("/changed")).fields, "x-everywhere"), []);
    assert.deepEqual(pair.origin.valuesOf("x-all"), []);
  });

  it("of the file is for all other routes, and can be switched off", async () => {
    assert.deepEqual(valuesOf((await get("/other")).fields, "x-everywhere"), ["GET /other"]);
    assert.deepEqual(pair.origin.valuesOf("x-all"), ["all"]);
    pair.origin.reset();
    assert.deepEqual(valuesOf((await get("/plain")).fields, "x-everywhere"), []);
    assert.deepEqual(pair.origin.valuesOf("x-all"), []);
  });

  it("changes the response of the gateway itself, each time anew", async () => {
    for (let i = 0; i < 2; i++) assert.deepEqual(valuesOf((await get("/fixed")).fields, "x-a"), ["1", "2"]);
  });

  it("of the file sees what no route is for", async () => {
    await pair.gateway.adopt(`${OUTER}routing: { a: { hosts: b.test, respond: {} } }`);
    const { status, fields } = await get("/nowhere");
    assert.equal(status, 404);
    assert.deepEqual(valuesOf(fields, "x-everywhere"), ["GET /nowhere"]);
  });
});
