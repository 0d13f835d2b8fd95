// What is left of VMs when the gateway has ended: nothing, however it ended. And what a gateway that was away thinks of
// its VMs. Real processes.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { allGone, descendantsOf, isAlive } from "./processes.ts";
import { Supervised } from "./supervised.ts";

/** A gateway with a folder for temporary files of its own. */
async function start(t: TestContext, app = "", folder = mkdtempSync(join(tmpdir(), "sluice-test-"))) {
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const work = await Supervised.start(app, "shutdown_timeout: 60s", undefined, { TMPDIR: folder });
  t.after(() => work.gateway.stop("SIGKILL"));
  const folders = () => readdirSync(folder).filter((name) => name.startsWith("sluice-vms-"));
  const processes = descendantsOf(work.gateway.process.pid!);
  assert.ok(processes.length > 0);
  return { work, folder, folders, processes };
}

describe("a gateway that stops", () => {
  it("has ended all VMs before it ends, and removed their folder", async (t) => {
    const { work, folders, processes } = await start(t, "instances: 2, spare: true");
    assert.equal(folders().length, 1);
    assert.equal(await work.gateway.stop(), 0);
    assert.deepEqual(processes.filter(isAlive), []);
    assert.deepEqual(folders(), []);
  });

  it("lets exchanges end before it ends their VM", async (t) => {
    const { work } = await start(t);
    const response = work.get("/wait?ms=1000");
    await work.until(([app]) => app!.vms[0]!.outstanding === 1);
    const stopped = work.gateway.stop();
    assert.equal((await response).status, 200);
    assert.equal(await stopped, 0);
  });

  it("does not wait for a VM that is in an endless loop", async (t) => {
    const { work, processes } = await start(t, "hang_timeout: 60s, timeout: 300ms");
    assert.equal((await work.get("/spin")).status, 504);
    const begun = performance.now();
    assert.equal(await work.gateway.stop(), 0);
    assert.ok(performance.now() - begun < 30_000);
    assert.deepEqual(processes.filter(isAlive), []);
  });
});

describe("a gateway that is killed", () => {
  it("leaves no process, even where a VM is in an endless loop, and the next one removes what it left", async (t) => {
    const { work, folder, folders, processes } = await start(t, "instances: 2, hang_timeout: 60s");
    const spinning = work.get("/spin").catch(() => null);
    await work.until(([app]) => app!.vms.some(({ outstanding }) => outstanding > 0));
    await work.gateway.stop("SIGKILL");
    await spinning;
    await allGone(processes);
    const [left] = folders();
    assert.ok(left);
    const next = await start(t, "", folder);
    assert.equal(existsSync(join(folder, left)), false);
    assert.equal(next.folders().length, 1);
    // That of a gateway which runs stays.
    const third = await start(t, "", folder);
    assert.equal(third.folders().length, 2);
    assert.equal((await next.work.get("/")).status, 200);
  });
});

describe("a gateway that was away", () => {
  for (const isAlone of [true, false]) {
    it(`does not take its VMs for hung${isAlone ? "" : ", which were away with it"}`, async (t) => {
      const { work } = await start(t, "hang_timeout: 1s, timeout: 60s");
      const { id, pid } = await work.vm();
      const response = work.get("/wait?ms=3000");
      await work.until(([app]) => app!.vms[0]!.outstanding === 1);
      if (!isAlone) {
        // So that there is a question that it has not answered.
        process.kill(pid, "SIGSTOP");
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      work.gateway.process.kill("SIGSTOP");
      await new Promise((resolve) => setTimeout(resolve, 2000));
      work.gateway.process.kill("SIGCONT");
      if (!isAlone) {
        // So that it cannot have answered when the gateway looks.
        await new Promise((resolve) => setTimeout(resolve, 300));
        process.kill(pid, "SIGCONT");
      }
      assert.equal((await response).status, 200);
      const app = await work.app();
      assert.equal(app.outcomes["hung"], 0);
      assert.equal(app.vms[0]!.id, id);
    });
  }
});
