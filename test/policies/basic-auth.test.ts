// The policy `basic_auth`, as clients and a backend see it. Runs against a gateway in a process of its own.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { type Answer, ask, Client } from "../http/client.ts";
import { Pair } from "../http/pair.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { basic, bcryptHash, scryptHash } from "./passwords.ts";

const ALICE = basic("alice", "wonder:land");
const BOB = basic("bob", "pässword");
const SLOW = bcryptHash("right", 13);

const ROUTES = `
  guarded: { path: /guarded, upstream: origin, policies: {
    basic_auth: { realm: 'the "zone"', users: { alice: '${scryptHash("wonder:land")}', bob: '${bcryptHash("pässword")}', "Zoë K": '${scryptHash("z")}' } },
    headers: { request: { set: { X-User: "{user}" } } } } },
  passed: { path: /passed, upstream: origin, policies: { basic_auth: { forward: true, users: { alice: '${scryptHash("wonder:land")}' } } } },
  slow: { path: /slow, upstream: origin, policies: { basic_auth: { users: { slow: '${SLOW}' } } } },`;

/** Values of Authorization on /guarded, and what is answered. */
const CASES: ReadonlyArray<readonly [title: string, field: string | null, status: number]> = [
  ["no credentials", null, 401],
  ["the right ones, of scrypt", ALICE, 200],
  ["the right ones, of bcrypt and in UTF-8", BOB, 200],
  ["a scheme in another case", ALICE.replace("Basic", "bAsIc"), 200],
  ["more spaces", ALICE.replace(" ", "   "), 200],
  ["a wrong password", basic("alice", "wonder"), 401],
  ["the password of another user", basic("bob", "wonder:land"), 401],
  ["the password of a user for nobody", basic("nobody", "wonder:land"), 401],
  ["a user in another case", basic("Alice", "wonder:land"), 401],
  ["no password", basic("alice", ""), 401],
  ["nobody and nothing", basic("", ""), 401],
  ["a name of what every object has", basic("__proto__", "x"), 401],
  ["another scheme", "Bearer abc", 401],
  ["only a scheme", "Basic", 401],
  ["what is no base64", "Basic !!!!", 401],
  ["base64 with more behind it", `${ALICE} x`, 401],
  ["no colon", `Basic ${Buffer.from("alice").toString("base64")}`, 401],
  ["a control character", basic("alice", "wonder:land\0"), 401],
  ["two fields", `${ALICE}\r\nAuthorization: ${ALICE}`, 401],
];

