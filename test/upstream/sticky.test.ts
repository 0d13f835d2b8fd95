// Clients that stay with their backend by a cookie: over requests, connections, data threads, reloads and restarts. Real
// gateway processes.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import type { Answer } from "../http/client.ts";
import { type GatewayOptions, TestGateway } from "../support/gateway.ts";
import { answers, configOf, get, type NamedOrigin, origins, valuesIn, whoOf } from "./named-origin.ts";

const SECRET = "nobody can guess this";
const STICKY = `load_balancer: sticky, sticky: { secret: ${SECRET} }`;
const OPTIONS: GatewayOptions = { server: "workers: 2" };

/** The cookie that an answer sets, as name=value, or null. There is never more than one. */
function cookieIn(answer: Answer, name = "sluice_backend"): string | null {
  const found = valuesIn(answer, "set-cookie").filter((value) => value.startsWith(`${name}=`));
  assert.ok(found.length <= 1, found.join("; "));
  return found[0]?.split(";")[0] ?? null;
}

const withCookie = (port: number, cookie: string) => get(port, `Cookie: ${cookie}\r\n`);

/** A client's first request: where it went, and the cookie that it got. */
async function first(port: number): Promise<{ who: string; cookie: string }> {
  const answer = await get(port);
  const cookie = cookieIn(answer);
  assert.notEqual(cookie, null);
  return { who: whoOf(answer), cookie: cookie! };
}

/** A cookie for each of those backends. */
async function cookies(port: number, names: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  while (found.size < names.length) {
    const { who, cookie } = await first(port);
    assert.equal(found.get(who) ?? cookie, cookie);
    found.set(who, cookie);
  }
  return found;
}

/** Each cookie leads to its backend, on whichever thread, and is not set again. */
async function assertFollowed(port: number, all: ReadonlyMap<string, string>, times = 6): Promise<void> {
  for (let i = 0; i < times; i++) {
    for (const [who, cookie] of all) {
      const answer = await withCookie(port, cookie);
      assert.deepEqual([whoOf(answer), cookieIn(answer)], [who, null]);
    }
  }
}

