// A gateway that binds ports as root and goes on as another user. Real gateway processes; most of it needs root.

import assert from "node:assert/strict";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, it, type TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import { ask } from "../http/client.ts";
import { listeningSockets } from "../process/sockets.ts";
import { makeCertificates } from "../support/certificates.ts";
import { DEADLY_ADDRESS } from "../support/deadly-client.ts";
import { type GatewayOptions, TestGateway } from "../support/gateway.ts";
import {
  AS_NOBODY,
  freePrivilegedPorts,
  IS_ROOT,
  NOBODY,
  needsReadableSource,
  needsRoot,
} from "./privileged.ts";

const PRELOAD = new URL("../support/deadly-client.ts", import.meta.url).href;
const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
const HELLO = 'routing: { all: { respond: { body: "hello" } } }\n';

async function start(t: TestContext, config: string, options: GatewayOptions): Promise<TestGateway> {
  const gateway = await TestGateway.start(config, { owner: NOBODY, ...options });
  t.after(() => gateway.stop("SIGKILL"));
  return gateway;
}

/** The exit code, and what a gateway that does not start says; `%` stands for its folder. */
async function refusal(t: TestContext, config: string, options: GatewayOptions): Promise<[unknown, string]> {
  const gateway = new TestGateway(config, { owner: NOBODY, ...options });
  const code = await gateway.exited;
  t.after(() => gateway.stop());
  return [code, gateway.log.map(({ msg }) => msg.replace(gateway.folder, "%")).join("\n")];
}

/** What the kernel says of each thread of the process. */
function threadsOf({ process: { pid } }: TestGateway) {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8");
    const read = (key: string) => new RegExp(`^${key}:[\\t ]*(.*?) *$`, "m").exec(status)?.[1] ?? "";
    return {
      name: read("Name"),
      uids: read("Uid"),
      gids: read("Gid"),
      groups: read("Groups"),
      capabilities: read("CapEff") + read("CapPrm"),
    };
  });
}

function ownerOf(path: string): typeof NOBODY & { mode: string } {
  const { uid, gid, mode } = statSync(path);
  return { uid, gid, mode: (mode & 0o777).toString(8) };
}

