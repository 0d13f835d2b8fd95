// Requests that go by what they say or by who sent them: consistent_hash and ip_hash. Real gateway process.

import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { type GatewayOptions, TestGateway } from "../support/gateway.ts";
import { configOf, get, type NamedOrigin, origins, whoOf } from "./named-origin.ts";

const OPTIONS: GatewayOptions = { server: "workers: 2, trusted_proxies: [127.0.0.1]" };
const KEYS = Array.from({ length: 30 }, (_, i) => `key-${i}`);
const ADDRESSES = Array.from({ length: 30 }, (_, i) => `203.0.113.${i}`);

interface Request {
  readonly fields?: string;
  readonly target?: string;
}

describe("requests", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start("routing: {}", OPTIONS);
  });
  after(() => gateway.stop("SIGKILL"));

  async function adopt(t: TestContext, route: string, options = OPTIONS): Promise<NamedOrigin[]> {
    const backends = await origins(t, "abc");
    await gateway.adopt(configOf(backends, { rules: "ejection: { enabled: false }", route }), options);
    return backends;
  }

  async function who({ fields = "", target = "/" }: Request): Promise<string> {
    return whoOf(await get(gateway.port, fields, target));
  }

  /** Where each of them goes, which is the same every time, on whichever data thread. */
  async function places(requests: readonly Request[]): Promise<string[]> {
    const found: string[] = [];
    for (const request of requests) found.push(await who(request));
    for (let i = 0; i < 2; i++)
      for (const [at, request] of requests.entries()) assert.equal(await who(request), found[at]);
    return found;
  }

  const TABLE: ReadonlyArray<readonly [key: string, request: (key: string, i: number) => Request]> = [
    ["header:X-User", (key, i) => ({ fields: `x-user: ${key}\r\n`, target: `/${i}` })],
    ["cookie:uid", (key, i) => ({ fields: `Cookie: a=${i}; uid=${key}\r\n` })],
    ["query:tenant", (key, i) => ({ target: `/${i}?a=${i}&tenant=${key}` })],
    ["path", (key, i) => ({ target: `/${key}?a=${i}` })],
    ["client", (_key, i) => ({ fields: `X-Forwarded-For: ${ADDRESSES[i]}\r\n` })],
  ];
  for (const [key, request] of TABLE) {
    it(`with the same ${key} go to the same backend, and others elsewhere`, async (t) => {
      await adopt(t, `load_balancer: consistent_hash, hash_key: "${key}"`);
      const found = await places(KEYS.map(request));
      assert.deepEqual([...new Set(found)].sort(), ["a", "b", "c"]);
    });
  }

  it("move only where their backend is gone, and come back with it", async (t) => {
    const [a] = await adopt(t, "load_balancer: consistent_hash, hash_key: path");
    const requests = KEYS.map((key) => ({ target: `/${key}` }));
    const before = await places(requests);
    await a!.kill();
    const during = await places(requests);
    for (const [i, place] of before.entries()) {
      if (place === "a") assert.match(during[i]!, /^[bc]$/);
      else assert.equal(during[i], place);
    }
    await a!.start();
    assert.deepEqual(await places(requests), before);
  });

  it("without the key go anywhere", async (t) => {
    await adopt(t, `load_balancer: consistent_hash, hash_key: "header:X-User"`);
    const found = new Set<string>();
    // By chance: a backend is missed by this many once in 10^11 times.
    for (let i = 0; i < 64 && found.size < 3; i++) found.add(await who({ target: "/same" }));
    assert.deepEqual([...found].sort(), ["a", "b", "c"]);
  });

  const from = (address: string): Request => ({ fields: `X-Forwarded-For: ${address}\r\n` });

  it("of a client behind a trusted proxy go to one backend with ip_hash", async (t) => {
    await adopt(t, "load_balancer: ip_hash");
    const found = await places(ADDRESSES.map(from));
    assert.deepEqual([...new Set(found)].sort(), ["a", "b", "c"]);
  });

  it("cannot choose their backend with ip_hash where nobody is trusted", async (t) => {
    await adopt(t, "load_balancer: ip_hash", { server: "workers: 2" });
    assert.equal(new Set(await places(ADDRESSES.map(from))).size, 1);
  });
});
