// Links that end: by rubbish, by the death of the VM at their other end, while others wait in it. Real gateway, real VMs,
// real signals.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WaitingApp } from "./waiting-app.ts";

/** Asks for something else all the time, until it is stopped; then resolves with what was not answered with 200. */
function alongside(app: WaitingApp): () => Promise<string[]> {
  let going = true;
  const failures: string[] = [];
  const lanes = ["/other", "/plain"].map(async (path) => {
    while (going) {
      const answer = await app.ask(path).catch((error: unknown) => String(error));
      if (!answer.startsWith("200 ")) failures.push(`${path}: ${answer}`);
    }
  });
  return async () => {
    going = false;
    await Promise.all(lanes);
    return failures;
  };
}

describe("when a VM", () => {
  for (const [title, path, why] of [
    ["writes rubbish into its link", "/rubbish", /it sent a data thread what no VM should: a frame of type/],
    ["closes its link", "/close", /it closed its link to a data thread/],
  ] as const) {
    it(`${title}, it is replaced, and nobody else notices`, async (t) => {
      const app = await WaitingApp.start("instances: 2, concurrency: 5, timeout: 20s");
      t.after(() => app.gateway.stop());
      const stop = alongside(app);
      const held = app.ask("/gate");
      await app.untilOutstanding(1);
      const { vms } = await app.app();
      assert.equal(await app.ask(path), "502 vm_ended");
      const line = await app.gateway.logged((line) => line["outcome"] === "crashed");
      assert.match(line.msg, why);
      await app.until((now) => {
        return (
          now.vms.filter(({ state }) => state === "serving").length === 2 &&
          now.vms.some(({ id }) => id > 2 + 1)
        );
      });
      for (let i = 0; i < 10; i++) assert.equal(await app.ask("/hold"), "200 held");
      // What was at the other one went on.
      const broken = Number(line["vm"]);
      const other = vms.find(({ id }) => id !== broken)!;
      assert.ok((await app.app()).vms.some(({ id, state }) => id === other.id && state === "serving"));
      assert.deepEqual(await stop(), []);
      void held.catch(() => {});
    });
  }

  it("is killed while others wait in it, they go to another one; what was begun gets 502", async (t) => {
    const app = await WaitingApp.start(
      "instances: 1, concurrency: 1, queue: { size: 50, timeout: 30s }, timeout: 20s",
      { server: "workers: 2" },
    );
    t.after(() => app.gateway.stop());
    const stop = alongside(app);
    const begun = app.ask("/gate", { headers: { Connection: "close" } });
    await app.untilOutstanding(1);
    const waiting = Array.from({ length: 20 }, (_, i) => {
      return app.ask(`/hold?name=${i}`, { headers: { Connection: "close" } });
    });
    await app.untilQueued(20);
    process.kill((await app.app()).vms[0]!.pid, "SIGKILL");
    assert.equal(await begun, "502 vm_ended");
    assert.deepEqual(await Promise.all(waiting), new Array(20).fill("200 held"));
    assert.equal((await app.seen()).order.length, 20);
    assert.deepEqual(await stop(), []);
    await app.untilOutstanding(0);
  });

  it("is ended by what was queued in it, none of that ends two", async (t) => {
    const app = await WaitingApp.start(
      "instances: 1, concurrency: 1, queue: { size: 50, timeout: 60s }, timeout: 20s",
    );
    t.after(() => app.gateway.stop());
    const holder = new AbortController();
    void app.ask("/gate", { signal: holder.signal }).catch(() => {});
    await app.untilOutstanding(1);
    const poison = Array.from({ length: 4 }, (_, i) => app.ask(`/exit?name=${i}`));
    await app.untilQueued(4);
    holder.abort();
    assert.deepEqual(await Promise.all(poison), new Array(4).fill("502 vm_ended"));
    const ends = app.gateway.log.filter((line) => line["outcome"] === "exited");
    assert.ok(ends.length >= 1 && ends.length <= 4, `${ends.length} VMs ended`);
    assert.equal(await app.ask("/hold"), "200 held");
  });

  it("hangs, what it has not read goes to another one", async (t) => {
    const app = await WaitingApp.start("instances: 2, concurrency: 50, hang_timeout: 1500ms, timeout: 20s");
    t.after(() => app.gateway.stop());
    const stop = alongside(app);
    const spins = app.ask("/spin");
    await app.untilOutstanding(1);
    // A ping is not answered any more.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const answers = await Promise.all(Array.from({ length: 30 }, () => app.ask("/hold?ms=200")));
    assert.deepEqual(answers, new Array(30).fill("200 held"));
    assert.equal(await spins, "502 vm_ended");
    await app.gateway.logged((line) => line["outcome"] === "hung");
    assert.deepEqual(await stop(), []);
  });

  describe("and repeat is idempotent", () => {
    const rules = "instances: 2, concurrency: 50, hang_timeout: 1s, timeout: 20s, repeat: idempotent";

    it("is killed, what it had begun is begun again in another one, but for a POST", async (t) => {
      const app = await WaitingApp.start(rules);
      t.after(() => app.gateway.stop());
      const held = Array.from({ length: 10 }, () => app.ask("/hold?ms=700"));
      const posts = Array.from({ length: 10 }, () => app.ask("/hold?ms=700", { method: "POST" }));
      await app.untilOutstanding(20);
      process.kill((await app.app()).vms[0]!.pid, "SIGKILL");
      assert.deepEqual(await Promise.all(held), new Array(10).fill("200 held"));
      const failed = (await Promise.all(posts)).filter((answer) => answer !== "200 held");
      assert.ok(failed.length > 0, "no POST was at the VM that was killed");
      assert.deepEqual(new Set(failed), new Set(["502 vm_ended"]));
    });

    it("hangs, what hung it is not begun again", async (t) => {
      const app = await WaitingApp.start(rules);
      t.after(() => app.gateway.stop());
      assert.equal(await app.ask("/spin?name=spin"), "502 vm_ended");
      await app.gateway.logged((line) => line["outcome"] === "hung");
      for (let i = 0; i < 10; i++) assert.ok(!(await app.seen()).order.includes("spin"));
      assert.equal(app.gateway.log.filter((line) => line["outcome"] === "hung").length, 1);
    });
  });
});
