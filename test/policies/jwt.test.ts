// The policy `jwt`: which tokens pass, and what a backend hears of them. Runs against a gateway in a process of its own.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { type Answer, ask } from "../http/client.ts";
import { Pair } from "../http/pair.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { inSeconds, KeyServer, rawToken, SigningKey, signWithSecret } from "./tokens.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const INVALID = 'Bearer error="invalid_token", error_description="the token is not valid"';
const EXPIRED = 'Bearer error="invalid_token", error_description="the token has expired"';

describe("the policy jwt", { timeout: 60_000 }, () => {
  let pair: Pair;
  let server: KeyServer;
  let rsa: SigningKey;
  let ec: SigningKey;
  let stranger: SigningKey;
  before(async () => {
    [rsa, ec, stranger] = await Promise.all([
      SigningKey.make("RS256", "rsa"),
      SigningKey.make("ES256"),
      SigningKey.make("RS256", "rsa"),
    ]);
    server = await KeyServer.start();
    server.keys = [rsa.jwk, ec.jwk, (await SigningKey.make("ES256")).jwk];
    pair = await Pair.start({
      routes: `
        strict: { path: /strict, upstream: origin, policies: { jwt: { jwks_url: "${server.url}", jwks_cooldown: 100ms,
          issuer: [https://id.test, https://old.test], audience: api, claims_to_headers: { sub: X-User, realm.roles: X-Roles, n: X-N } },
          headers: { request: { set: { X-Who: "{user}" } } } } },
        secret: { path: /secret, upstream: origin, policies: { jwt: { secret: ${SECRET}, clock_tolerance: 30s } } },
        places: { path: /places, upstream: origin, policies: { jwt: { secret: ${SECRET}, from: [header:X-Token, cookie:session, query:token] } } },
        needs: { path: /needs, upstream: origin, policies: { jwt: { secret: ${SECRET},
          required_claims: { sub: "*", role: [admin, 7], scope: read, "a.b": true } } } },`,
    });
  });
  beforeEach(() => pair.origin.reset());
  after(async () => {
    await pair.stop();
    await server.stop();
  });

  async function get(path: string, fields: string): Promise<Answer> {
    return (await ask(pair.port, `GET ${path} HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n`)).answer;
  }

  function bearer(token: string): string {
    return `Authorization: Bearer ${token}\r\n`;
  }

  async function assertRefused(
    path: string,
    fields: string,
    status: number,
    challenge: string,
  ): Promise<void> {
    const answer = await get(path, fields);
    assert.deepEqual([answer.status, valuesOf(answer.fields, "www-authenticate")], [status, [challenge]]);
    assert.equal(pair.origin.requests.length, 0);
  }

  const GOOD = { iss: "https://id.test", aud: "api", sub: "alice" };

  it("lets good tokens through, again and again", async () => {
    for (const key of [rsa, ec]) {
      const token = await key.sign(GOOD);
      for (let i = 0; i < 2; i++) {
        pair.origin.reset();
        assert.equal((await get("/strict", bearer(token))).status, 200);
        assert.deepEqual(pair.origin.valuesOf("x-user"), ["alice"]);
        assert.deepEqual(pair.origin.valuesOf("x-who"), ["alice"]);
        assert.deepEqual(pair.origin.valuesOf("authorization"), [`Bearer ${token}`]);
      }
    }
    const other = await rsa.sign({ ...GOOD, iss: "https://old.test", aud: ["x", "api"] });
    assert.equal((await get("/strict", `authorization: bEARER  ${other}\r\n`)).status, 200);
  });

  it("refuses every other token", async () => {
    const good = await rsa.sign(GOOD);
    const [head, body, signature] = good.split(".");
    const publicText = JSON.stringify(rsa.jwk);
    const bad: Record<string, string> = {
      "of another key with the same name": await stranger.sign(GOOD),
      "of another key without a name": await stranger.sign(GOOD, { kid: undefined }),
      "of a key that is not there": await rsa.sign(GOOD, { kid: "gone" }),
      "of another issuer": await rsa.sign({ ...GOOD, iss: "https://id.test/" }),
      "without an issuer": await rsa.sign({ ...GOOD, iss: undefined }),
      "for another audience": await rsa.sign({ ...GOOD, aud: ["x"] }),
      "not valid yet": await rsa.sign({ ...GOOD, nbf: inSeconds(60) }),
      "without an end": await rsa.sign({ ...GOOD, exp: undefined }),
      "with an end that is no number": await rsa.sign({ ...GOOD, exp: "never" }),
      "without a signature": rawToken({ alg: "none" }, { ...GOOD, exp: inSeconds(60) }),
      "without a signature, and the name of a key": rawToken(
        { alg: "none", kid: "rsa" },
        { ...GOOD, exp: inSeconds(60) },
      ),
      "signed with the public key as a secret": await signWithSecret(GOOD, publicText),
      "changed in its claims": `${head}.${Buffer.from(JSON.stringify({ ...GOOD, exp: inSeconds(60), sub: "root" })).toString("base64url")}.${signature}`,
      "cut short": `${head}.${body}.${signature!.slice(0, -4)}`,
      "of two parts": `${head}.${body}`,
      "with a header that must be understood": await rsa
        .sign(GOOD, { crit: ["x"], x: 1 })
        .catch(() => "a.b.c"),
      "no token at all": "hello",
      "with more behind it": `${good} x`,
    };
    for (const [title, token] of Object.entries(bad)) {
      await assert.doesNotReject(assertRefused("/strict", bearer(token), 401, INVALID), title);
    }
    await assertRefused("/strict", bearer(await rsa.sign({ ...GOOD, exp: inSeconds(-1) })), 401, EXPIRED);
  });

  it("asks for a token where there is none", async () => {
    const good = await rsa.sign(GOOD);
    for (const fields of [
      "",
      "Authorization: Basic YTpi\r\n",
      "Authorization: Bearer\r\n",
      bearer(good) + bearer(good),
    ])
      await assertRefused("/strict", fields, 401, "Bearer");
  });

  it("gives the backend claims, and nothing that the client says of them", async () => {
    const forged = "X-User: root\r\nx-user: root\r\nX_User: root\r\nX-Roles: all\r\nX-N: 1\r\n";
    const claims = { sub: "Jürgen\r\nX-Evil: 1", realm: { roles: ["a", "b"] }, n: 5 };
    const token = await ec.sign({ ...GOOD, ...claims });
    await get("/strict", bearer(token) + forged);
    const { origin } = pair;
    assert.deepEqual(origin.valuesOf("x-user"), ["UTF-8''J%C3%BCrgen%0D%0AX-Evil%3A%201"]);
    assert.deepEqual(origin.valuesOf("x-roles"), ['["a","b"]']);
    assert.deepEqual(origin.valuesOf("x-n"), ["5"]);
    assert.deepEqual(origin.valuesOf("x_user"), []);
    origin.reset();
    await get("/strict", bearer(await ec.sign({ ...GOOD, sub: undefined })) + forged);
    for (const name of ["x-user", "x_user", "x-roles", "x-n", "x-who"])
      assert.deepEqual(origin.valuesOf(name), [], name);
  });

  it("with a secret takes no other algorithm, and allows for clocks", async () => {
    assert.equal(
      (await get("/secret", bearer(await signWithSecret({ exp: inSeconds(-10) }, SECRET)))).status,
      200,
    );
    pair.origin.reset();
    await assertRefused(
      "/secret",
      bearer(await signWithSecret({ exp: inSeconds(-40) }, SECRET)),
      401,
      EXPIRED,
    );
    await assertRefused("/secret", bearer(await signWithSecret({}, SECRET, "HS512")), 401, INVALID);
    await assertRefused("/secret", bearer(await signWithSecret({}, `${SECRET}x`)), 401, INVALID);
    await assertRefused("/secret", bearer(await rsa.sign({})), 401, INVALID);
  });

  it("finds the token in fields, cookies and the query", async () => {
    const token = await signWithSecret({ sub: "alice" }, SECRET);
    assert.equal((await get("/places", `x-token: ${token}\r\n`)).status, 200);
    assert.equal((await get("/places", `Cookie: a=b; session=${token}; c=d\r\n`)).status, 200);
    assert.equal((await get(`/places?a=b&token=${token}`, "")).status, 200);
    pair.origin.reset();
    await assertRefused("/places", bearer(token), 401, "Bearer");
    await assertRefused(`/places?atoken=${token}`, "", 401, "Bearer");
  });

  it("asks for claims, and says 403 where they are not there", async () => {
    const all = { sub: "alice", role: ["user", "admin"], scope: "write read", "a.b": true };
    for (const claims of [
      all,
      { ...all, role: 7, scope: "read" },
      { ...all, "a.b": undefined, a: { b: true } },
    ])
      assert.equal((await get("/needs", bearer(await signWithSecret(claims, SECRET)))).status, 200);
    pair.origin.reset();
    for (const claims of [
      { ...all, sub: undefined },
      { ...all, sub: null },
      { ...all, role: ["administrator"] },
      { ...all, role: "7" },
      { ...all, role: undefined },
      { ...all, scope: "readonly write" },
      { ...all, "a.b": "true" },
    ]) {
      const token = await signWithSecret(claims, SECRET);
      await assertRefused("/needs", bearer(token), 403, 'Bearer error="insufficient_scope"');
    }
  });

  it("remembers a token no longer than it is valid", async () => {
    const exp = inSeconds(2);
    const token = await rsa.sign({ ...GOOD, exp });
    assert.equal((await get("/strict", bearer(token))).status, 200);
    while (Date.now() < exp * 1000)
      await new Promise((resolve) => setTimeout(resolve, exp * 1000 - Date.now()));
    pair.origin.reset();
    await assertRefused("/strict", bearer(token), 401, EXPIRED);
  });

  it("keeps the connection, and lets a body wait", async () => {
    const client = await pair.connect();
    const token = await rsa.sign({ ...GOOD, sub: "bob" });
    client.send("GET /strict HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert.equal((await client.answer()).status, 401);
    client.send(
      `POST /strict HTTP/1.1\r\nHost: a.test\r\n${bearer(token)}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`,
    );
    assert.equal((await client.answer()).status, 100);
    client.send("hello");
    assert.equal((await client.answer()).status, 200);
    assert.equal(pair.origin.only.body, "hello");
    client.close();
  });

  it("fetches keys that are new, and not more often than it may", async () => {
    const next = await SigningKey.make("RS256", "next");
    const token = await next.sign(GOOD);
    assert.equal((await get("/strict", bearer(token))).status, 401);
    server.keys = [...server.keys, next.jwk];
    for (;;) {
      if ((await get("/strict", bearer(token))).status === 200) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    // A crowd of tokens of keys that nobody knows is at most one more request each 100 ms.
    const before = server.requests;
    const startedMs = Date.now();
    const unknown = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => await rsa.sign(GOOD, { kid: `none ${i}` })),
    );
    for (const one of unknown) assert.equal((await get("/strict", bearer(one))).status, 401);
    const most = 2 + Math.ceil((Date.now() - startedMs) / 100);
    assert.ok(
      server.requests - before <= most,
      `${server.requests - before} requests, expected at most ${most}`,
    );
  });

  it("keeps its keys where they cannot be fetched, and takes none that come otherwise", async () => {
    const lost = await SigningKey.make("RS256", "lost");
    const elsewhere = await KeyServer.start();
    elsewhere.keys = [lost.jwk];
    const withLost = JSON.stringify({ keys: [lost.jwk] });
    const answers: Array<NonNullable<KeyServer["answer"]>> = [
      (_request, response) => response.writeHead(500).end(withLost),
      (_request, response) => response.writeHead(302, { location: elsewhere.url }).end(),
      (_request, response) => response.end("{}"),
      (_request, response) => response.end(`no JSON ${withLost}`),
      (_request, response) => response.end(withLost + " ".repeat(2_000_000)),
      (request) => request.socket.destroy(),
    ];
    for (const [i, answer] of answers.entries()) {
      const before = server.requests;
      server.answer = answer;
      const token = await lost.sign(GOOD);
      while (server.requests < before + 2)
        assert.equal((await get("/strict", bearer(token))).status, 401, `${i}`);
      assert.equal((await get("/strict", bearer(await rsa.sign({ ...GOOD, sub: `new ${i}` })))).status, 200);
    }
    await elsewhere.stop();
    server.answer = null;
    await pair.gateway.logged(
      ({ msg, reason }) =>
        msg === "keys for tokens are not renewed" && reason === "expected status 200, found 500",
    );
  });

  it("answers 503 while there are no keys, and goes on when there are", async () => {
    const other = await KeyServer.start();
    other.keys = [rsa.jwk];
    other.answer = (_request, response) => response.writeHead(503).end();
    await pair.gateway.adopt(
      `routing: { all: { respond: {}, policies: { jwt: { jwks_url: "${other.url}", jwks_cooldown: 50ms } } } }`,
    );
    const token = await rsa.sign(GOOD);
    const answer = await get("/", bearer(token));
    assert.equal(answer.status, 503);
    assert.equal(JSON.parse(answer.body).error.code, "auth_unavailable");
    other.answer = null;
    for (;;) {
      if ((await get("/", bearer(token))).status === 200) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await other.stop();
    assert.equal((await get("/", bearer(await rsa.sign({ ...GOOD, sub: "later" })))).status, 200);
  });

  it("reads a file of keys again on a reload", async () => {
    const file = join(pair.gateway.folder, "jwks.json");
    const config =
      "routing: { all: { respond: {}, policies: { jwt: { jwks_file: jwks.json, algorithms: RS256 } } } }";
    writeFileSync(file, JSON.stringify({ keys: [rsa.jwk, ec.jwk] }));
    await pair.gateway.adopt(config);
    const [old, next] = [await rsa.sign({}), await stranger.sign({})];
    assert.equal((await get("/", bearer(old))).status, 200);
    assert.equal((await get("/", bearer(next))).status, 401);
    assert.equal((await get("/", bearer(await ec.sign({})))).status, 401);
    writeFileSync(file, JSON.stringify({ keys: [stranger.jwk] }));
    await pair.gateway.adopt(config);
    assert.equal((await get("/", bearer(old))).status, 401);
    assert.equal((await get("/", bearer(next))).status, 200);
  });
});
