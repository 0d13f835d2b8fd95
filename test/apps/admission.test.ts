// Who comes to a handler, when, and who does not: through the whole gateway, with real VMs, seen from inside of them.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { WebSocket } from "ws";
import { DEADLY_ADDRESS } from "../support/deadly-client.ts";
import { RawConnection } from "../support/raw.ts";
import { WaitingApp } from "./waiting-app.ts";

describe("admission", () => {
  for (const workers of [1, 2, 4]) {
    it(`lets no more to a VM than may be there, with ${workers} data threads, whoever goes away`, async (t) => {
      const app = await WaitingApp.start("concurrency: 3, queue: { size: 4 }", {
        server: `workers: ${workers}`,
      });
      t.after(() => app.gateway.stop());
      const statuses = new Map<string, number>();
      let next = 0;
      await Promise.all(
        Array.from({ length: 24 }, async () => {
          for (let i = 0; i < 40; i++) {
            const name = next++;
            const signal = name % 3 === 0 ? AbortSignal.timeout(1 + (name % 17)) : null;
            const answer = await app.ask(`/hold?ms=${name % 7}&name=${name}`, { signal }).catch(() => "gone");
            statuses.set(answer, 1 + (statuses.get(answer) ?? 0));
          }
        }),
      );
      await app.untilOutstanding(0);
      const { mostRunning, mostThere, running } = await app.seen();
      assert.deepEqual({ mostRunning, mostThere, running }, { mostRunning: 3, mostThere: 7, running: 0 });
      for (const answer of statuses.keys())
        assert.ok(["200 held", "503 app_queue_full", "gone"].includes(answer), answer);
      for (const answer of ["200 held", "503 app_queue_full"])
        assert.ok((statuses.get(answer) ?? 0) > 20, answer);
      const { queue } = await app.app();
      // And some were told that who had gone by then.
      assert.ok(queue.rejected >= statuses.get("503 app_queue_full")!);
      assert.ok(queue.waited > 0 && queue.wait_ms.max > 0);
    });
  }

  it("is first in, first out, whichever data thread an exchange came from", async (t) => {
    const app = await WaitingApp.start("concurrency: 1, queue: { size: 20, timeout: 60s }, timeout: 60s", {
      server: "workers: 3",
    });
    t.after(() => app.gateway.stop());
    const first = await holdPlace(app);
    const answers: Promise<string>[] = [];
    for (let i = 1; i <= 15; i++) {
      // A connection of its own, which any data thread may get.
      answers.push(app.ask(`/hold?name=${i}`, { headers: { Connection: "close" } }));
      await app.untilQueued(i);
    }
    first.abort();
    assert.deepEqual(await Promise.all(answers), new Array(15).fill("200 held"));
    const { order, mostRunning } = await app.seen();
    assert.deepEqual(order, ["holder", ...Array.from({ length: 15 }, (_, i) => String(i + 1))]);
    assert.equal(mostRunning, 1);
  });

  describe("with one place, and one in the queue", () => {
    let app: WaitingApp;
    before(async () => {
      const more = "timeout: 2s, queue: { size: 1, timeout: 500ms }, concurrency: 1";
      app = await WaitingApp.start(more, { server: "workers: 2" });
    });
    after(() => app.gateway.stop());

    it("answers 503 at once when all is full, with Retry-After", async () => {
      const first = await holdPlace(app);
      const second = app.ask("/hold?name=second");
      await app.untilQueued(1);
      const startedAt = performance.now();
      const response = await app.get("/hold");
      assert.deepEqual([response.status, response.headers.get("retry-after")], [503, "1"]);
      assert.match(await response.text(), /app_queue_full/);
      assert.ok(performance.now() - startedAt < 400, "it waited");
      first.abort();
      assert.equal(await second, "200 held");
    });

    it("takes one that waited in vain out of the queue again: its handler is never begun", async () => {
      const first = await holdPlace(app);
      assert.equal(await app.ask("/hold?name=vain"), "503 app_queue_timeout");
      await app.until(({ vms }) => vms[0]!.outstanding === 1);
      // There is room in the queue again, and who has it comes next.
      const next = app.ask("/hold?name=next");
      await app.untilQueued(1);
      first.abort();
      assert.equal(await next, "200 held");
      const { order } = await app.seen();
      assert.ok(order.includes("next") && !order.includes("vain"));
      assert.ok((await app.app()).queue.timed_out >= 1);
    });

    it("takes one whose client went away out of the queue", async () => {
      const first = await holdPlace(app);
      const gone = new AbortController();
      const left = app.ask("/hold?name=left", { signal: gone.signal }).catch(() => "gone");
      await app.untilQueued(1);
      gone.abort();
      await app.untilOutstanding(1);
      assert.equal(await left, "gone");
      first.abort();
      await app.untilOutstanding(0);
      assert.ok(!(await app.seen()).order.includes("left"));
    });

    it("aborts the signal of a handler whose client went away, and gives its place to the next one", async () => {
      const first = await holdPlace(app, "leaver");
      const next = app.ask("/hold?name=follower");
      await app.untilQueued(1);
      first.abort();
      assert.equal(await next, "200 held");
      assert.ok((await app.seen()).aborted.includes("leaver AbortError"));
    });

    it("answers 504 at the deadline, aborts the signal of the handler, and goes on", async () => {
      assert.equal(await app.ask("/gate?name=late"), "504 app_timeout");
      assert.equal(await app.ask("/hold"), "200 held");
      assert.ok((await app.seen()).aborted.includes("late AbortError"));
    });
  });

  it("gives the place of a handler that never returns to others, and counts it as abandoned", async (t) => {
    const app = await WaitingApp.start("timeout: 300ms, concurrency: 10, queue: { size: 1000 }");
    t.after(() => app.gateway.stop());
    // 10,000 promises that nobody will ever settle.
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => app.ask(`/never?name=${i}&promises=100`)),
    );
    assert.deepEqual(new Set(answers), new Set(["504 app_timeout"]));
    assert.equal(await app.ask("/hold"), "200 held");
    assert.equal((await app.seen()).aborted.length, 100);
    await app.until(({ vms }) => vms[0]!.abandoned === 100);
    const [vm] = (await app.app()).vms;
    assert.deepEqual([vm!.outstanding, vm!.running, vm!.queued], [0, 0, 0]);
  });

  it("counts event streams and WebSockets no more from their heads on", async (t) => {
    const app = await WaitingApp.start("concurrency: 1, queue: { size: 0 }");
    t.after(() => app.gateway.stop());
    const streams = [];
    for (let i = 0; i < 3; i++) {
      const client = await RawConnection.connect(app.gateway.port);
      t.after(() => client.destroy());
      client.write("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
      await client.until("data: one");
      streams.push(client);
    }
    for (let i = 0; i < 3; i++) {
      const socket = new WebSocket(`ws://127.0.0.1:${app.gateway.port}/socket`);
      t.after(() => socket.terminate());
      await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
    }
    assert.equal(await app.ask("/hold"), "200 held");
    await app.untilOutstanding(0);
    // Their ends give nothing back that was given back before.
    for (const client of streams) client.destroy();
    assert.equal(await app.ask("/hold"), "200 held");
    await app.untilOutstanding(0);
  });

  it("has the places of a data thread that dies free again", async (t) => {
    const preload = new URL("../support/deadly-client.ts", import.meta.url).href;
    const app = await WaitingApp.start("concurrency: 1, queue: { size: 0 }, timeout: 60s", {
      env: { NODE_OPTIONS: `--import=${preload}` },
    });
    t.after(() => app.gateway.stop("SIGKILL"));
    await holdPlace(app, "lost");
    assert.equal(await app.ask("/hold"), "503 app_queue_full");
    const deadly = connect({ port: app.gateway.port, host: "127.0.0.1", localAddress: DEADLY_ADDRESS });
    deadly.on("error", () => {});
    await app.gateway.logged(({ msg }) => msg === "data thread 0 is back");
    deadly.destroy();
    // The VM finds out by itself that the link is gone.
    for (;;) {
      const answer = await app.ask("/hold").catch(() => "no connection");
      if (answer === "200 held") break;
      assert.match(answer, /^503|no connection/);
    }
    assert.ok((await app.seen()).aborted.includes("lost AbortError"));
    await app.untilOutstanding(0);
  });
});

/** Takes the place of one handler, until it is aborted. */
async function holdPlace(app: WaitingApp, name = "holder"): Promise<AbortController> {
  const controller = new AbortController();
  void app.ask(`/gate?name=${name}`, { signal: controller.signal }).catch(() => {});
  await app.untilOutstanding(1);
  return controller;
}
