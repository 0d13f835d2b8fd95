// Active checks, seen by clients: backends that die, come back, and are new. Real gateway process.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { type LogLine, TestGateway } from "../support/gateway.ts";
import { RawBackend, RawConnection } from "../support/raw.ts";
import { ask, Origin, quickCheck } from "./origin.ts";

/** The log line about that backend, written since the log had `from` lines. */
function logged(gateway: TestGateway, from: number, msg: string, backend: string): Promise<LogLine> {
  return gateway.logged((line, at) => at >= from && line.msg === msg && line["backend"] === backend);
}

describe("health checks", () => {
  let gateway: TestGateway;
  let a: Origin;
  let b: Origin;

  beforeEach(async () => {
    [a, b] = [await Origin.start("a"), await Origin.start("b")];
  });
  afterEach(async () => {
    await gateway.stop("SIGKILL");
    await Promise.all([a.kill(), b.kill()]);
  });

  function config(backends: readonly string[], rules = ""): string {
    return `backends: { origin: [${backends.join(", ")}] }
upstreams: { origin: { ${rules} } }
routing: { all: { upstream: origin, load_balancer: round_robin } }
`;
  }

  /** Starts the gateway: what it starts with is taken to be up. */
  async function start(backends: readonly string[], rules = ""): Promise<void> {
    gateway = await TestGateway.start(config(backends, rules));
  }

  it("take a killed backend out and bring it back, while no request fails", async () => {
    await start([a.entry(quickCheck()), b.entry(quickCheck())]);
    assert.deepEqual(new Set(await ask(gateway.port, 10)), new Set(["a", "b"]));

    let from = gateway.log.length;
    await a.kill();
    // Before the checks notice, the requests move on by themselves.
    assert.deepEqual(new Set(await ask(gateway.port, 10)), new Set(["b"]));
    const down = await logged(gateway, from, "backend down", "a");
    assert.deepEqual(
      [down["upstream"], down["address"], down["from"], down["to"], down["reason"]],
      ["origin", `127.0.0.1:${a.port}`, "up", "down", `connect ECONNREFUSED 127.0.0.1:${a.port}`],
    );
    assert.deepEqual(new Set(await ask(gateway.port, 10)), new Set(["b"]));

    from = gateway.log.length;
    await a.start();
    const up = await logged(gateway, from, "backend up", "a");
    assert.deepEqual([up["from"], up["to"]], ["down", "up"]);
    assert.deepEqual(new Set(await ask(gateway.port, 10)), new Set(["a", "b"]));
  });

  it("keep requests from a backend that serves, but says that it is ill", async () => {
    await start([a.entry(quickCheck()), b.entry(quickCheck())]);
    const from = gateway.log.length;
    a.health = 503;
    const line = await logged(gateway, from, "backend down", "a");
    assert.equal(line["reason"], "expected status 200-399, got 503");
    const { served } = a;
    assert.deepEqual(new Set(await ask(gateway.port, 20)), new Set(["b"]));
    assert.equal(a.served, served);
  });

  it("let a backend that a reload added in only after the first good one", async () => {
    await start([a.entry(quickCheck())]);
    b.health = 500;
    const from = gateway.log.length;
    await gateway.adopt(config([a.entry(quickCheck()), b.entry(quickCheck(1000))]));
    assert.deepEqual(new Set(await ask(gateway.port, 20)), new Set(["a"]));
    assert.equal(b.served, 0);
    b.health = 200;
    const up = await logged(gateway, from, "backend up", "b");
    assert.deepEqual([up["from"], up["to"]], ["awaiting_check", "up"]);
    assert.deepEqual(new Set(await ask(gateway.port, 10)), new Set(["a", "b"]));
  });

  it("send nothing to an upstream of which every backend is down", async () => {
    await start([a.entry(quickCheck())]);
    const from = gateway.log.length;
    a.health = 500;
    await logged(gateway, from, "backend down", "a");
    assert.deepEqual(await ask(gateway.port, 3), ["503", "503", "503"]);
    assert.equal(a.served, 0);
  });

  it("are overruled where too few backends are up", async () => {
    await start([a.entry(quickCheck()), b.entry(quickCheck())], "panic_threshold: 60%");
    const from = gateway.log.length;
    a.health = 500;
    await logged(gateway, from, "backend down", "a");
    assert.deepEqual(new Set(await ask(gateway.port, 10)), new Set(["a", "b"]));
  });

  it("make room for an exchange that waits", async (t) => {
    const held = await RawBackend.start(() => {});
    t.after(() => held.stop());
    a.health = 500;
    const entries = [`{ id: held, host: 127.0.0.1, port: ${held.port}, max_conn: 1 }`, a.entry(quickCheck())];
    await start(entries, "queue: { timeout: 50s }");
    await logged(gateway, 0, "backend down", "a");
    const first = await RawConnection.connect(gateway.port);
    t.after(() => first.destroy());
    first.write("GET /first HTTP/1.1\r\nHost: test\r\n\r\n");
    await (await held.connection(0)).until("\r\n\r\n");
    const second = await RawConnection.connect(gateway.port);
    t.after(() => second.destroy());
    second.write("GET /second HTTP/1.1\r\nHost: test\r\n\r\n");
    a.health = 200;
    assert.match(await second.until("\r\n\r\na"), /^HTTP\/1\.1 200 /);
    assert.equal(held.connections.length, 1);
  });

  it("bring a backend back with few exchanges at first, where it starts slowly", async () => {
    await start([a.entry(quickCheck()), b.entry(quickCheck())], "slow_start: 10m");
    let from = gateway.log.length;
    a.health = 500;
    await logged(gateway, from, "backend down", "a");
    from = gateway.log.length;
    a.health = 200;
    await logged(gateway, from, "backend up", "a");
    const answers = await ask(gateway.port, 400);
    const share = answers.filter((name) => name === "a").length / answers.length;
    // A tenth at most may go to it; one in five is six standard deviations away.
    assert.ok(share < 0.2, `${share}`);
  });

  it("go on over a reload that does not touch them, and do not begin anew", async () => {
    const settings = "health_check: { path: /health, interval: 10m }";
    const backends = [a.entry(settings)];
    await start(backends);
    while (a.checked === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await gateway.adopt(config([...backends, b.entry(settings)]));
    while (b.checked === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(a.checked, 1);
  });
});

describe("health checks of a gateway that starts", () => {
  let a: Origin;
  before(async () => {
    a = await Origin.start("a");
  });
  after(() => a.kill());

  it("do not keep it from serving at once, and take out what is down", async () => {
    const gateway =
      await TestGateway.start(`backends: { origin: [${a.entry(quickCheck())}, { id: gone, host: 127.0.0.1, port: 1, ${quickCheck()} }] }
routing: { all: { upstream: origin, load_balancer: round_robin } }
`);
    try {
      assert.deepEqual(new Set(await ask(gateway.port, 4)), new Set(["a"]));
      const line = await logged(gateway, 0, "backend down", "gone");
      assert.equal(line["failed_checks"], 2);
    } finally {
      await gateway.stop("SIGKILL");
    }
  });

  it("do not keep it from ending", async () => {
    const silent = await RawBackend.start(() => {});
    const check = "health_check: { path: /health, timeout: 1h }";
    const gateway =
      await TestGateway.start(`backends: { origin: [{ host: 127.0.0.1, port: ${silent.port}, ${check} }] }
routing: { all: { upstream: origin } }
`);
    const connection = await silent.connection(0);
    await connection.until("\r\n\r\n");
    assert.equal(await gateway.stop(), 0);
    await connection.untilEnd();
    await silent.stop();
  });
});
