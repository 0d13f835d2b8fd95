// Bodies that take their time, on their way to a handler and from it: whom they hold up, and what they take of memory.
// Real gateway, real VMs, raw sockets.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it, type TestContext } from "node:test";
import { residentBytes } from "../stream/flow.ts";
import { RawConnection } from "../support/raw.ts";
import { WaitingApp } from "./waiting-app.ts";

/** What the buffers of the system and of the gateway may take of a stream that stands still. */
const STILL_BYTES = 16 * 1024 ** 2;

async function clientOf(t: TestContext, app: WaitingApp): Promise<RawConnection> {
  const client = await RawConnection.connect(app.gateway.port);
  t.after(() => client.destroy());
  return client;
}

/** Writes as long as somebody takes it, or so many bytes. Resolves with the bytes when nothing moves any more. */
async function writeUntilStill(client: RawConnection, bytes: number): Promise<number> {
  const piece = Buffer.alloc(65_536, "x");
  let written = 0;
  while (written < bytes) {
    const taken = client.socket.write(piece);
    written += piece.length;
    if (taken) continue;
    const drained = once(client.socket, "drain").then(() => true);
    const late = new Promise<boolean>((resolve) => setTimeout(resolve, 500, false));
    if (!(await Promise.race([drained, late]))) break;
  }
  return written;
}

describe("a request body", () => {
  it("that trickles in holds up neither the VM nor the queue, whatever the number, and is served when it is whole", async (t) => {
    const app = await WaitingApp.start("concurrency: 1, queue: { size: 1 }", { server: "workers: 2" });
    t.after(() => app.gateway.stop());
    const uploads: RawConnection[] = [];
    for (let i = 0; i < 300; i++) {
      const client = await clientOf(t, app);
      client.write(`POST /text HTTP/1.1\r\nHost: a\r\nContent-Length: 6000\r\n\r\n${"x".repeat(5000)}`);
      uploads.push(client);
    }
    const trickle = setInterval(() => {
      for (const client of uploads) client.write("x");
    }, 50);
    t.after(() => clearInterval(trickle));
    let slowest = 0;
    for (let i = 0; i < 200; i++) {
      const startedAt = performance.now();
      assert.equal(await app.ask("/hold"), "200 held");
      slowest = Math.max(slowest, performance.now() - startedAt);
    }
    assert.ok(slowest < 1000, `${slowest} ms`);
    const { vms, queue } = await app.app();
    assert.deepEqual([vms[0]!.outstanding, queue.queued, queue.rejected], [0, 0, 0]);
    clearInterval(trickle);
    const [first] = uploads;
    first!.write("x".repeat(1000));
    assert.match(await first!.until("6000"), /^HTTP\/1\.1 200 /);
  });

  it("that comes with less than min_body_rate gets 408, and no VM has heard of it", async (t) => {
    const app = await WaitingApp.start("concurrency: 1", {
      server: "read_timeout: 500ms",
      more: "limits: { min_body_rate: 1kb }",
    });
    t.after(() => app.gateway.stop());
    const client = await clientOf(t, app);
    client.write("POST /hold?name=slow HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx");
    const trickle = setInterval(() => client.write("x"), 20);
    t.after(() => clearInterval(trickle));
    assert.match(await client.untilEnd(), /^HTTP\/1\.1 408 [\s\S]*request_timeout/);
    assert.ok(!(await app.seen()).order.includes("slow"));
  });

  it("that never ends gets 504 at the deadline of a handler that reads all of it", async (t) => {
    const app = await WaitingApp.start("timeout: 500ms");
    t.after(() => app.gateway.stop());
    const client = await clientOf(t, app);
    client.write("POST /text HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    const endless = setInterval(() => client.write(`4000\r\n${"x".repeat(16_384)}\r\n`), 5);
    t.after(() => clearInterval(endless));
    assert.match(await client.until("app_timeout"), /^HTTP\/1\.1 504 /);
    assert.equal(await app.ask("/hold"), "200 held");
    await app.untilOutstanding(0);
  });

  it("that nobody reads stops its client, and takes no memory", async (t) => {
    const app = await WaitingApp.start("timeout: 60s");
    t.after(() => app.gateway.stop());
    const client = await clientOf(t, app);
    const before = residentBytes(app.gateway.process.pid!);
    client.write("POST /unread?ms=60000 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    const written = await writeUntilStill(client, 1e9);
    assert.ok(written < STILL_BYTES, `${written} bytes were taken`);
    const grown = residentBytes(app.gateway.process.pid!) - before;
    assert.ok(grown < 2 * STILL_BYTES, `${grown} bytes more`);
    const { vms } = await app.app();
    assert.ok(residentBytes(vms[0]!.pid) < 200 * 1024 ** 2);
  });

  it("comes as fast as its handler reads it, whole", async (t) => {
    const app = await WaitingApp.start("timeout: 60s");
    t.after(() => app.gateway.stop());
    const bytes = 5_000_000;
    assert.equal(
      await app.ask("/slowly?ms=1", { method: "POST", body: Buffer.alloc(bytes) }),
      `200 ${bytes}`,
    );
  });
});

describe("a response body", () => {
  it("that its client does not take stops its handler, takes no memory, and is cut after write_timeout", async (t) => {
    const app = await WaitingApp.start("concurrency: 2, queue: { size: 0 }", { server: "write_timeout: 1s" });
    t.after(() => app.gateway.stop());
    const client = await clientOf(t, app);
    const before = residentBytes(app.gateway.process.pid!);
    client.socket.pause();
    client.write("GET /produce HTTP/1.1\r\nHost: a\r\n\r\n");
    let produced = -1;
    for (;;) {
      const now = (await app.seen()).produced;
      if (now > 0 && now === produced) break;
      produced = now;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.ok(produced < STILL_BYTES, `${produced} bytes were made`);
    const grown = residentBytes(app.gateway.process.pid!) - before;
    assert.ok(grown < 2 * STILL_BYTES, `${grown} bytes more`);
    while ((await app.seen()).cancelled === 0);
    await app.untilOutstanding(0);
    client.socket.resume();
    assert.equal(await client.untilGone(), "reset");
  });

  it("goes as fast as its client takes it, whole", async (t) => {
    const app = await WaitingApp.start("");
    t.after(() => app.gateway.stop());
    const client = await clientOf(t, app);
    client.write("GET /produce HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let bytes = 0;
    client.socket.removeAllListeners("data");
    client.socket.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > 50_000_000) client.destroy();
    });
    await once(client.socket, "close");
    assert.ok(bytes > 50_000_000);
    while ((await app.seen()).cancelled === 0);
    assert.ok((await app.seen()).produced < bytes + STILL_BYTES);
  });
});
