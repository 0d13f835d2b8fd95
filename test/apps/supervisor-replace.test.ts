// What comes after the end of a VM: another one at once, then after growing pauses, and a circuit that opens and closes.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { isAlive } from "./processes.ts";
import { configOf, Supervised } from "./supervised.ts";
import { writeApp } from "./write-app.ts";

async function start(t: TestContext, app = "", code?: string): Promise<Supervised> {
  const work = await Supervised.start(app, "", code);
  t.after(() => work.gateway.stop());
  return work;
}

/** A handler that cannot be loaded while there is a file. */
function fragile(file: string): string {
  return `
import { existsSync } from "node:fs";
if (existsSync(${JSON.stringify(file)})) throw new Error("the file is there");
export default () => new Response("fine");
`;
}

describe("a VM that ended", () => {
  for (const spare of [true, false]) {
    it(`is replaced soon ${spare ? "by the spare" : "without a spare"}, whoever killed it`, async (t) => {
      const work = await start(t, `spare: ${spare}`);
      if (spare) await work.until(([app]) => app!.vms.some(({ state }) => state === "spare"));
      const { pid, id } = await work.vm();
      const spareId = (await work.app()).vms.find(({ state }) => state === "spare")?.id;
      process.kill(pid, "SIGKILL");
      const { exit } = await work.ended("crashed", id);
      assert.equal(exit, "SIGKILL");
      const killed = performance.now();
      assert.equal(await (await work.get("/")).text(), "one");
      const ms = performance.now() - killed;
      t.diagnostic(`served ${Math.round(ms)} ms after the end was seen`);
      assert.ok(ms < 2000, `${ms} ms`);
      const next = await work.vm();
      assert.equal(isAlive(pid), false);
      if (spare) {
        assert.equal(next.id, spareId);
        // And there is a spare again.
        await work.until(([app]) => app!.vms.some(({ state }) => state === "spare"));
      } else assert.notEqual(next.id, id);
    });
  }

  it("does not take exchanges of the others with it", async (t) => {
    const work = await start(t, "instances: 2");
    const waiting = Array.from({ length: 6 }, () => work.get("/wait?ms=500"));
    await work.until(([app]) => app!.vms.every(({ outstanding }) => outstanding === 3));
    const { pid } = await work.vm();
    process.kill(pid, "SIGKILL");
    const statuses = (await Promise.all(waiting)).map(({ status }) => status).sort();
    assert.deepEqual(statuses, [200, 200, 200, 502, 502, 502]);
  });

  it("frees its place in the shared memory, however often that happens", async (t) => {
    const work = await start(t, "instances: 1");
    // More often than there are places.
    for (let i = 0; i < 5; i++) {
      const { id, pid } = await work.vm();
      const lost = Promise.all([work.get("/wait?ms=60000"), work.get("/wait?ms=60000")]);
      await work.until(([app]) => app!.vms.some((vm) => vm.id === id && vm.outstanding === 2));
      process.kill(pid, "SIGKILL");
      for (const { status } of await lost) assert.equal(status, 502);
      await work.until(([app]) =>
        app!.vms.some(({ state, id: other }) => state === "serving" && other !== id),
      );
      const after = await work.vm();
      assert.equal(after.outstanding, 0);
    }
  });
});

describe("VMs that end one after the other", () => {
  it("open a circuit: 503 at once with the reason in the log, until one starts", async (t) => {
    const file = join(mkdtempSync(join(tmpdir(), "sluice-test-")), "there");
    const work = await start(t, `permissions: { read: ${file} }`, fragile(file));
    writeFileSync(file, "");
    t.after(() => rmSync(dirname(file), { recursive: true }));
    process.kill((await work.vm()).pid, "SIGKILL");
    const [app] = await work.until(([found]) => found!.state === "unavailable");
    assert.match(app!.reason!, /the file is there/);
    const begun = performance.now();
    const refused = await work.get("/");
    assert.equal(refused.status, 503);
    assert.ok(refused.headers.has("retry-after"));
    assert.equal(((await refused.json()) as { error: { code: string } }).error.code, "app_unavailable");
    // Not after queue.timeout.
    assert.ok(performance.now() - begun < 2500);
    const line = await work.gateway.logged(({ code }) => code === "app_unavailable");
    assert.match(line.msg, /the file is there/);
    await work.gateway.logged(({ msg }) => /app "work" is unavailable until a VM of it starts/.test(msg));
    assert.match(await work.metrics(), /sluice_app_available{app="work"} 0\n/);
    rmSync(file);
    await work.gateway.logged(({ msg }) => msg === 'app "work" is available again');
    assert.equal(await (await work.get("/")).text(), "fine");
    assert.match(await work.metrics(), /sluice_app_available{app="work"} 1\n/);
  });

  it("are started after growing pauses", async (t) => {
    const work = await start(t);
    for (let i = 0; i < 4; i++) {
      const { pid, id } = await work.vm();
      process.kill(pid, "SIGKILL");
      await work.until(([app]) => app!.vms.some((vm) => vm.state === "serving" && vm.id !== id));
    }
    const { pid, id } = await work.vm();
    const begun = performance.now();
    process.kill(pid, "SIGKILL");
    await work.until(([app]) => app!.vms.some((vm) => vm.state === "serving" && vm.id !== id));
    // The fifth in a row.
    assert.ok(performance.now() - begun >= 750);
  });
});

describe("a VM that does not get ready", () => {
  it("is given up after start_timeout, with a clear error", async (t) => {
    const code = "await new Promise(() => setInterval(() => {}, 1000)); export default () => {};";
    const gateway = new TestGateway(configOf(writeApp(code), "start_timeout: 500ms"));
    t.after(() => gateway.stop("SIGKILL"));
    assert.notEqual(await gateway.exited, 0);
    const text = JSON.stringify(gateway.log);
    assert.match(text, /App .*work.* cannot be started: .*it had not loaded within 500 ms \(start_timeout\)/);
  });

  it("keeps those that do from nothing: all apps are started at the same time", async (t) => {
    const code =
      "await new Promise((resolve) => setTimeout(resolve, 1500)); export default () => new Response();";
    const entry = writeApp(code);
    const names = ["a", "b", "c", "d", "e", "f"];
    const apps = names.map((name) => `${name}: { entry: ${entry} }`).join(", ");
    const begun = performance.now();
    const gateway = await TestGateway.start(`apps: { ${apps} }\nrouting: { all: { app: a } }`);
    t.after(() => gateway.stop());
    assert.ok(performance.now() - begun < 6 * 1500);
  });
});
