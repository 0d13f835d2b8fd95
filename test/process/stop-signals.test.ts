// More than one signal to stop, and how long the gateway then waits. A real gateway process before a raw backend.

import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { Client } from "../http/client.ts";
import { proxyTo, TestGateway } from "../support/gateway.ts";
import { RawBackend } from "../support/raw.ts";

/** A gateway with a request that the backend has not answered. */
async function start(t: TestContext, server = "") {
  const backend = await RawBackend.start(() => {});
  t.after(() => backend.stop());
  const gateway = await TestGateway.start(proxyTo(backend.port), { server });
  t.after(() => gateway.stop("SIGKILL"));
  const client = await Client.connect(gateway.port);
  t.after(() => client.close());
  client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
  const upstream = await backend.connection(0);
  await upstream.until("\r\n\r\n");
  return { gateway, backend, client, upstream };
}

async function interrupt(gateway: TestGateway): Promise<void> {
  gateway.process.kill("SIGINT");
  await gateway.logged(({ msg }) => msg === "SIGINT: no new connections, ending what is under way");
}

describe("a gateway that is stopping", { timeout: 120_000 }, () => {
  it("is not hurried by the echo of the signal", async (t) => {
    const { gateway, client, upstream } = await start(t);
    await interrupt(gateway);
    gateway.process.kill("SIGINT");
    gateway.process.kill("SIGTERM");
    upstream.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
    assert.equal((await client.answer()).body, "done");
    client.close();
    assert.equal(await gateway.exited, 0);
  });

  it("ends at once, with 1, when it is told again after a second", async (t) => {
    const { gateway } = await start(t, "shutdown_timeout: 1h");
    await interrupt(gateway);
    await wait(1100);
    gateway.process.kill("SIGINT");
    assert.equal(await gateway.exited, 1);
  });

  it("waits for the shutdown_timeout of the last reload", async (t) => {
    const { gateway, backend } = await start(t, "shutdown_timeout: 1h");
    await gateway.adopt(proxyTo(backend.port), { server: "shutdown_timeout: 50ms" });
    gateway.process.kill("SIGTERM");
    assert.equal(await gateway.exited, 0);
    const cut = gateway.log.find(({ msg }) => msg === "connections cut at server.shutdown_timeout");
    assert.equal(cut?.["connections"], 1);
  });
});
