// The admin API of a whole gateway: its numbers are those of real requests, and it goes along with reloads, drains and
// deaths. Real gateway processes.

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { ask } from "../http/client.ts";
import { DEADLY_ADDRESS } from "../support/deadly-client.ts";
import { type GatewayOptions, TestGateway } from "../support/gateway.ts";
import { answering, RawBackend, RawConnection } from "../support/raw.ts";
import { errorOf, get, getJson, post } from "./setting.ts";
import { readExposition } from "./strict-exposition.ts";

const PRELOAD = new URL("../support/deadly-client.ts", import.meta.url).href;
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const REQUEST = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
const ADMIN = "admin: { port: 0 }\n";
const PERFORMANCE = { cpu_usage: 100, memory_usage: 100, load: 100 };

interface Running {
  readonly gateway: TestGateway;
  /** Of the admin API. */
  readonly port: number;
  /** The state folder. */
  readonly state: string;
}

function stateFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-state-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function start(
  t: TestContext,
  config: string,
  { env, ...options }: GatewayOptions = {},
): Promise<Running> {
  const state = stateFolder(t);
  const gateway = await TestGateway.start(config, { ...options, env: { ...env, STATE_DIRECTORY: state } });
  t.after(() => gateway.stop("SIGKILL"));
  return { gateway, port: await adminPort(gateway), state };
}

/** The port that the log told, in a line behind that many others. */
async function adminPort(gateway: TestGateway, since = 0): Promise<number> {
  const { msg } = await gateway.logged((line, at) => at >= since && line.msg.startsWith("admin API on "));
  return Number(/^admin API on http:\/\/127\.0\.0\.1:(\d+)$/.exec(msg)?.[1]);
}

function proxyTo(...ports: number[]): string {
  const backends = ports.map((port, i) => `{ id: b${i}, host: 127.0.0.1, port: ${port} }`);
  return `backends: { origin: [${backends.join(", ")}] }\nrouting: { all: { upstream: origin } }\n`;
}

async function backend(t: TestContext): Promise<RawBackend> {
  const made = await RawBackend.start(answering(OK));
  t.after(() => made.stop());
  return made;
}

type Json = Record<string, unknown>;

async function statsOf(port: number): Promise<Json> {
  return (await getJson(port, "/api/v1/stats/server"))["stats"] as Json;
}

async function backendsOf(port: number): Promise<Json[]> {
  return (await getJson(port, "/api/v1/backends"))["backends"] as Json[];
}

