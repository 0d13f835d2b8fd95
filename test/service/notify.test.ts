// What the gateway tells a service manager, and when (sd_notify). Real gateway processes, a real datagram socket.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { listeningSockets } from "../process/sockets.ts";
import { TestGateway } from "../support/gateway.ts";
import { NotifyReceiver } from "./receiver.ts";

const HELLO = 'routing: { all: { respond: { body: "hello" } } }\n';

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-notify-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

async function listen(t: TestContext, name = join(temporaryFolder(t), "notify")) {
  const receiver = await NotifyReceiver.listen(name);
  t.after(() => receiver.stop());
  return { receiver, env: { NOTIFY_SOCKET: name } };
}

async function start(t: TestContext, env: NodeJS.ProcessEnv, server = ""): Promise<TestGateway> {
  const gateway = await TestGateway.start(HELLO, { env, server });
  t.after(() => gateway.stop("SIGKILL"));
  return gateway;
}

/** The clock of MONOTONIC_USEC. */
function monotonicMicros(): bigint {
  return process.hrtime.bigint() / 1000n;
}

describe("a service manager is told", { timeout: 120_000 }, () => {
  it("READY=1 when every data thread listens", async (t) => {
    const { receiver, env } = await listen(t);
    const starting = start(t, env, "workers: 3");
    const [, status = ""] = await receiver.next("READY=1");
    const [, port] = /^STATUS=listening on http:\/\/127\.0\.0\.1:(\d+)$/.exec(status) ?? [];
    assert.equal(listeningSockets(Number(port)), 3, status);
    await starting;
  });

  it("of a reload when it begins and when it is over, and of the end", async (t) => {
    const { receiver, env } = await listen(t);
    const gateway = await start(t, env, "shutdown_timeout: 7s");
    await receiver.next("READY=1");
    const before = monotonicMicros();
    await gateway.reload();
    const [, usec = ""] = await receiver.next("RELOADING=1");
    assert.match(usec, /^MONOTONIC_USEC=\d+$/);
    const at = BigInt(usec.slice("MONOTONIC_USEC=".length));
    assert.ok(before <= at && at <= monotonicMicros(), `${before} ${usec} ${monotonicMicros()}`);
    assert.deepEqual(await receiver.next("READY=1"), ["READY=1", "STATUS=configuration reloaded"]);
    gateway.process.kill("SIGTERM");
    assert.deepEqual(await receiver.next("STOPPING=1"), [
      "STOPPING=1",
      "EXTEND_TIMEOUT_USEC=12000000",
      "STATUS=ending what is under way",
    ]);
    assert.equal(await gateway.exited, 0);
  });

  it("that a reload was not accepted", async (t) => {
    const { receiver, env } = await listen(t);
    const gateway = await start(t, env);
    await receiver.next("READY=1");
    gateway.configure("rooting: {}\n");
    assert.equal((await gateway.reload()).level, "error");
    await receiver.next("RELOADING=1");
    const [, status] = await receiver.next("READY=1");
    assert.match(status!, /^STATUS=configuration not reloaded/);
  });

  it("on an abstract socket, too", async (t) => {
    const { receiver, env } = await listen(t, `@sluice-test-${process.pid}`);
    await start(t, env);
    await receiver.next("READY=1");
  });

  it("nothing where there is none", async (t) => {
    const folder = temporaryFolder(t);
    // In place of the program that sends.
    writeFileSync(join(folder, "systemd-notify"), '#!/bin/sh\necho "$@" >> "$0.called"\n', { mode: 0o755 });
    const calls = join(folder, "systemd-notify.called");
    for (const NOTIFY_SOCKET of ["", join(folder, "socket")]) {
      const gateway = await start(t, { PATH: folder, NOTIFY_SOCKET });
      await gateway.reload();
      assert.equal(await gateway.stop(), 0);
      if (NOTIFY_SOCKET === "") assert.ok(!existsSync(calls));
    }
    assert.match(readFileSync(calls, "utf8"), /^READY=1 /);
  });
});

describe("a gateway that cannot tell its service manager", { timeout: 120_000 }, () => {
  for (const [why, env, reason] of [
    ["there is no systemd-notify", { PATH: "/nowhere" }, /: there is no program systemd-notify$/],
    ["nobody listens", {}, /: Failed to notify /],
  ] as const) {
    it(`goes on, and says so once: ${why}`, async (t) => {
      const gateway = await start(t, { NOTIFY_SOCKET: join(temporaryFolder(t), "none"), ...env });
      const { level, msg } = await gateway.logged((line) => line.msg.startsWith("cannot tell"));
      assert.equal(level, "warn");
      assert.match(msg, /^cannot tell the service manager READY=1: /);
      assert.match(msg, reason);
      await gateway.reload();
      gateway.process.kill("SIGTERM");
      assert.equal(await gateway.exited, 0);
      assert.equal(gateway.log.filter((line) => line.msg.startsWith("cannot tell")).length, 1);
    });
  }
});
