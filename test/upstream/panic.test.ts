// The panic threshold: where too few backends are up, all of them are used, up or not. Real gateway process.

import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { answers, codeOf, configOf, get, type NamedOrigin, origins, whoAnswers } from "./named-origin.ts";

const ROUNDS = 6;

describe("the panic threshold", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start("routing: {}", { server: "workers: 2" });
  });
  after(() => gateway.stop("SIGKILL"));

  /** Four backends, of which so many are out for good although they would answer. */
  async function withOut(t: TestContext, out: number, threshold: string): Promise<NamedOrigin[]> {
    const backends = await origins(t, "abcd");
    const rules = `ejection: { failures: 1, max_share: 100%, time: 10m }, panic_threshold: ${threshold}`;
    const sick = backends.slice(0, out);
    for (const backend of sick) backend.deed = answers(503);
    await gateway.adopt(configOf(backends, { rules }));
    // Both threads have their turns: each sick backend has one within so many requests.
    while (sick.some(({ served }) => served === 0)) await get(gateway.port);
    for (const backend of sick) backend.deed = answers();
    return backends;
  }

  for (const { out, threshold, used } of [
    { out: 1, threshold: "50%", used: "bcd" },
    { out: 2, threshold: "50%", used: "cd" },
    { out: 3, threshold: "50%", used: "abcd" },
    { out: 4, threshold: "50%", used: "abcd" },
    { out: 1, threshold: "100%", used: "abcd" },
    { out: 3, threshold: "25%", used: "d" },
    { out: 3, threshold: "0", used: "d" },
  ]) {
    it(`of ${threshold} has ${used} used where ${out} of abcd are not up`, async (t) => {
      await withOut(t, out, threshold);
      const seen = await whoAnswers(gateway.port, 4 * ROUNDS);
      assert.deepEqual([...new Set(seen)].sort().join(""), used);
    });
  }

  it("of 0 leaves 503 where nobody is up", async (t) => {
    await withOut(t, 4, "0");
    const answer = await get(gateway.port);
    assert.deepEqual([answer.status, codeOf(answer)], [503, "backend_unavailable"]);
  });

  it("costs no request where some of the backends are really gone", async (t) => {
    const [a, b, c, d] = await withOut(t, 3, "50%");
    await a!.kill();
    await b!.kill();
    const seen = await whoAnswers(gateway.port, 4 * ROUNDS);
    assert.deepEqual([...new Set(seen)].sort(), ["c", "d"]);
    assert.ok(c!.served > 0 && d!.served > 0);
  });

  it("is left when enough backends are up again", async (t) => {
    const backends = await origins(t, "abcd");
    const check = "health_check: { path: /, interval: 50ms, failures: 1 }";
    const config = configOf(
      backends.map((backend) => backend.entry(check)),
      { rules: "panic_threshold: 50%" },
    );
    const from = gateway.log.length;
    await gateway.adopt(config);
    const isLogged = (msg: string, backend: NamedOrigin) =>
      gateway.logged((line, at) => at >= from && line.msg === msg && line["backend"] === backend.name);
    await Promise.all(backends.map((backend) => isLogged("backend up", backend)));
    const [a, b, c, d] = backends;
    for (const backend of [a!, b!, c!]) backend.deed = answers(500);
    await Promise.all([a!, b!, c!].map((backend) => isLogged("backend down", backend)));
    assert.deepEqual(new Set(await whoAnswers(gateway.port, 16)), new Set(["500", "d"]));
    c!.deed = answers();
    await gateway.logged(
      (line, at) =>
        at > from && line.msg === "backend up" && line["from"] === "down" && line["backend"] === "c",
    );
    assert.deepEqual(new Set(await whoAnswers(gateway.port, 16)), new Set(["c", "d"]));
    assert.ok(d!.served > 0);
  });
});
