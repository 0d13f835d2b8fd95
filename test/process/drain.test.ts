// The end of the gateway: what is under way is finished, what is idle goes at once, what hangs is cut and counted.
// Real gateway process.

import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { RawBackend, RawConnection } from "../support/raw.ts";

const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** A gateway and a backend that answers only what the test answers. */
async function scene(t: TestContext, server = ""): Promise<{ gateway: TestGateway; backend: RawBackend }> {
  const backend = await RawBackend.start(() => {});
  const gateway = await TestGateway.start(
    `backends: { origin: [{ host: 127.0.0.1, port: ${backend.port} }] }
routing: { all: { upstream: origin }, small: { path: /small, respond: { body: small } } }
`,
    { server },
  );
  t.after(async () => {
    await gateway.stop("SIGKILL");
    await backend.stop();
  });
  return { gateway, backend };
}

/** A client, and the backend's side of the request that it has sent. */
async function ask(gateway: TestGateway, backend: RawBackend, request = GET) {
  const index = backend.connections.length;
  const client = await RawConnection.connect(gateway.port);
  client.write(request);
  const origin = await backend.connection(index);
  await origin.until("\r\n\r\n");
  return { client, origin };
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  describe(`after ${signal} the gateway`, () => {
    it("finishes what is under way, lets go of what is idle, takes nothing new, and exits with 0", async (t) => {
      const { gateway, backend } = await scene(t);
      const waiting = await ask(gateway, backend);
      const streaming = await ask(gateway, backend);
      streaming.origin.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n");
      await streaming.client.until("begun");
      const uploading = await ask(
        gateway,
        backend,
        "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\n\r\nbody",
      );
      const idle = await RawConnection.connect(gateway.port);
      idle.write("GET /small HTTP/1.1\r\nHost: test\r\n\r\n");
      await idle.until("small");

      gateway.process.kill(signal);
      assert.equal(await idle.untilGone(), "ended");
      idle.destroy();
      await assert.rejects(RawConnection.connect(gateway.port), { code: "ECONNREFUSED" });

      waiting.origin.write(OK);
      assert.match(await waiting.client.untilEnd(), /^HTTP\/1\.1 200 [\s\S]*Connection: close[\s\S]*ok$/);
      streaming.origin.write("3\r\nend\r\n0\r\n\r\n");
      assert.match(await streaming.client.untilEnd(), /3\r\nend\r\n0\r\n\r\n$/);
      uploading.client.write("rest");
      await uploading.origin.until("bodyrest");
      uploading.origin.write(OK);
      assert.match(await uploading.client.untilEnd(), /ok$/);
      for (const { client } of [waiting, streaming, uploading]) client.destroy();
      assert.equal(await gateway.exited, 0);
      const { requests, failed_5xx } = gateway.log.find(({ msg }) => msg === "stopped")!;
      assert.deepEqual({ requests, failed_5xx }, { requests: 4, failed_5xx: 0 });
    });
  });
}

describe("when it stops, the gateway", () => {
  it("answers a request whose head was on its way", async (t) => {
    const { gateway } = await scene(t);
    const client = await RawConnection.connect(gateway.port);
    const other = await RawConnection.connect(gateway.port);
    // The gateway has the first half when it has answered the other one, whose bytes came later.
    client.write("GET /small HTTP/1.1\r\n");
    other.write("GET /small HTTP/1.1\r\nHost: test\r\n\r\n");
    await other.until("small");
    gateway.process.kill("SIGTERM");
    await other.untilEnd();
    client.write("Host: test\r\n\r\n");
    assert.match(await client.untilEnd(), /^HTTP\/1\.1 200 [\s\S]*small$/);
    client.destroy();
    other.destroy();
    assert.equal(await gateway.exited, 0);
  });

  it("serves nothing that was sent ahead of an answer", async (t) => {
    const { gateway, backend } = await scene(t);
    const { client, origin } = await ask(gateway, backend, GET + GET);
    const idle = await RawConnection.connect(gateway.port);
    gateway.process.kill("SIGTERM");
    await idle.untilEnd();
    idle.destroy();
    origin.write(OK);
    assert.match(await client.untilEnd(), /^HTTP\/1\.1 200 [\s\S]*ok$/);
    client.destroy();
    assert.equal(await gateway.exited, 0);
    assert.equal(backend.text.match(/GET/g)?.length, 1);
  });

  it("cuts at shutdown_timeout what hangs, and says how many", async (t) => {
    const { gateway, backend } = await scene(t, "shutdown_timeout: 500ms");
    const waiting = await ask(gateway, backend);
    const half = await ask(gateway, backend, "GET / HTTP/1.0\r\n\r\n");
    half.origin.write("HTTP/1.1 200 OK\r\n\r\nhalf");
    await half.client.until("half");
    const upgrade = "Connection: Upgrade\r\nUpgrade: chat\r\n\r\n";
    const tunnel = await ask(gateway, backend, `GET / HTTP/1.1\r\nHost: test\r\n${upgrade}`);
    tunnel.origin.write(`HTTP/1.1 101 Switching Protocols\r\n${upgrade}`);
    await tunnel.client.until("\r\n\r\n");
    // Has its answer, and does not close: nothing of it is lost.
    const idle = await RawConnection.connect(gateway.port);
    idle.write("GET /small HTTP/1.1\r\nHost: test\r\n\r\n");
    await idle.until("small");

    const startedAt = performance.now();
    gateway.process.kill("SIGTERM");
    await waiting.client.untilEnd();
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs >= 500 && tookMs < 5000, `${tookMs} ms`);
    assert.equal(await half.client.untilGone(), "reset");
    await tunnel.client.untilEnd();
    for (const { origin } of [waiting, half, tunnel]) await origin.untilEnd();
    assert.equal(await gateway.exited, 0);
    const line = gateway.log.find(({ msg }) => msg.startsWith("connections cut"));
    assert.equal(line?.["connections"], 3);
    const failures = gateway.log.filter(({ code }) => code === "shutting_down");
    assert.equal(failures.length, 3);
  });
});