describe("a gateway that root starts with run_as", { ...needsRoot, timeout: 120_000 }, () => {
  let ports: number[];
  /** A socket for everybody's port where this machine has no other. */
  const at = (i: number) => ports[i] ?? 0;
  before(async () => {
    ports = await freePrivilegedPorts(3, 1024);
  });

  it("is that user in every thread, without capabilities or groups of root, and serves its ports", async (t) => {
    const listeners = `listeners: [{ host: 127.0.0.1, port: ${at(0)} }, { host: 127.0.0.1, port: ${at(1)} }]`;
    const config = `${HELLO}access_log: { path: access.log }\nadmin: { port: 0 }\n`;
    const gateway = await start(t, config, { server: `${listeners}, workers: 2, run_as: nobody` });
    const threads = threadsOf(gateway);
    const names = threads.map(({ name }) => name);
    for (const name of ["data thread 0", "data thread 1"]) assert.ok(names.includes(name), String(names));
    // Real, effective, saved, and that of file systems.
    const four = (id: number) => Array(4).fill(id).join("\t");
    for (const { name, uids, gids, groups, capabilities } of threads) {
      assert.deepEqual([uids, gids, groups], [four(NOBODY.uid), four(NOBODY.gid), String(NOBODY.gid)], name);
      assert.match(capabilities, /^0+$/, name);
    }
    assert.equal((await ask(gateway.port, GET)).answer.body, "hello");
    const log = ownerOf(join(gateway.folder, "access.log"));
    assert.deepEqual([log.uid, log.gid], [NOBODY.uid, NOBODY.gid]);
    assert.deepEqual(ownerOf(join(gateway.folder, "state")), { ...NOBODY, mode: "700" });
    assert.deepEqual(ownerOf(join(gateway.folder, "state/admin-token")), { ...NOBODY, mode: "600" });
    const said = await gateway.logged(({ msg }) => msg === "gave root up");
    assert.deepEqual([said["user"], said["uid"], said["gid"]], ["nobody", NOBODY.uid, NOBODY.gid]);
    assert.equal(gateway.log.filter(({ level }) => level === "warn").length, 0);
  });

  it("is in the group that is named", async (t) => {
    const gateway = await start(t, HELLO, { server: `run_as: "${NOBODY.uid}:7"` });
    for (const { gids } of threadsOf(gateway)) assert.equal(gids, "7\t7\t7\t7");
  });

  it("reloads; a port that needs root is refused, and the one before goes on", async (t) => {
    const server = (port: number) => `host: 127.0.0.1, port: ${port}, run_as: nobody`;
    const gateway = await start(t, `${HELLO}admin: { port: 0 }\n`, { server: server(at(0)) });
    assert.equal((await gateway.reload()).level, "info");
    // In a container everybody may bind every port.
    if (ports.length > 1) {
      gateway.configure(HELLO, { server: server(at(1)) });
      assert.equal((await gateway.reload()).level, "error");
      assert.match(gateway.log.at(-2)!.msg, /ports below 1024 need root .*: a restart\)$/);
      assert.equal((await ask(gateway.port, GET)).answer.status, 200);
    }
    await gateway.adopt(HELLO, {
      server: `listeners: [{ host: 127.0.0.1, port: ${at(0)} }, { host: 127.0.0.1, port: 0 }], run_as: nobody`,
    });
    assert.equal((await ask(gateway.port, GET)).answer.status, 200);
  });

  it("opens a port again that a reload had given up", async (t) => {
    const gateway = await start(t, HELLO, {
      server: "listeners: [{ host: 127.0.0.1, port: 0 }, { host: 127.0.0.1, port: 0 }], run_as: nobody",
    });
    const { msg } = await gateway.logged((line) => line.msg.startsWith("listening on "));
    const second = /, http:\/\/127\.0\.0\.1:(\d+)$/.exec(msg)![1]!;
    const one = `host: 127.0.0.1, port: ${gateway.port}, run_as: nobody`;
    await gateway.adopt(HELLO, { server: one });
    await gateway.adopt(HELLO, {
      server: `listeners: [{ host: 127.0.0.1, port: ${gateway.port} }, { host: 127.0.0.1, port: ${second} }], run_as: nobody`,
    });
    assert.equal((await ask(Number(second), GET)).answer.status, 200);
  });

  it("starts a data thread that died again, on the port of root's", needsReadableSource, async (t) => {
    const server = `host: 127.0.0.1, port: ${at(0)}, workers: 2, run_as: nobody`;
    const gateway = await start(t, HELLO, { server, env: { NODE_OPTIONS: `--import=${PRELOAD}` } });
    for (let death = 0; death < 3; death++) {
      const since = gateway.log.length;
      const socket = connect({ port: gateway.port, host: "127.0.0.1", localAddress: DEADLY_ADDRESS });
      socket.on("error", () => {});
      await gateway.logged(({ msg }, i) => i >= since && msg.includes("ended by itself"));
      socket.destroy();
      await gateway.logged(({ msg }, i) => i >= since && msg.endsWith("is back"));
      assert.equal(listeningSockets(gateway.port), 2);
      for (let i = 0; i < 20; i++) assert.equal((await ask(gateway.port, GET)).answer.status, 200);
    }
    for (const { uids } of threadsOf(gateway)) assert.match(uids, new RegExp(`^${NOBODY.uid}\t`));
  });

  it("opens its log again after SIGUSR2, as that user", async (t) => {
    const config = `${HELLO}access_log: { path: access.log }\n`;
    const gateway = await start(t, config, { server: "run_as: nobody" });
    const path = join(gateway.folder, "access.log");
    await ask(gateway.port, GET);
    renameSync(path, `${path}.1`);
    gateway.process.kill("SIGUSR2");
    while (!existsSync(path)) await ask(gateway.port, GET);
    const { uid, gid } = ownerOf(path);
    assert.deepEqual({ uid, gid }, NOBODY);
    gateway.process.kill("SIGTERM");
    assert.equal(await gateway.exited, 0);
    assert.notEqual(readFileSync(`${path}.1`, "utf8"), "");
  });

  it("does not start with a log that the user may not write, and leaves the file as it is", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-run-as-"));
    t.after(() => rmSync(folder, { recursive: true }));
    chmodSync(folder, 0o755);
    const log = join(folder, "access.log");
    writeFileSync(log, "");
    const owner = ownerOf(log);
    const config = `${HELLO}access_log: { path: ${log} }\n`;
    const [code, said] = await refusal(t, config, { server: "run_as: nobody" });
    assert.equal(code, 1);
    assert.ok(said.includes(`Cannot write the access log ${JSON.stringify(log)} as "nobody"`), said);
    assert.deepEqual(ownerOf(log), owner);
  });

  it("says at start that a reload will fail where the user cannot read the configuration", async (t) => {
    const gateway = new TestGateway(HELLO, { owner: NOBODY, server: "run_as: nobody" });
    t.after(() => gateway.stop("SIGKILL"));
    chmodSync(gateway.configFile, 0o600);
    await gateway.logged(({ msg }) => msg.startsWith("listening on "));
    const warnings = gateway.log.filter(({ level }) => level === "warn").map(({ msg }) => msg);
    assert.equal(warnings.length, 2);
    assert.match(warnings[0]!, /: cannot read the file: permission denied$/);
    assert.equal(warnings[1], "a reload will fail: nobody cannot read all of the configuration");
    assert.equal((await gateway.reload()).level, "error");
  });

  it("serves with a key that only root can read, until a reload wants to read it again", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-run-as-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const { server } = await makeCertificates(folder);
    const config = `${HELLO}ssl: { enabled: true, cert_file: ${server.certFile}, key_file: ${server.keyFile} }\n`;
    const gateway = await start(t, config, { server: "run_as: nobody" });
    await gateway.logged(
      ({ msg }) => msg === "a reload will fail: nobody cannot read all of the configuration",
    );
    const before = gateway.log.length;
    assert.equal((await gateway.reload()).level, "error");
    const said = gateway.log.slice(before).map(({ msg }) => msg);
    assert.ok(
      said.some((msg) =>
        /: ssl\.key_file: cannot use ".*": cannot read the file: permission denied$/.test(msg),
      ),
      said.join("\n"),
    );
    const socket = connectTls({ port: gateway.port, host: "127.0.0.1", rejectUnauthorized: false });
    t.after(() => socket.destroy());
    socket.write(GET);
    const [data] = await once(socket, "data");
    assert.match(String(data), /^HTTP\/1\.1 200 /);
  });

  it("goes on as the same user after a reload that names another", async (t) => {
    const gateway = await start(t, HELLO, { server: "run_as: nobody" });
    gateway.configure(HELLO, { server: "run_as: root" });
    assert.equal((await gateway.reload()).level, "info");
    assert.match(gateway.log.at(-2)!.msg, /server\.run_as and .* change with a restart only/);
    assert.match(threadsOf(gateway)[0]!.uids, new RegExp(`^${NOBODY.uid}\t`));
  });

  it("is refused for a user or group that is not there", async (t) => {
    const [code, said] = await refusal(t, HELLO, { server: "run_as: no-such-user" });
    assert.equal(code, 1);
    assert.match(
      said,
      /^%\/sluice\.yaml:1:.*: server\.run_as: cannot use "no-such-user": there is no user "no-such-user" in \/etc\/passwd$/,
    );
  });
});