describe("the policy basic_auth", { timeout: 60_000 }, () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.start({ routes: ROUTES });
  });
  beforeEach(() => pair.origin.reset());
  after(() => pair.stop());

  function request(path: string, field: string | null, method = "GET"): string {
    const line = field === null ? "" : `Authorization: ${field}\r\n`;
    return `${method} ${path} HTTP/1.1\r\nHost: a.test\r\n${line}\r\n`;
  }

  async function get(path: string, field: string | null): Promise<Answer> {
    return (await ask(pair.port, request(path, field))).answer;
  }

  for (const [title, field, status] of CASES) {
    it(`answers ${status} to ${title}`, async () => {
      // The second time it may be remembered.
      for (let i = 0; i < 2; i++) {
        const answer = await get("/guarded", field);
        assert.equal(answer.status, status);
        assert.deepEqual(
          valuesOf(answer.fields, "www-authenticate"),
          status === 401 ? ['Basic realm="the \\"zone\\"", charset="UTF-8"'] : [],
        );
      }
      assert.equal(pair.origin.requests.length, status === 200 ? 2 : 0);
    });
  }

  it("tells the backend who it is, and not how that was proved", async () => {
    await get("/guarded", basic("Zoë K", "z"));
    assert.deepEqual(pair.origin.valuesOf("x-user"), ["UTF-8''Zo%C3%AB%20K"]);
    assert.deepEqual(pair.origin.valuesOf("authorization"), []);
    pair.origin.reset();
    await get("/passed", ALICE);
    assert.deepEqual(pair.origin.valuesOf("authorization"), [ALICE]);
  });

  it("keeps the connection, but for a body that nobody read", async () => {
    const client = await pair.connect();
    client.send(request("/guarded", null));
    assert.equal((await client.answer()).status, 401);
    client.send(request("/guarded", null, "HEAD"));
    assert.equal((await client.answer("HEAD")).status, 401);
    client.send(request("/guarded", BOB) + request("/guarded", ALICE));
    assert.equal((await client.answer()).status, 200);
    assert.equal((await client.answer()).status, 200);
    client.send(`POST /guarded HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhel`);
    const answer = await client.answer();
    assert.equal(answer.status, 401);
    assert.deepEqual(valuesOf(answer.fields, "connection"), ["close"]);
    assert.equal(await client.ended(), "");
    client.close();
  });

  it("lets a body wait until the password is compared", async () => {
    const client = await pair.connect();
    const head = `POST /slow HTTP/1.1\r\nHost: a.test\r\nAuthorization: ${basic("slow", "right")}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    client.send(`${head}5\r\nhello\r\n0\r\n\r\n`);
    assert.equal((await client.answer()).status, 200);
    assert.equal(pair.origin.only.body, "hello");
    client.close();
  });

  it("compares without keeping others waiting, and remembers who was right", async () => {
    const order: string[] = [];
    assert.equal((await get("/guarded", ALICE)).status, 200);
    const wrong = get("/slow", basic("slow", "wrong")).then(({ status }) => order.push(`compared ${status}`));
    for (let i = 0; i < 5; i++) order.push(`remembered ${(await get("/guarded", ALICE)).status}`);
    await wrong;
    assert.deepEqual(order, [...Array(5).fill("remembered 200"), "compared 401"]);
  });

  it("refuses what would wait too long, and forgets clients that have gone", async () => {
    const clients: Client[] = [];
    for (let i = 0; i < 80; i++) {
      const client = await Client.connect(pair.port);
      client.send(request("/slow", basic("slow", `guess ${i}`)));
      clients.push(client);
    }
    const last = await clients.at(-1)!.answer();
    assert.equal(last.status, 503);
    assert.equal(JSON.parse(last.body).error.code, "auth_overloaded");
    for (const client of clients) client.close();
    // All of them compared would take half a minute.
    assert.equal((await get("/guarded", basic("alice", "another"))).status, 401);
  });

  it("reads a file of users again on a reload and on a change, and forgets changed passwords", async () => {
    const file = join(pair.gateway.folder, "users");
    const config = "routing: { all: { respond: {}, policies: { basic_auth: { users_file: users } } } }";
    writeFileSync(
      file,
      `# people\n\nalice:${scryptHash("one")}\r\nbob:${bcryptHash("two").replace("$2b$", "$2y$")}\n`,
    );
    await pair.gateway.adopt(config);
    assert.equal((await get("/", basic("alice", "one"))).status, 200);
    assert.equal((await get("/", basic("bob", "two"))).status, 200);
    writeFileSync(file, `alice:${scryptHash("three")}\nbob:${bcryptHash("two")}\n`);
    await pair.gateway.adopt(config);
    assert.equal((await get("/", basic("alice", "one"))).status, 401);
    assert.equal((await get("/", basic("alice", "three"))).status, 200);
    assert.equal((await get("/", basic("bob", "two"))).status, 200);
    const from = pair.gateway.log.length;
    writeFileSync(file, "alice:secret\n");
    await pair.gateway.logged(({ msg }, at) => at >= from && msg.startsWith("changed files not reloaded"));
    const log = pair.gateway.log.map(({ msg }) => msg).join("\n");
    assert.match(log, /users": line 1, user "alice": expected a hash of scrypt or bcrypt/);
    assert.ok(!log.includes("secret"));
    assert.equal((await get("/", basic("alice", "three"))).status, 200);
    writeFileSync(file, `alice:${scryptHash("four")}\n`);
    await pair.gateway.logged(({ msg }, at) => at >= from && msg === "changed files reloaded");
    assert.equal((await get("/", basic("alice", "four"))).status, 200);
    assert.equal((await get("/", basic("bob", "two"))).status, 401);
  });
});
