// Backup backends: used while no other backend of the upstream is up, and no longer. Real gateway process.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { answers, closes, configOf, get, origins, whoAnswers } from "./named-origin.ts";

const FOR_GOOD = "ejection: { failures: 1, max_share: 100%, time: 10m }";
const CHECK = "health_check: { path: /, interval: 50ms, failures: 1 }";

describe("a backup", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start("routing: {}", { server: "workers: 2" });
  });
  after(() => gateway.stop("SIGKILL"));

  it("gets nothing while others are up, and everything while none is, for as long as that lasts", async (t) => {
    const [a, b, c] = await origins(t, "abc");
    const backends = [a!.entry(CHECK), b!.entry(CHECK), c!.entry(`backup: true, ${CHECK}`)];
    let from = gateway.log.length;
    await gateway.adopt(configOf(backends, { rules: "ejection: { enabled: false }" }));
    /** The line that this backend went up or down. */
    const turned = (msg: string, backend: string) =>
      gateway.logged((line, at) => at >= from && line.msg === msg && line["backend"] === backend);
    for (const name of "abc") await turned("backend up", name);
    assert.deepEqual(new Set(await whoAnswers(gateway.port, 8)), new Set(["a", "b"]));

    from = gateway.log.length;
    await a!.kill();
    await turned("backend down", "a");
    assert.deepEqual(new Set(await whoAnswers(gateway.port, 8)), new Set(["b"]));

    await b!.kill();
    // Before the checks know of it, a request that nobody else takes is for the backup too.
    assert.deepEqual(new Set(await whoAnswers(gateway.port, 4)), new Set(["c"]));
    await turned("backend down", "b");
    assert.deepEqual(new Set(await whoAnswers(gateway.port, 8)), new Set(["c"]));

    from = gateway.log.length;
    await b!.start();
    await turned("backend up", "b");
    assert.deepEqual(new Set(await whoAnswers(gateway.port, 8)), new Set(["b"]));
    await a!.start();
    await turned("backend up", "a");
    assert.deepEqual(new Set(await whoAnswers(gateway.port, 8)), new Set(["a", "b"]));
  });

  it("takes what all others were ejected for", async (t) => {
    const [a, b, c] = await origins(t, "abc");
    a!.deed = closes;
    b!.deed = answers(503);
    const backends = [a!, b!, c!.entry("backup: true")];
    const route = "retry: { on: [closed, 503] }";
    await gateway.adopt(configOf(backends, { rules: FOR_GOOD, route }));
    assert.deepEqual(new Set(await whoAnswers(gateway.port, 8)), new Set(["c"]));
    assert.deepEqual([a!.served, b!.served], [1, 1]);
  });

  it("shares with other backups by the balancer of the route", async (t) => {
    const [a, b, c] = await origins(t, "abc");
    await a!.kill();
    const backends = [a!, b!.entry("backup: true"), c!.entry("backup: true")];
    await gateway.adopt(configOf(backends, { rules: FOR_GOOD }));
    await get(gateway.port);
    const seen = await whoAnswers(gateway.port, 16);
    const count = (name: string) => seen.filter((own) => own === name).length;
    // Each thread gives one after the other their turn.
    assert.deepEqual([count("a"), count("b") + count("c")], [0, 16]);
    assert.ok(count("b") >= 7 && count("b") <= 9, seen.join(""));
  });

  it("does not help where the others are full: exchanges wait for them", async (t) => {
    const [a, b] = await origins(t, "ab");
    const backends = [a!.entry("max_conn: 1"), b!.entry("backup: true")];
    const answered = Promise.withResolvers<() => void>();
    a!.deed = (response, name) => answered.resolve(() => answers()(response, name));
    await gateway.adopt(configOf(backends));
    const one = get(gateway.port);
    const answer = await answered.promise;
    const other = get(gateway.port);
    a!.deed = answers();
    answer();
    assert.deepEqual([(await one).body, (await other).body], ["a", "a"]);
    assert.equal(b!.served, 0);
  });

  it("comes before backends that are down, in panic too", async (t) => {
    const [a, b, c] = await origins(t, "abc");
    a!.deed = answers(503);
    b!.deed = answers(503);
    const rules = `${FOR_GOOD}, panic_threshold: 50%`;
    await gateway.adopt(configOf([a!, b!, c!.entry("backup: true")], { rules }));
    // One is ejected by the first request, the other one by the second.
    await whoAnswers(gateway.port, 4);
    const { served } = c!;
    const before = a!.served + b!.served;
    assert.deepEqual(new Set(await whoAnswers(gateway.port, 8)), new Set(["c"]));
    assert.equal(a!.served + b!.served, before);
    assert.equal(c!.served, served + 8);
  });
});