describe("a gateway without a user to become", { timeout: 120_000 }, () => {
  it("warns where it runs as root", needsRoot, async (t) => {
    const gateway = await start(t, HELLO, {});
    const { level } = await gateway.logged(({ msg }) => msg.startsWith("running as root: server.run_as"));
    assert.equal(level, "warn");
  });

  it("is content where root is asked for", needsRoot, async (t) => {
    const gateway = await start(t, HELLO, { server: "run_as: root" });
    assert.deepEqual(
      gateway.log.filter(({ level, msg }) => level === "warn" || msg === "gave root up"),
      [],
    );
  });

  it("starts as the user that it runs as already", needsReadableSource, async (t) => {
    const gateway = await start(t, HELLO, { server: "run_as: nobody", prefix: AS_NOBODY });
    assert.equal((await ask(gateway.port, GET)).answer.status, 200);
    assert.equal(gateway.log.filter(({ msg }) => msg === "gave root up").length, 0);
  });

  const asOther = IS_ROOT ? needsReadableSource : {};
  it("does not start as a user that only root could become", asOther, async (t) => {
    const prefix = IS_ROOT ? AS_NOBODY : [];
    const [code, said] = await refusal(t, HELLO, { server: "run_as: root", prefix });
    assert.equal(code, 1);
    assert.match(
      said,
      /^Cannot run as "root" \(0:0\): only root can become another user, and this is \d+:\d+\./,
    );
  });
});
