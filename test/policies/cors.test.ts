// The policy `cors`, as browsers ask. Runs against a gateway in a process of its own.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { type Answer, ask } from "../http/client.ts";
import { Pair } from "../http/pair.ts";
import { valuesOf } from "../http/strict-reading.ts";

const ROUTES = `
  named: { path: /named, upstream: origin, policies: { cors: {
    origins: [https://App.example.com, "https://*.example.org", "http://*.local.test:8080", "http://[::1]:3000", https://old.test:443],
    methods: [GET, PUT], headers: [X-Token, Content-Type], expose: [X-Total, ETag], credentials: true, max_age: 10m } } },
  nobody: { path: /nobody, upstream: origin, policies: { cors: { origins: "null", methods: ["*"], headers: ["*"] } } },
  off: { path: /off, upstream: origin, policies: { cors: { enabled: false } } },`;

/** What each origin gets of the route `named`. */
const ORIGINS: ReadonlyArray<readonly [origin: string, allowed: boolean]> = [
  ["https://app.example.com", true],
  ["https://app.example.com:443", false],
  ["https://app.example.com:8443", false],
  ["http://app.example.com", false],
  ["https://app.example.com.evil.test", false],
  ["https://evilapp.example.com", false],
  ["https://APP.example.com", false],
  ["https://a.example.org", true],
  ["https://a.b.example.org", true],
  ["https://example.org", false],
  ["https://.example.org", false],
  ["https://evil-example.org", false],
  ["https://evil.test/.example.org", false],
  ["https://evil.test:1.example.org", false],
  ["https://evil.test#.example.org", false],
  ["https://u@a.example.org", false],
  ["https://a.example.org.", false],
  ["http://a.example.org", false],
  ["http://abc.example.org", false],
  ["http://x.local.test:8080", true],
  ["http://x.local.test", false],
  ["http://[::1]:3000", true],
  ["https://old.test", true],
  ["null", false],
  ["*", false],
  ["", false],
];

const OF_CORS = /^(?:access-control-|vary$)/i;

/** The fields that have to do with it. */
function corsOf({ fields }: Answer): Record<string, string> {
  const names = fields.map(([name]) => name).filter((name) => OF_CORS.test(name));
  return Object.fromEntries(names.map((name) => [name, valuesOf(fields, name.toLowerCase()).join("; ")]));
}

