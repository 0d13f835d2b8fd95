// The unit of systemd: systemd itself reads it, and what it promises works without systemd. Real gateway processes.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { ask } from "../http/client.ts";
import { DEADLY_ADDRESS } from "../support/deadly-client.ts";
import { TestGateway } from "../support/gateway.ts";
import { AS_NOBODY, freePrivilegedPorts, NOBODY, needsReadableSource } from "./privileged.ts";

const UNIT = new URL("../../packaging/sluice.service", import.meta.url).pathname;
const PRELOAD = new URL("../support/deadly-client.ts", import.meta.url).href;
const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
const HELLO = 'routing: { all: { respond: { body: "hello" } } }\n';

/** The settings of the unit, by name. */
function settings(): Map<string, string> {
  const lines = readFileSync(UNIT, "utf8").matchAll(/^(\w+)=(.*)$/gm);
  return new Map([...lines].map(([, name = "", value = ""]) => [name, value]));
}

describe("the unit", { timeout: 120_000 }, () => {
  it("is one without anything that systemd does not know", async () => {
    const { stdout, stderr } = await promisify(execFile)("systemd-analyze", ["verify", UNIT]);
    assert.equal(stdout + stderr, "");
  });

  it("lets the gateway tell that it is ready, reloads by SIGHUP, and lets V8 compile", () => {
    const unit = settings();
    assert.equal(unit.get("Type"), "notify");
    // systemd-notify is a child.
    assert.equal(unit.get("NotifyAccess"), "all");
    assert.match(unit.get("ExecReload")!, /kill -HUP \$MAINPID$/);
    assert.match(unit.get("ExecStart")!, / sluice run -c \/etc\/sluice\/sluice\.yaml$/);
    assert.ok(!unit.has("MemoryDenyWriteExecute"));
    assert.notEqual(unit.get("User"), "root");
  });

  // As systemd does it: the user, one capability and no way to more.
  const capability = settings().get("AmbientCapabilities")!.replace("CAP_", "+").toLowerCase();
  it(
    "gives what ports of root's need, also to a data thread that is started again",
    needsReadableSource,
    async (t) => {
      const [port = 0] = await freePrivilegedPorts(1, 900);
      const prefix = [
        ...AS_NOBODY,
        "--no-new-privs",
        ...[`--inh-caps=${capability}`, `--ambient-caps=${capability}`, `--bounding-set=-all,${capability}`],
      ];
      const server = `host: 127.0.0.1, port: ${port}`;
      const env = { NODE_OPTIONS: `--import=${PRELOAD}` };
      const gateway = await TestGateway.start(HELLO, { owner: NOBODY, server, prefix, env });
      t.after(() => gateway.stop("SIGKILL"));
      assert.equal((await ask(port || gateway.port, GET)).answer.status, 200);
      const socket = connect({ port: gateway.port, host: "127.0.0.1", localAddress: DEADLY_ADDRESS });
      socket.on("error", () => {});
      await gateway.logged(({ msg }) => msg.endsWith("is back"));
      socket.destroy();
      assert.equal((await ask(gateway.port, GET)).answer.status, 200);
      assert.equal(readFileSync(`/proc/${gateway.process.pid}/status`, "utf8").includes("Uid:\t0"), false);
    },
  );
});
