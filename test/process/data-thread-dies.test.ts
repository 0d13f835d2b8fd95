// A data thread that dies: it is told, replaced, and what it held is given back, while the others serve on.
// Real gateway process, with a bug loaded into it from outside.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { DEADLY_ADDRESS } from "../support/deadly-client.ts";
import { TestGateway } from "../support/gateway.ts";
import { RawConnection } from "../support/raw.ts";

const PRELOAD = new URL("../support/deadly-client.ts", import.meta.url).href;
const CONFIG = "routing: { all: { respond: { body: hello } } }\n";

async function mortalGateway(t: TestContext, server: string): Promise<TestGateway> {
  const gateway = await TestGateway.start(CONFIG, { server, env: { NODE_OPTIONS: `--import=${PRELOAD}` } });
  t.after(() => gateway.stop("SIGKILL"));
  return gateway;
}

/** Kills one data thread. */
async function kill(gateway: TestGateway): Promise<void> {
  const since = gateway.log.length;
  const socket = connect({ port: gateway.port, host: "127.0.0.1", localAddress: DEADLY_ADDRESS });
  socket.on("error", () => {});
  const line = await gateway.logged(({ msg }, at) => at >= since && msg.includes("ended by itself"));
  socket.destroy();
  assert.equal(line.level, "error");
  assert.match(line.msg, /^data thread \d ended by itself: starting it again$/);
  assert.match(String(line["stack"]), /a deadly client/);
}

async function ask(gateway: TestGateway): Promise<RawConnection> {
  const client = await RawConnection.connect(gateway.port);
  client.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
  assert.match(await client.until("hello"), /^HTTP\/1\.1 200 /);
  return client;
}

describe("when a data thread dies", () => {
  it("another one takes its place, and its connections count no more", async (t) => {
    const gateway = await mortalGateway(t, "workers: 1, max_conn: 2");
    const lost = await ask(gateway);
    await kill(gateway);
    await lost.untilEnd();
    await gateway.logged(({ msg }) => msg === "data thread 0 is back");
    const clients = [await ask(gateway), await ask(gateway)];
    for (const client of clients) client.destroy();
    assert.equal(await gateway.stop(), 0);
  });

  it("the other one serves on", async (t) => {
    const gateway = await mortalGateway(t, "workers: 2");
    await kill(gateway);
    for (let i = 0; i < 20; i++) (await ask(gateway)).destroy();
    assert.equal(gateway.log.filter(({ msg }) => /is back$/.test(msg)).length, 0, "too late to tell");
    await gateway.logged(({ msg }) => /is back$/.test(msg));
  });

  it("a reload waits until it is back, or says that it is not", async (t) => {
    const gateway = await mortalGateway(t, "workers: 1");
    await kill(gateway);
    gateway.configure("routing: { all: { respond: { status: 404 } } }\n");
    const early = await gateway.reload();
    assert.deepEqual([early.level, gateway.log.at(-2)?.msg], ["error", "data thread 0 ended"]);
    await gateway.logged(({ msg }) => msg === "data thread 0 is back");
    assert.equal((await gateway.reload()).level, "info");
    const client = await RawConnection.connect(gateway.port);
    t.after(() => client.destroy());
    client.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert.match(await client.until("\r\n\r\n"), /^HTTP\/1\.1 404 /);
  });

  it("the gateway can be stopped before it is back", async (t) => {
    const gateway = await mortalGateway(t, "workers: 1");
    await kill(gateway);
    assert.equal(await gateway.stop(), 0);
    assert.equal(gateway.log.filter(({ msg }) => /is back$/.test(msg)).length, 0);
  });
});