/** Asks until the answer is as it should be: for what the gateway does by itself, a moment later. */
async function until<T>(look: () => Promise<T>, fits: (found: T) => boolean): Promise<T> {
  for (;;) {
    const found = await look();
    if (fits(found)) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("the admin API of a gateway", { timeout: 120_000 }, () => {
  it("counts the requests that go through it, over all data threads", async (t) => {
    const [one, two] = [await backend(t), await backend(t)];
    const { gateway, port } = await start(t, `${proxyTo(one.port, two.port)}${ADMIN}`, {
      server: "workers: 2",
    });
    for (let i = 0; i < 40; i++) assert.equal((await ask(gateway.port, REQUEST)).answer.status, 200);
    // A data thread counts an exchange when it has sent the response.
    const stats = await until(
      () => statsOf(port),
      ({ requests }) => requests === 40,
    );
    assert.deepEqual(stats["responses"], { "1xx": 0, "2xx": 40, "3xx": 0, "4xx": 0, "5xx": 0 });
    assert.equal(stats["state"], "ready");
    assert.ok((stats["requests_per_second"] as Record<string, number>)["60s"]! > 0);
    const { requests, upstream } = stats["latency_ms"] as Record<string, Record<string, number>>;
    assert.ok(requests!["p50"]! > 0 && requests!["max"]! >= requests!["p99.9"]! && upstream!["p50"]! > 0);
    assert.deepEqual(
      (stats["data_threads"] as Json[]).map(({ index, running }) => [index, running]),
      [
        [0, true],
        [1, true],
      ],
    );
    const backends = await backendsOf(port);
    assert.deepEqual(
      backends.map(({ id, address, state }) => [id, address, state]),
      [
        ["b0", `127.0.0.1:${one.port}`, "up"],
        ["b1", `127.0.0.1:${two.port}`, "up"],
      ],
    );
    assert.equal(
      backends.reduce((sum, { requests: own }) => sum + Number(own), 0),
      40,
    );
    const families = readExposition((await get(port, "/metrics")).body);
    assert.equal(families.get("sluice_requests_total")?.samples.get("sluice_requests_total"), 40);
    const busy = families.get("sluice_data_thread_active_seconds_total")!.samples;
    assert.ok(busy.get('sluice_data_thread_active_seconds_total{thread="0"}')! > 0);
  });

  it("shows the failures of a backend that is gone", async (t) => {
    const { gateway, port } = await start(t, `${proxyTo(await freePort())}${ADMIN}`);
    assert.ok((await ask(gateway.port, REQUEST)).answer.status >= 500);
    const { failures } = (await until(
      () => statsOf(port),
      ({ requests }) => requests === 1,
    )) as { failures: Record<string, number> };
    assert.equal(
      Object.values(failures).reduce((sum, count) => sum + count),
      1,
    );
  });

  it("takes a report with the token of the state folder", async (t) => {
    const { port, state } = await start(t, `${proxyTo((await backend(t)).port)}${ADMIN}`);
    const report = { upstream: "origin", backend_id: "b0", performance: PERFORMANCE };
    assert.equal(errorOf(await post(port, "/api/v1/report", report, "")), "401 token_missing");
    const file = join(state, "admin-token");
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const fields = `Authorization: Bearer ${readFileSync(file, "utf8").trim()}\r\n`;
    assert.equal((await post(port, "/api/v1/report", report, fields)).status, 200);
    const utilisation = Number((await backendsOf(port))[0]!["utilisation"]);
    assert.ok(utilisation > 0 && utilisation <= 1, String(utilisation));
  });

  it("is not there without its section, or where it is turned off", async (t) => {
    for (const admin of ["", "admin: { enabled: false, port: 0 }\n"]) {
      const gateway = await TestGateway.start(`${proxyTo(1)}${admin}`);
      t.after(() => gateway.stop("SIGKILL"));
      assert.deepEqual(
        gateway.log.filter(({ msg }) => msg.includes("admin API")),
        [],
      );
    }
  });

  it("says that the gateway drains, and serves until the last exchange is over", async (t) => {
    const held = await RawBackend.start(() => {});
    t.after(() => held.stop());
    const { gateway, port } = await start(t, `${proxyTo(held.port)}${ADMIN}`);
    assert.equal((await get(port, "/readyz")).status, 200);
    const client = await RawConnection.connect(gateway.port);
    client.write(REQUEST);
    const connection = await held.connection(0);
    await connection.until("\r\n\r\n");
    gateway.process.kill("SIGTERM");
    await gateway.logged(({ msg }) => msg.startsWith("SIGTERM"));
    assert.equal(errorOf(await get(port, "/readyz")), "503 not_ready");
    assert.equal((await get(port, "/healthz")).status, 200);
    assert.equal((await statsOf(port))["state"], "draining");
    connection.write(OK);
    await client.until("ok");
    client.destroy();
    assert.equal(await gateway.exited, 0);
  });

  it("goes over to another address with a reload, and to other settings on the same one", async (t) => {
    const proxy = proxyTo((await backend(t)).port);
    const { gateway, port } = await start(t, `${proxy}${ADMIN}`);
    await gateway.adopt(`${proxy}admin: { port: 0, allowed_hosts: [new.example] }\n`);
    const named = `GET /healthz HTTP/1.1\r\nHost: new.example\r\n\r\n`;
    assert.equal((await ask(port, named)).answer.status, 200);
    assert.equal((await statsOf(port))["snapshot_version"], 2);

    const since = gateway.log.length;
    const next = await freePort();
    await gateway.adopt(`${proxy}admin: { port: ${next} }\n`);
    assert.equal(await adminPort(gateway, since), next);
    assert.equal((await get(next, "/readyz")).status, 200);
    await assert.rejects(get(port, "/healthz"));

    await gateway.adopt(proxy);
    await assert.rejects(get(next, "/healthz"));
    assert.equal((await ask(gateway.port, REQUEST)).answer.status, 200);
  });

  it("stays as it is where a reload asks for an address that cannot be had", async (t) => {
    const proxy = proxyTo((await backend(t)).port);
    const { gateway, port } = await start(t, `${proxy}${ADMIN}`);
    const holder = createServer().listen(0, "127.0.0.1");
    t.after(() => holder.close());
    await new Promise((resolve) => holder.once("listening", resolve));
    gateway.configure(`${proxy}admin: { port: ${(holder.address() as { port: number }).port} }\n`);
    assert.match((await gateway.reload()).msg, /not reloaded/);
    assert.ok(
      gateway.log.some(({ msg }) => /^Cannot listen on 127\.0\.0\.1:\d+ for the admin API/.test(msg)),
    );
    assert.equal((await statsOf(port))["snapshot_version"], 1);
    assert.equal((await ask(gateway.port, REQUEST)).answer.status, 200);
  });

  it("refuses to start where it cannot be opened, or its token is known to others", async (t) => {
    const state = stateFolder(t);
    const refused = async (config: string) => {
      const gateway = new TestGateway(config, { env: { STATE_DIRECTORY: state } });
      t.after(() => gateway.stop("SIGKILL"));
      assert.equal(await gateway.exited, 1);
      return gateway.log.map(({ msg }) => msg).join("\n");
    };
    const holder = createServer().listen(0, "127.0.0.1");
    t.after(() => holder.close());
    await new Promise((resolve) => holder.once("listening", resolve));
    const { port } = holder.address() as { port: number };
    assert.match(await refused(`${proxyTo(1)}admin: { port: ${port} }\n`), /somebody else holds it/);
    chmodSync(join(state, "admin-token"), 0o644);
    assert.match(await refused(`${proxyTo(1)}${ADMIN}`), /others may read it \(mode 0644\), expected 0600/);
    assert.match(await refused(`${proxyTo(1)}admin: { host: 0.0.0.0, port: 0 }\n`), /without "token"/);
  });

  it("is not ready while its only data thread is dead, and keeps what that one counted", async (t) => {
    const env = { NODE_OPTIONS: `--import=${PRELOAD}` };
    const { gateway, port } = await start(t, `${proxyTo((await backend(t)).port)}${ADMIN}`, { env });
    assert.equal((await ask(gateway.port, REQUEST)).answer.status, 200);
    const deadly = connect({ port: gateway.port, host: "127.0.0.1", localAddress: DEADLY_ADDRESS });
    deadly.on("error", () => {});
    await gateway.logged(({ msg }) => msg.includes("ended by itself"));
    deadly.destroy();
    const answer = await get(port, "/readyz");
    assert.equal(errorOf(answer), "503 not_ready");
    assert.match(answer.body, /no data thread runs/);
    assert.deepEqual(
      ((await statsOf(port))["data_threads"] as Json[]).map(({ running }) => running),
      [false],
    );
    await gateway.logged(({ msg }) => msg === "data thread 0 is back");
    assert.equal((await get(port, "/readyz")).status, 200);
    assert.equal((await ask(gateway.port, REQUEST)).answer.status, 200);
    await until(
      () => statsOf(port),
      ({ requests }) => requests === 2,
    );
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