describe("the policy cors", { timeout: 20_000 }, () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.start({
      routes: ROUTES,
      sections: 'policies: { cors: { origins: "*", expose: [X-Total] } }',
    });
  });
  beforeEach(() => pair.origin.reset());
  after(() => pair.stop());

  async function send(head: string): Promise<Answer> {
    return (await ask(pair.port, `${head.trim().replaceAll("\n", "\r\n")}\r\nHost: a.test\r\n\r\n`)).answer;
  }

  for (const [origin, allowed] of ORIGINS) {
    it(`${allowed ? "allows" : "does not allow"} ${JSON.stringify(origin)}`, async () => {
      const fields = corsOf(await send(`GET /named HTTP/1.1\nOrigin: ${origin}`));
      const expected: Record<string, string> = { Vary: "Origin" };
      if (allowed) {
        expected["Access-Control-Allow-Origin"] = origin;
        expected["Access-Control-Allow-Credentials"] = "true";
        expected["Access-Control-Expose-Headers"] = "X-Total, ETag";
      }
      assert.deepEqual(fields, expected);
      assert.equal(pair.origin.requests.length, 1);
    });
  }

  it("answers a preflight request itself", async () => {
    const answer = await send(
      "OPTIONS /named HTTP/1.1\nOrigin: https://a.example.org\nAccess-Control-Request-Method: PUT\nAccess-Control-Request-Headers: x-token",
    );
    assert.equal(answer.status, 204);
    assert.deepEqual(corsOf(answer), {
      Vary: "Origin; Access-Control-Request-Method; Access-Control-Request-Headers",
      "Access-Control-Allow-Origin": "https://a.example.org",
      "Access-Control-Allow-Credentials": "true",
      "Access-Control-Allow-Methods": "GET, PUT",
      "Access-Control-Allow-Headers": "X-Token, Content-Type",
      "Access-Control-Max-Age": "600",
    });
    assert.equal(pair.origin.requests.length, 0);
  });

  it("tells a preflight request of another origin nothing", async () => {
    const answer = await send(
      "OPTIONS /named HTTP/1.1\nOrigin: https://evil.test\nAccess-Control-Request-Method: PUT",
    );
    assert.equal(answer.status, 204);
    assert.deepEqual(corsOf(answer), {
      Vary: "Origin; Access-Control-Request-Method; Access-Control-Request-Headers",
    });
    assert.equal(pair.origin.requests.length, 0);
  });

  it("takes no other OPTIONS for a preflight request", async () => {
    for (const fields of ["Origin: https://a.example.org", "Access-Control-Request-Method: PUT"]) {
      pair.origin.reset();
      assert.equal((await send(`OPTIONS /named HTTP/1.1\n${fields}`)).status, 200);
      assert.equal(pair.origin.only.method, "OPTIONS");
    }
  });

  it("allows any method and field where that is asked for", async () => {
    const answer = await send(
      "OPTIONS /nobody HTTP/1.1\nOrigin: null\nAccess-Control-Request-Method: PURGE\nAccess-Control-Request-Headers: x-a,authorization",
    );
    assert.deepEqual(corsOf(answer), {
      Vary: "Origin; Access-Control-Request-Method; Access-Control-Request-Headers",
      "Access-Control-Allow-Origin": "null",
      "Access-Control-Allow-Methods": "PURGE",
      "Access-Control-Allow-Headers": "x-a,authorization",
    });
  });

  it("stands in for what the backend says", async () => {
    pair.origin.answer = () =>
      "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\naccess-control-allow-credentials: true\r\nAccess-Control-Expose-Headers: X-Secret\r\nVary: Accept, origin\r\nContent-Length: 0\r\n\r\n";
    assert.deepEqual(corsOf(await send("GET /named HTTP/1.1\nOrigin: https://evil.test")), {
      Vary: "Accept, origin",
    });
    assert.deepEqual(corsOf(await send("GET /other HTTP/1.1\nOrigin: https://evil.test")), {
      Vary: "Accept, origin",
      "Access-Control-Allow-Origin": "*",
      "Access-Control-Expose-Headers": "X-Total",
    });
  });

  it("for everybody has one answer for all", async () => {
    assert.deepEqual(corsOf(await send("GET /other HTTP/1.1")), {
      "Access-Control-Allow-Origin": "*",
      "Access-Control-Expose-Headers": "X-Total",
    });
    assert.deepEqual(corsOf(await send("GET /off HTTP/1.1\nOrigin: https://a.test")), {});
  });

  it("answers with the fields of one origin only", async () => {
    const answer = await send(
      "GET /named HTTP/1.1\nOrigin: https://a.example.org\nOrigin: https://app.example.com",
    );
    assert.deepEqual(corsOf(answer), { Vary: "Origin" });
  });

  it("is there for errors too, and keeps the connection", async () => {
    const client = await pair.connect();
    pair.origin.answer = () => "nonsense\r\n\r\n";
    client.send("GET /named HTTP/1.1\r\nHost: a.test\r\nOrigin: https://a.example.org\r\n\r\n");
    const answer = await client.answer();
    assert.equal(answer.status, 502);
    assert.equal(corsOf(answer)["Access-Control-Allow-Origin"], "https://a.example.org");
    client.send(
      "OPTIONS /named HTTP/1.1\r\nHost: a.test\r\nOrigin: https://a.example.org\r\nAccess-Control-Request-Method: GET\r\n\r\n",
    );
    assert.equal((await client.answer("OPTIONS")).status, 204);
    client.close();
  });
});
