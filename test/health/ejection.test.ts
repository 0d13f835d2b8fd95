// Ejection from its first failure to its end, seen by clients. Real gateway process.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { ask, Origin } from "./origin.ts";

describe("ejection", () => {
  let gateway: TestGateway;
  let a: Origin;
  let b: Origin;

  beforeEach(async () => {
    [a, b] = [await Origin.start("a"), await Origin.start("b")];
    gateway = await TestGateway.start("routing: {}");
  });
  afterEach(async () => {
    await gateway.stop("SIGKILL");
    await Promise.all([a.kill(), b.kill()]);
  });

  const config = (ejection: string) => `backends: { origin: [${a.entry()}, ${b.entry()}] }
upstreams: { origin: { ejection: { ${ejection} } } }
routing: { all: { upstream: origin, load_balancer: round_robin } }
`;

  it("keeps exchanges from a backend that fails them, for its time, and then lets it in again", async () => {
    await gateway.adopt(config("failures: 3, time: 1s"));
    const from = gateway.log.length;
    a.status = 503;
    await ask(gateway.port, 20);
    const ejected = await gateway.logged((line, at) => at >= from && line.msg === "backend ejected");
    assert.deepEqual([ejected["upstream"], ejected["backend"]], ["origin", "a"]);
    // Every second request was for it, until the third failure.
    assert.equal(a.served, 3);
    a.status = 200;
    const back = await gateway.logged((line, at) => at >= from && line.msg === "backend back after ejection");
    assert.deepEqual(
      [back["upstream"], back["backend"], back["from"], back["to"]],
      ["origin", "a", "ejected", "up"],
    );
    const tookMs = Date.parse(String(back["time"])) - Date.parse(String(ejected["time"]));
    assert.ok(tookMs >= 900 && tookMs < 10_000, `${tookMs}`);
    assert.deepEqual(new Set(await ask(gateway.port, 10)), new Set(["a", "b"]));
  });

  it("lasts longer each time in a row", async () => {
    await gateway.adopt(config("failures: 1, time: 500ms, max_time: 10m"));
    a.status = 502;
    const lengths: number[] = [];
    for (let i = 0; i < 2; i++) {
      const from = gateway.log.length;
      await ask(gateway.port, 4);
      const ejected = await gateway.logged((line, at) => at >= from && line.msg === "backend ejected");
      lengths.push(Number(ejected["for_ms"]));
      await gateway.logged((line, at) => at >= from && line.msg === "backend back after ejection");
    }
    assert.deepEqual(lengths, [500, 1000]);
  });

  it("never takes more backends than its share", async () => {
    await gateway.adopt(config("failures: 1, time: 10m, max_share: 50%"));
    a.status = 503;
    b.status = 503;
    await ask(gateway.port, 20);
    assert.equal(gateway.log.filter((line) => line.msg === "backend ejected").length, 1);
    assert.ok(a.served + b.served >= 20);
  });

  it("ends with a reload that turns it off", async () => {
    await gateway.adopt(config("failures: 1, time: 10m"));
    a.status = 503;
    await ask(gateway.port, 4);
    a.status = 200;
    const from = gateway.log.length;
    await gateway.adopt(config("enabled: false"));
    const back = await gateway.logged((line, at) => at >= from && line.msg === "backend back after ejection");
    assert.equal(back["reason"], "ejection was turned off");
    assert.deepEqual(new Set(await ask(gateway.port, 10)), new Set(["a", "b"]));
  });
});
