// The admin API from one configuration to the next: real addresses, a real state folder. Runs in the test process.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import pino from "pino";
import type { AdminSpec } from "../../src/config/compile.ts";
import { Admin } from "../../src/control/admin/admin.ts";
import { StateFolder } from "../../src/control/state-folder.ts";
import { Client } from "../http/client.ts";
import { AUTHORIZATION, errorOf, get, post, SPEC, TestView, TOKEN } from "./setting.ts";

const CONFIG = "backends: { shop: [{ id: one, host: 127.0.0.1, port: 1 }] }\n";
const REPORT = {
  upstream: "shop",
  backend_id: "one",
  performance: { cpu_usage: 1, memory_usage: 1, load: 1 },
};

describe("the admin API", () => {
  let parent: string;
  let folder: StateFolder;
  let admin: Admin;
  let lines: string[];

  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), "sluice-admin-"));
    folder = new StateFolder(join(parent, "state"));
    lines = [];
    const log = pino({}, { write: (line: string) => lines.push(JSON.parse(line).msg) });
    admin = new Admin(new TestView(CONFIG), folder, log);
  });
  afterEach(async () => {
    await admin.close();
    rmSync(parent, { recursive: true, force: true });
  });

  /** Goes over to a configuration; returns the port. */
  async function adopt(spec: Partial<AdminSpec>): Promise<number> {
    const change = await admin.prepare({ ...SPEC, ...spec });
    await change.commit();
    return admin.address!.port;
  }

  const isOpen = (port: number) =>
    get(port, "/healthz").then(
      ({ status }) => status === 200,
      () => false,
    );

  it("is not there before it is asked for, nor after it was taken out", async () => {
    assert.equal(admin.address, null);
    await (await admin.prepare(null)).commit();
    const port = await adopt({});
    assert.ok(await isOpen(port));
    await (await admin.prepare(null)).commit();
    assert.equal(admin.address, null);
    assert.ok(!(await isOpen(port)));
  });

  it("says where it listens, once for each address", async () => {
    const port = await adopt({});
    await adopt({ open: true });
    assert.deepEqual(lines, [`admin API on http://127.0.0.1:${port}`]);
  });

  it("keeps its address and connections when other settings change", async () => {
    const port = await adopt({});
    const client = await Client.connect(port);
    const ask = async (host: string) => {
      client.send(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      return (await client.answer()).status;
    };
    assert.equal(await ask("new.example"), 421);
    const change = await admin.prepare({ ...SPEC, allowedHosts: ["new.example"], token: "another token" });
    assert.equal(await ask("new.example"), 421);
    await change.commit();
    assert.equal(await ask("new.example"), 200);
    client.close();
    assert.equal(admin.address!.port, port);
    assert.equal(errorOf(await post(port, "/api/v1/report", REPORT)), "401 token_wrong");
    const fields = AUTHORIZATION.replace(TOKEN, "another token");
    assert.equal((await post(port, "/api/v1/report", REPORT, fields)).status, 200);
  });

  it("opens another address before the one before is closed", async () => {
    const before = await adopt({});
    const change = await admin.prepare({ ...SPEC, host: "127.0.0.1", port: await freePort() });
    assert.ok(await isOpen(before));
    await change.commit();
    assert.notEqual(admin.address!.port, before);
    assert.ok(await isOpen(admin.address!.port));
    assert.ok(!(await isOpen(before)));
  });

  it("keeps the one before where the change is given up", async () => {
    const before = await adopt({});
    const port = await freePort();
    const change = await admin.prepare({ ...SPEC, port });
    assert.ok(await isOpen(port));
    await change.discard();
    assert.ok(!(await isOpen(port)));
    await (await admin.prepare({ ...SPEC, open: true })).discard();
    assert.equal(errorOf(await post(before, "/api/v1/report", REPORT, "")), "401 token_missing");
    await (await admin.prepare(null)).discard();
    assert.ok(await isOpen(before));
  });

  it("keeps the one before where the next cannot be opened", async () => {
    const before = await adopt({ port: await freePort() });
    const holder = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => holder.once("listening", resolve));
    const { port } = holder.address() as { port: number };
    await assert.rejects(
      adopt({ port }),
      /^Error: Cannot listen on 127\.0\.0\.1:\d+ for the admin API: somebody/,
    );
    holder.close();
    await assert.rejects(adopt({ host: "0.0.0.0", port: 0, token: null }), /without admin\.token/);
    await assert.rejects(adopt({ host: "0.0.0.0", port: before }), {
      message:
        'Cannot go over to admin.host "0.0.0.0" while 127.0.0.1 is listened on: expected another admin.port, or a restart',
    });
    assert.equal(admin.address!.port, before);
    assert.ok(await isOpen(before));
  });

  it("makes a token that stands in the state folder, and stays", async () => {
    const port = await adopt({ token: null });
    const token = readFileSync(folder.fileOf("admin-token"), "utf8").trim();
    const fields = `Authorization: Bearer ${token}\r\n`;
    assert.equal((await post(port, "/api/v1/report", REPORT, fields)).status, 200);
    assert.equal(errorOf(await post(port, "/api/v1/report", REPORT, "")), "401 token_missing");
    const next = await adopt({ token: null, port: await freePort() });
    assert.equal((await post(next, "/api/v1/report", REPORT, fields)).status, 200);
    assert.ok(![...lines].join().includes(token), "the token is in the log");
  });

  it("leaves the state folder alone where it has a token, or needs none", async () => {
    await adopt({});
    const port = await adopt({ token: null, open: true });
    assert.equal((await post(port, "/api/v1/report", REPORT, "")).status, 200);
    assert.ok(!existsSync(folder.path));
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
