// VMs that make way while they are healthy: recycled, or of an old version. No request is lost. Real load, real reloads.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { describe, it, type TestContext } from "node:test";
import { isAlive } from "./processes.ts";
import { codeOf, configOf, Supervised } from "./supervised.ts";

async function start(t: TestContext, app = ""): Promise<Supervised> {
  const work = await Supervised.start(app);
  t.after(() => work.gateway.stop());
  return work;
}

/** Asks without a pause, 8 at a time, until `isDone`. Resolves with the answers that were not 200, and their number. */
async function load(work: Supervised, isDone: () => boolean): Promise<{ bad: string[]; asked: number }> {
  const bad: string[] = [];
  let asked = 0;
  const ask = async () => {
    while (!isDone()) {
      asked++;
      try {
        const response = await work.get(asked % 5 === 0 ? "/wait?ms=20" : "/");
        const text = await response.text();
        if (response.status !== 200) bad.push(`${response.status} ${text}`);
      } catch (error) {
        bad.push(String(error));
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, ask));
  return { bad, asked };
}

function replaced(work: Supervised): number {
  return work.gateway.log.filter((line) => line["outcome"] === "replaced").length;
}

describe("recycling", () => {
  for (const [what, app, why] of [
    ["max_requests", "instances: 2, max_requests: 100", /it had \d+ requests/],
    ["max_age", "instances: 2, max_age: 300ms", /it was 300 ms old/],
  ] as const) {
    it(`by ${what} loses no request`, async (t) => {
      const work = await start(t, app);
      const { bad, asked } = await load(work, () => replaced(work) >= 4);
      assert.deepEqual(bad, []);
      t.diagnostic(`${asked} requests, ${replaced(work)} VMs replaced`);
      const { msg } = await work.ended("replaced");
      assert.match(msg, why);
      const { outcomes } = await work.app();
      assert.ok(outcomes["replaced"]! >= 4);
      assert.deepEqual(
        { ...outcomes, replaced: 0 },
        { exited: 0, crashed: 0, hung: 0, out_of_memory: 0, replaced: 0 },
      );
    });
  }

  it("lets the old VM finish what it has, while the new one serves", async (t) => {
    const work = await start(t, "max_age: 200ms, drain_timeout: 20s");
    const long = work.get("/wait?ms=2500");
    const { id } = await work.busy();
    await work.until(([app]) => app!.vms.some((vm) => vm.id === id && vm.state === "draining"));
    assert.equal((await work.get("/")).status, 200);
    assert.equal((await long).status, 200);
    const { exit } = await work.ended("replaced", id);
    // It ended by itself.
    assert.equal(exit, "exit code 0");
  });

  it("ends an old VM that does not finish at drain_timeout", async (t) => {
    const work = await start(t, "max_age: 200ms, drain_timeout: 1s, timeout: 60s");
    const long = work.get("/wait?ms=60000");
    const { id, pid } = await work.busy();
    const { msg, exit } = await work.ended("replaced", id);
    assert.match(msg, /it was not done within 1000 ms/);
    assert.equal(exit, "SIGKILL");
    assert.equal((await long).status, 502);
    assert.equal(isAlive(pid), false);
  });
});

describe("a new version of an app", () => {
  it("takes over whole under load, and loses no request", async (t) => {
    const work = await start(t, "instances: 2");
    let isDone = false;
    const loaded = load(work, () => isDone);
    for (const version of ["two", "three", "four"]) {
      writeFileSync(work.entry, codeOf(version));
      assert.equal((await work.gateway.reload()).level, "info");
      assert.equal(await (await work.get("/")).text(), version);
    }
    isDone = true;
    const { bad, asked } = await loaded;
    assert.deepEqual(bad, []);
    t.diagnostic(`${asked} requests`);
    const [app, ...old] = await work.until((apps) => apps.length === 1);
    assert.equal(old.length, 0);
    assert.equal(app!.vms.length, 2);
    assert.equal(app!.outcomes["replaced"], 6);
  });

  it("leaves the old one what it has: a response goes on, and its VM is told as draining", async (t) => {
    const work = await start(t);
    const { pid } = await work.vm();
    const response = await work.get("/stream?pieces=20");
    writeFileSync(work.entry, codeOf("two"));
    assert.equal((await work.gateway.reload()).level, "info");
    const apps = await work.apps();
    assert.deepEqual(
      apps.map(({ state, vms }) => [state, vms.map((vm) => vm.state)]),
      [
        ["serving", ["serving"]],
        ["draining", ["draining"]],
      ],
    );
    assert.equal(apps[1]!.vms[0]!.pid, pid);
    assert.equal(await response.text(), Array.from({ length: 20 }, (_, i) => `${i} `).join(""));
    await work.until((all) => all.length === 1);
    assert.equal(isAlive(pid), false);
  });

  it("gets the exchanges whose body had not come yet", async (t) => {
    const work = await start(t);
    let send: ((piece: string | null) => void) | null = null;
    const body = new ReadableStream({
      start(controller) {
        send = (piece) => (piece === null ? controller.close() : controller.enqueue(Buffer.from(piece)));
      },
    });
    const answered = fetch(work.url("/"), { method: "POST", body, duplex: "half" });
    send!("one ");
    // Its head is there when a later one was answered.
    assert.equal((await work.get("/")).status, 200);
    writeFileSync(work.entry, codeOf("two"));
    assert.equal((await work.gateway.reload()).level, "info");
    send!(null);
    assert.equal(await (await answered).text(), "two");
  });

  it("that cannot be loaded leaves the old one serving, and nothing running", async (t) => {
    const work = await start(t);
    const { id } = await work.vm();
    writeFileSync(work.entry, 'throw new Error("it does not want to");');
    assert.equal((await work.gateway.reload()).level, "error");
    await work.gateway.logged(({ msg }) =>
      /App "work" cannot be started: [\s\S]*it does not want to/.test(msg),
    );
    const apps = await work.apps();
    assert.deepEqual(
      apps.map(({ vms }) => vms.map((vm) => vm.id)),
      [[id]],
    );
    assert.equal(await (await work.get("/")).text(), "one");
  });

  it("stays the same one where nothing changed", async (t) => {
    const work = await start(t);
    const { id } = await work.vm();
    await work.gateway.adopt(`${configOf(work.entry)}\n# a word more`);
    assert.equal((await work.vm()).id, id);
  });
});