describe("the cookie of sticky", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start("routing: {}", OPTIONS);
  });
  after(() => gateway.stop("SIGKILL"));

  async function adopt(t: TestContext, names: string, route = STICKY): Promise<NamedOrigin[]> {
    const backends = await origins(t, names);
    const rules = "ejection: { enabled: false }, retry_budget: { least: 100 }";
    await gateway.adopt(configOf(backends, { rules, route }), OPTIONS);
    return backends;
  }

  it("is set once, and followed over requests, connections and data threads", async (t) => {
    await adopt(t, "abc");
    await assertFollowed(gateway.port, await cookies(gateway.port, "abc"));
  });

  it("is found among others, and those of the backend stay", async (t) => {
    const [a] = await adopt(t, "ab");
    const all = await cookies(gateway.port, "ab");
    const answer = await withCookie(gateway.port, `x=1; ${all.get("b")}; sluice_backend_=2`);
    assert.deepEqual([whoOf(answer), cookieIn(answer)], ["b", null]);
    a!.deed = (response) => {
      response.setHeader("Set-Cookie", ["own=1", "other=2; Path=/x"]);
      response.end("a");
    };
    let own = await get(gateway.port);
    while (whoOf(own) !== "a") own = await get(gateway.port);
    assert.deepEqual(valuesIn(own, "set-cookie").slice(0, 2), ["own=1", "other=2; Path=/x"]);
    assert.equal(cookieIn(own), all.get("a"));
  });

  it("has the name and the attributes that the route gives it", async (t) => {
    const route = `load_balancer: sticky, sticky: { secret: ${SECRET}, cookie: sid, max_age: 1h, secure: true }`;
    await adopt(t, "a", route);
    const [value] = valuesIn(await get(gateway.port), "set-cookie");
    assert.match(value!, /^sid=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=3600; Secure$/);
    await adopt(t, "a");
    const [standard] = valuesIn(await get(gateway.port), "set-cookie");
    assert.match(standard!, /^sluice_backend=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax$/);
  });

  it("tells nothing of the backend, and is not followed when anybody changed it", async (t) => {
    await adopt(t, "abc");
    const all = await cookies(gateway.port, "abc");
    const [name, value] = all.get("a")!.split("=") as [string, string];
    assert.doesNotMatch(value, /127|^a$/);
    const flipped = value[0] === "A" ? "B" : "A";
    const changed = [
      flipped + value.slice(1),
      value.slice(0, -1) + (value.at(-1) === "A" ? "B" : "A"),
      value.slice(0, -1),
      `${value}A`,
      value.toLowerCase(),
      `"${value}"`,
      "a",
      "",
      "0",
      "__proto__",
    ];
    for (const one of changed) {
      const answer = await withCookie(gateway.port, `${name}=${one}`);
      assert.equal(cookieIn(answer), all.get(whoOf(answer)), `${one} was followed`);
    }
  });

  it("of another upstream or another secret is not followed", async (t) => {
    await adopt(t, "abc");
    const before = await cookies(gateway.port, "abc");
    const backends = await adopt(t, "abc");
    const others = await cookies(gateway.port, "abc");
    const another = configOf(backends, { route: STICKY.replace(SECRET, `${SECRET} either`) });
    for (const [who, cookie] of before) assert.notEqual(others.get(who), cookie);
    for (const cookie of before.values())
      assert.notEqual(cookieIn(await withCookie(gateway.port, cookie)), null);
    await gateway.adopt(another, OPTIONS);
    for (const cookie of others.values())
      assert.notEqual(cookieIn(await withCookie(gateway.port, cookie)), null);
  });

  it("is a new one when the backend is gone, and stays that when it is back", async (t) => {
    const [a] = await adopt(t, "abc");
    const all = await cookies(gateway.port, "abc");
    await a!.kill();
    const answer = await withCookie(gateway.port, all.get("a")!);
    const who = whoOf(answer);
    assert.match(who, /^[bc]$/);
    const cookie = cookieIn(answer)!;
    assert.equal(cookie, all.get(who));
    await a!.start();
    await assertFollowed(gateway.port, new Map([[who, cookie]]));
  });

  it("is that of the backend that answered, where the first one failed", async (t) => {
    const backends = await adopt(t, "ab", `${STICKY}, retry: { on: [503] }`);
    const all = await cookies(gateway.port, "ab");
    backends[0]!.deed = answers(503);
    for (let i = 0; i < 4; i++) {
      const answer = await get(gateway.port);
      assert.deepEqual([whoOf(answer), cookieIn(answer)], ["b", all.get("b")]);
    }
    const own = await withCookie(gateway.port, all.get("b")!);
    assert.deepEqual([whoOf(own), cookieIn(own)], ["b", null]);
  });

  it("comes with the answer to an upgrade, too", async (t) => {
    await adopt(t, "ab");
    const all = await cookies(gateway.port, "ab");
    const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    const answer = await get(gateway.port, upgrade);
    const [who] = valuesIn(answer, "x-backend");
    assert.deepEqual([answer.status, cookieIn(answer)], [101, all.get(who!)]);
    const followed = await get(gateway.port, `${upgrade}Cookie: ${all.get(who!)}\r\n`);
    assert.deepEqual([valuesIn(followed, "x-backend"), cookieIn(followed)], [[who], null]);
  });

  it("is not set with an answer of the gateway itself", async (t) => {
    const [a] = await adopt(t, "a");
    await a!.kill();
    const answer = await get(gateway.port);
    assert.deepEqual([answer.status, cookieIn(answer)], [502, null]);
  });

  it("lives through a reload that adds a backend, and changes when its own is taken out", async (t) => {
    const backends = await origins(t, "abc");
    const all = configOf(backends, { route: STICKY });
    const without = (name: string) => all.replace(`id: ${name},`, `id: ${name}, active: false,`);
    await gateway.adopt(without("c"), OPTIONS);
    const two = await cookies(gateway.port, "ab");
    await gateway.adopt(all, OPTIONS);
    await assertFollowed(gateway.port, two);
    await gateway.adopt(without("a"), OPTIONS);
    await assertFollowed(gateway.port, new Map([["b", two.get("b")!]]));
    const answer = await withCookie(gateway.port, two.get("a")!);
    assert.match(whoOf(answer), /^[bc]$/);
    assert.notEqual(cookieIn(answer), null);
  });
});

describe("a restart", () => {
  async function cookiesOf(config: string, options: GatewayOptions): Promise<Map<string, string>> {
    const gateway = await TestGateway.start(config, options);
    const found = await cookies(gateway.port, "ab");
    await gateway.stop("SIGTERM");
    return found;
  }

  async function assertFollowedBy(config: string, options: GatewayOptions, all: ReadonlyMap<string, string>) {
    const gateway = await TestGateway.start(config, options);
    try {
      await assertFollowed(gateway.port, all, 3);
    } finally {
      await gateway.stop("SIGKILL");
    }
  }

  it("changes no cookie where the route has a secret", async (t) => {
    const config = configOf(await origins(t, "ab"), { route: STICKY });
    const all = await cookiesOf(config, OPTIONS);
    await assertFollowedBy(config, OPTIONS, all);
    // Another gateway, with more threads.
    await assertFollowedBy(config, { server: "workers: 3" }, all);
  });

  it("changes no cookie where the gateway made the secret, and has kept it", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-test-state-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const config = configOf(await origins(t, "ab"), { route: "load_balancer: sticky" });
    const options = { ...OPTIONS, env: { STATE_DIRECTORY: join(folder, "one") } };
    const all = await cookiesOf(config, options);
    await assertFollowedBy(config, options, all);
    const others = await cookiesOf(config, { ...OPTIONS, env: { STATE_DIRECTORY: join(folder, "other") } });
    for (const [who, cookie] of all) assert.notEqual(others.get(who), cookie);
  });
});
