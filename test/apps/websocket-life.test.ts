// How WebSockets of apps end with their VM, its version and the gateway, and how many there may be. Real gateway and VMs.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { makeCertificates } from "../support/certificates.ts";
import { TestGateway } from "../support/gateway.ts";
import { Client, open, webSocketApp } from "./websocket-client.ts";
import { SocketGateway } from "./websocket-seen.ts";

async function started(t: TestContext, app = "", server = ""): Promise<SocketGateway> {
  const sockets = await SocketGateway.start(app, "", server);
  t.after(() => sockets.stop());
  return sockets;
}

async function echoes(client: Client, message: string): Promise<void> {
  client.send(message);
  assert.equal(await client.next(), message);
}

describe("WebSockets of apps", { timeout: 120_000 }, () => {
  it("are closed with 1011 where their VM is killed, and another VM takes new ones", async (t) => {
    const sockets = await started(t);
    const client = await open(sockets.port, "/echo");
    await echoes(client, "before");
    process.kill(await sockets.vmPid(), "SIGKILL");
    assert.deepEqual(await client.ended, { code: 1011, reason: "the app ended" });
    await sockets.gateway.logged((line) => line["code"] === "vm_ended" && line["path"] === "/echo");
    const next = await open(sockets.port, "/echo");
    await echoes(next, "after");
    next.terminate();
    await sockets.counted((counts) => counts.open === 0);
  });

  it("are closed with 1011 where their VM exits by itself", async (t) => {
    const sockets = await started(t);
    const client = await open(sockets.port, "/exit");
    client.send("now");
    assert.equal((await client.ended).code, 1011);
  });

  it("stay at the old version until they close, or drain_timeout is over: then 1012", async (t) => {
    const sockets = await started(t, "drain_timeout: 3s");
    const { gateway, port } = sockets;
    const [first, second] = [await open(port, "/echo"), await open(port, "/echo")];
    await gateway.adopt(
      `admin: { host: 127.0.0.1, port: 0 }\n${webSocketApp("drain_timeout: 3s, timeout: 4s")}`,
    );
    await echoes(first, "old version");
    await echoes(second, "old version");
    first.close(1000);
    assert.equal((await first.ended).code, 1000);
    const third = await open(port, "/echo");
    assert.deepEqual(await second.ended, { code: 1012, reason: "the app was replaced" });
    await echoes(third, "new version");
    third.terminate();
  });

  it("let the old version go as soon as the last one closes", async (t) => {
    const sockets = await started(t, "drain_timeout: 1h");
    const { gateway, port } = sockets;
    const client = await open(port, "/echo");
    const pid = await sockets.vmPid();
    await gateway.adopt(
      `admin: { host: 127.0.0.1, port: 0 }\n${webSocketApp("drain_timeout: 1h, timeout: 4s")}`,
    );
    await echoes(client, "old version");
    process.kill(pid, 0);
    client.close(1000);
    for (;;) {
      try {
        process.kill(pid, 0);
      } catch {
        break;
      }
      await sockets.get("/seen");
    }
  });

  it("are closed with 1001 where the gateway stops", async (t) => {
    const sockets = await started(t);
    const client = await open(sockets.port, "/note?id=stop");
    const stopped = sockets.stop();
    assert.deepEqual(await client.ended, { code: 1001, reason: "the gateway is stopping" });
    assert.equal(await stopped, 0);
  });

  it("hold no place at their VM, and 1000 of them are served at once", async (t) => {
    const sockets = await started(t, "concurrency: 2, queue: { size: 8 }, instances: 2");
    const clients: Client[] = [];
    for (let at = 0; at < 1000; at += 10)
      clients.push(...(await Promise.all(Array.from({ length: 10 }, () => open(sockets.port, "/echo")))));
    await sockets.counted(({ open: count }) => count === 1000);
    for (let round = 0; round < 3; round++)
      await Promise.all(clients.map((client, i) => echoes(client, `${round} of ${i}`)));
    const counts = await sockets.counted(() => true);
    assert.deepEqual(counts, { open: 1000, messages_in: 3000, messages_out: 3000, over_limit: 0 });
    for (const client of clients) client.terminate();
    await sockets.counted(({ open: count }) => count === 0);
  });

  it("go over TLS, long messages in pieces too", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-websocket-tls-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const { ca, server } = await makeCertificates(folder);
    const gateway = await TestGateway.start(
      `ssl: { enabled: true, cert_file: ${server.certFile}, key_file: ${server.keyFile} }\n${webSocketApp()}`,
    );
    t.after(() => gateway.stop());
    const client = new Client(`wss://127.0.0.1:${gateway.port}/echo`, [], { ca: ca.cert });
    await once(client, "open");
    await echoes(client, "short");
    await echoes(client, "long".repeat(200_000));
    client.close(1000);
    assert.equal((await client.ended).code, 1000);
  });

  it("are told apart by their data threads", async (t) => {
    const sockets = await started(t, "", "workers: 2");
    const clients = await Promise.all(Array.from({ length: 20 }, () => open(sockets.port, "/echo")));
    await Promise.all(clients.map((client, i) => echoes(client, `client ${i}`)));
    for (const client of clients) client.terminate();
  });
});
