// An exchange at a VM as its data thread has it: places, queue, deadlines, bodies by credit, and where it goes when its VM
// ends. Real sockets; the VM is the test, and time stands still.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GatewayError } from "../../core/errors.ts";
import {
  FrameType,
  HEAD_ENDS,
  MAX_PIECE_BYTES,
  REQUEST_WINDOW_BYTES,
  RESPONSE_WINDOW_BYTES,
} from "../../wire/frames.ts";
import type { StartAction } from "../actions/route.ts";
import {
  IDLE_MS,
  QUEUE_TIMEOUT_MS,
  type ScriptedVm,
  TestApp,
  TIMEOUT_MS,
  turns,
} from "./scripted-vm.test.ts";

const { head, body, end, abort, credit, queued, started, ping } = FrameType;
const OK = "HTTP/1.1 200 OK\r\n\r\n";
/** More than a tick of the wheel, which deadlines may come late by. */
const LATE_MS = 300;
const CLIENT_GONE = new GatewayError("client_gone", "the connection to the client was lost");

describe("a place at a VM", () => {
  it("is for as many as may be there, over all data threads; the next one is told at once", async (t) => {
    const app = await TestApp.start(t, {}, { threads: 3 });
    const [vm] = app.vms as [ScriptedVm];
    const places = [0, 1, 2, 0].map((thread) => app.ask({}, thread));
    assert.equal(app.outstanding(), 4);
    for (const thread of [0, 1, 2]) {
      const refused = app.ask({}, thread);
      assert.deepEqual([refused.status, refused.error], [503, "app_queue_full"]);
      assert.equal(refused.head!.headers.find("retry-after"), "1");
    }
    assert.equal(app.queue.rejected, 3);
    void vm;
    assert.ok(places.every(({ ended }) => ended === null));
  });

  it("goes to the least loaded VM", async (t) => {
    const app = await TestApp.start(t, {}, { vms: 3 });
    const clients = Array.from({ length: 6 }, () => app.ask());
    assert.deepEqual(
      [1, 2, 3].map((vm) => app.outstanding(vm)),
      [2, 2, 2],
    );
    const second = app.vms[1]!;
    for (let i = 0; i < 2; i++) second.respond((await second.next(head)).stream);
    for (const client of clients.filter(({ exchange }) => exchange.backend === "vm 2"))
      await client.untilEnd();
    app.ask();
    app.ask();
    assert.deepEqual(
      [1, 2, 3].map((vm) => app.outstanding(vm)),
      [2, 2, 2],
    );
  });

  it("is free with the whole response, before the next request of the same client", async (t) => {
    const app = await TestApp.start(t, { concurrency: 1, queue: { size: 0, timeoutMs: 1000 } });
    const [vm] = app.vms as [ScriptedVm];
    const first = app.ask();
    let outstanding = -1;
    void first.change().then(() => {
      outstanding = app.outstanding();
    });
    vm.respond((await vm.next(head)).stream);
    await first.untilEnd();
    assert.equal(outstanding, 0);
  });

  it("is kept by one that was given up until the VM has said its last", async (t) => {
    const app = await TestApp.start(t, { concurrency: 1, queue: { size: 0, timeoutMs: 1000 } });
    const [vm] = app.vms as [ScriptedVm];
    const client = app.ask();
    const { stream } = await vm.next(head);
    client.goAway(CLIENT_GONE);
    assert.equal((await vm.next(abort)).payload.toString(), "client_gone");
    assert.equal(app.ask().error, "app_queue_full");
    // What crosses the abort is left alone.
    vm.respond(stream, OK, "part", false);
    vm.say(body, stream, Buffer.from("of it"));
    await turns();
    assert.equal(app.outstanding(), 1);
    vm.say(abort, stream);
    await app.until(() => app.outstanding() === 0);
    assert.equal(app.ask().ended, null);
    assert.deepEqual(app.faults, []);
  });

  it("is given back by an event stream at its head, once", async (t) => {
    const app = await TestApp.start(t);
    const [vm] = app.vms as [ScriptedVm];
    const client = app.ask();
    const { stream } = await vm.next(head);
    vm.respond(
      stream,
      "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n",
      "data: 1\n\n",
      false,
    );
    await client.untilBytes(9);
    assert.equal(app.outstanding(), 0);
    vm.say(end, stream);
    await client.untilEnd();
    assert.equal(app.outstanding(), 0);
  });

  it("is free after a bug of the gateway in its exchange, which fails by itself", async (t) => {
    const app = await TestApp.start(t);
    const [vm] = app.vms as [ScriptedVm];
    const [whole, streamed, other] = [app.ask(), app.ask(), app.ask()];
    const streams = [await vm.next(head), await vm.next(head), await vm.next(head)].map(
      ({ stream }) => stream,
    );
    for (const { exchange } of [whole, streamed]) {
      const { client } = exchange;
      const { sendHead } = client;
      client.sendHead = () => {
        client.sendHead = sendHead;
        throw new Error("a bug");
      };
    }
    vm.respond(streams[0]!);
    vm.respond(streams[1]!, OK, "part", false);
    await vm.next(abort);
    vm.say(body, streams[1]!, Buffer.from("of it"));
    vm.say(abort, streams[1]!);
    vm.respond(streams[2]!);
    for (const client of [whole, streamed, other]) await client.untilEnd();
    assert.deepEqual(
      [whole.status, whole.error, streamed.status, streamed.error],
      [500, "internal", 500, "internal"],
    );
    assert.equal(other.status, 200);
    await app.until(() => app.outstanding() === 0);
    assert.equal(vm.closed, false);
    assert.deepEqual(app.faults, []);
  });

  it("is not lost to the others at the VM by a bug in what the VM asks an upstream", async (t) => {
    const app = await TestApp.start(t, { upstreams: ["at once", "later"] });
    const [vm] = app.vms as [ScriptedVm];
    const client = app.ask();
    const { stream } = await vm.next(head);
    const bug = () => {
      throw new Error("a bug");
    };
    const asks = new Map<string, StartAction>([
      [
        "later",
        (exchange) => {
          exchange.action = { onRequestBody: bug, onRequestEnd: bug, onClientDrain: bug, onAborted() {} };
          exchange.client.resumeBody();
        },
      ],
    ]);
    Object.assign(app.thread.context.active, {
      asks: { get: (name: string) => (name === "at once" ? bug() : asks.get(name)) },
    });
    const request = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\n";
    vm.writer.head(2, `0 ${stream}\n${request}`, null, 0);
    vm.writer.head(4, `1 ${stream}\n${request}`, null, 0);
    vm.say(body, 4, Buffer.from("part"));
    const aborts = [await vm.next(abort), await vm.next(abort)];
    assert.deepEqual(
      aborts.map(({ stream: of, payload }) => [of, String(payload)]),
      [2, 4].map((of) => [of, "internal\nan error in the gateway itself"]),
    );
    vm.respond(stream);
    await client.untilEnd();
    assert.equal(client.status, 200);
    assert.equal(vm.closed, false);
    const told = app.thread.reports.filter(({ type }) => type === "log");
    assert.equal(told.length, 2);
    assert.match(JSON.stringify(told), /Error: a bug\\n +at /);
  });

  it("comes back from a data thread that ended", async (t) => {
    const app = await TestApp.start(t, {}, { threads: 2 });
    app.ask({}, 0);
    app.ask({}, 1);
    app.ask({}, 1);
    app.state.forgetThread(1);
    assert.equal(app.outstanding(), 1);
  });
});

describe("an exchange at a VM", () => {
  it("waits as long as queue.timeout in its queue, and is taken back out of it", async (t) => {
    const app = await TestApp.start(t);
    const [vm] = app.vms as [ScriptedVm];
    const client = app.ask();
    const { stream } = await vm.next(head);
    vm.say(queued, stream);
    await app.until(() => app.queue.queued === 1);
    app.thread.elapse(QUEUE_TIMEOUT_MS + LATE_MS);
    assert.deepEqual([client.status, client.error], [503, "app_queue_timeout"]);
    assert.equal(client.head!.headers.find("retry-after"), "1");
    assert.equal((await vm.next(abort)).stream, stream);
    assert.deepEqual([app.queue.queued, app.queue.timedOut, app.queue.waited], [0, 1, 0]);
  });

  it("has its whole time from the start of its handler", async (t) => {
    const app = await TestApp.start(t);
    const [vm] = app.vms as [ScriptedVm];
    const client = app.ask();
    const { stream } = await vm.next(head);
    vm.say(queued, stream);
    await app.until(() => app.queue.queued === 1);
    app.thread.elapse(QUEUE_TIMEOUT_MS - LATE_MS);
    vm.say(started, stream);
    await app.until(() => app.queue.waited === 1);
    assert.equal(app.queue.queued, 0);
    app.thread.elapse(TIMEOUT_MS - LATE_MS);
    assert.equal(client.ended, null);
    app.thread.elapse(2 * LATE_MS);
    assert.deepEqual([client.status, client.error], [504, "app_timeout"]);
    assert.equal((await vm.next(abort)).payload.toString(), "app_timeout");
  });

  it("whose body trickles in is at no VM before it is whole or request_buffer is there", async (t) => {
    const app = await TestApp.start(t, { requestBufferBytes: 1000 });
    const [vm] = app.vms as [ScriptedVm];
    const whole = app.ask({ method: "POST", bodyLength: 600 });
    const long = app.ask({ method: "POST", bodyLength: 5000 });
    for (const client of [whole, long]) {
      assert.equal(client.bodyFlows, true);
      client.send("x".repeat(500));
    }
    app.thread.elapse(10 * TIMEOUT_MS);
    assert.equal(app.outstanding(), 0);
    whole.send("x".repeat(100));
    assert.equal(app.outstanding(), 0);
    whole.endRequest();
    assert.equal(app.outstanding(), 1);
    long.send("x".repeat(500));
    assert.equal(app.outstanding(), 2);
    const first = await vm.next(head);
    assert.equal(first.payload[0], HEAD_ENDS);
    assert.equal((await vm.next(head)).payload[0], 0);
  });

  it("has no more of its body at the VM than was granted, and slows its client down", async (t) => {
    const app = await TestApp.start(t);
    const [vm] = app.vms as [ScriptedVm];
    const client = app.ask({ method: "POST", bodyLength: 300_000 });
    let sent = 0;
    while (client.bodyFlows) {
      client.send("x".repeat(10_000));
      sent += 10_000;
    }
    assert.ok(sent < 65_536 + 10_000, `${sent} bytes`);
    const { stream } = await vm.next(head);
    let got = 0;
    while (got < REQUEST_WINDOW_BYTES) got += (await vm.next(body)).payload.length;
    await turns();
    assert.equal(got, REQUEST_WINDOW_BYTES);
    assert.ok(!vm.frames.some(({ type }) => type === body));
    // As it is read, so the rest comes.
    for (;;) {
      vm.credit(stream, got);
      got = 0;
      while (got === 0 || vm.frames.some(({ type }) => type === body)) {
        const { payload } = await vm.next(body);
        got += payload.length;
      }
      if (client.bodyFlows) break;
    }
    client.endRequest();
  });

  it("of request_buffer 0 is at a VM at once, and its body goes on as it is read", async (t) => {
    const app = await TestApp.start(t, { requestBufferBytes: 0 });
    const [vm] = app.vms as [ScriptedVm];
    const client = app.ask({ method: "POST", bodyLength: -1 });
    const { stream } = await vm.next(head);
    for (let i = 0; i < 10; i++) {
      assert.equal(client.bodyFlows, true);
      client.send("x".repeat(REQUEST_WINDOW_BYTES));
      assert.equal((await vm.next(body)).payload.length, REQUEST_WINDOW_BYTES);
      vm.credit(stream, REQUEST_WINDOW_BYTES);
      await turns();
    }
    client.endRequest();
    await vm.next(end);
  });

  it("has more of its response granted as its client takes it", async (t) => {
    const app = await TestApp.start(t);
    const [vm] = app.vms as [ScriptedVm];
    const client = app.ask();
    client.flows = false;
    const { stream } = await vm.next(head);
    vm.respond(stream, OK, Buffer.alloc(MAX_PIECE_BYTES), false);
    await client.untilBytes(MAX_PIECE_BYTES);
    await turns();
    // As long as it takes nothing, it is the client's connection that has a deadline.
    app.thread.elapse(3 * IDLE_MS);
    assert.equal(client.ended, null);
    assert.ok(!vm.frames.some(({ type }) => type === credit));
    client.drain();
    assert.equal((await vm.next(credit)).payload.readUInt32LE(), RESPONSE_WINDOW_BYTES);
    app.thread.elapse(IDLE_MS - LATE_MS);
    assert.equal(client.ended, null);
    app.thread.elapse(2 * LATE_MS);
    assert.deepEqual([client.ended, client.error], ["cut", "app_response_stalled"]);
  });
});

describe("when a VM ends", () => {
  /** Two VMs, and an exchange at the first one. */
  async function start(t: Parameters<typeof TestApp.start>[0], rules = {}, request = {}, text = "") {
    const app = await TestApp.start(t, rules, { vms: 2, serving: 1 });
    const [first, second] = app.vms as [ScriptedVm, ScriptedVm];
    await first.pong();
    await turns();
    const client = app.ask(request);
    if (text !== "") {
      client.send(text);
      client.endRequest();
    }
    const { stream } = await first.next(head);
    return { app, first, second, client, stream };
  }

  async function answeredBy(vm: ScriptedVm): Promise<void> {
    vm.respond((await vm.next(head)).stream);
  }

  it("what it may have begun gets 502", async (t) => {
    const { app, first, client } = await start(t);
    first.kill();
    await client.untilEnd();
    assert.deepEqual([client.status, client.error], [502, "vm_ended"]);
    assert.deepEqual(app.faults, [null]);
  });

  it("what it had queued goes to another one", async (t) => {
    const { app, first, second, client, stream } = await start(t);
    first.say(queued, stream);
    app.serve(first, second);
    first.kill();
    await answeredBy(second);
    await client.untilEnd();
    assert.deepEqual([client.status, client.exchange.backend], [200, "vm 2"]);
    assert.equal(app.queue.queued, 0);
    assert.equal(app.outstanding(1), 0);
  });

  it("what it had queued and begun does not", async (t) => {
    const { app, first, second, client, stream } = await start(t);
    first.say(queued, stream);
    first.say(started, stream);
    app.serve(first, second);
    first.kill();
    await client.untilEnd();
    assert.equal(client.error, "vm_ended");
  });

  it("its last words count, also where a write finds out first that it is gone", async (t) => {
    const { app, first, second, client, stream } = await start(t);
    const [other, third] = [app.ask(), app.ask()] as const;
    first.say(queued, stream);
    await app.until(() => app.queue.queued === 1);
    app.serve(first, second);
    other.goAway(CLIENT_GONE);
    // From the moment in which this comes in, the data thread writes before it reads again.
    await first.next(abort);
    first.say(started, stream);
    first.kill();
    third.goAway(CLIENT_GONE);
    await client.untilEnd();
    assert.equal(client.error, "vm_ended");
  });

  it("what was sent behind a ping that it did not answer goes to another one, and what was sent before does not", async (t) => {
    const { app, first, second, client } = await start(t);
    app.thread.elapse(LATE_MS);
    await first.next(ping);
    const behind = app.ask();
    await first.next(head);
    app.serve(first, second);
    first.kill();
    await answeredBy(second);
    await behind.untilEnd();
    await client.untilEnd();
    assert.equal(behind.status, 200);
    assert.equal(client.error, "vm_ended");
  });

  it("a ping that it did answer says nothing of what came behind it", async (t) => {
    const { app, first, second } = await start(t);
    app.thread.elapse(LATE_MS);
    await first.pong();
    await turns();
    const behind = app.ask();
    await first.next(head);
    app.serve(first, second);
    first.kill();
    await behind.untilEnd();
    assert.equal(behind.error, "vm_ended");
  });

  it("that never got its link, everything goes to another one", async (t) => {
    const app = await TestApp.start(t, {}, { vms: 2, serving: 1 });
    const [first, second] = app.vms as [ScriptedVm, ScriptedVm];
    const client = app.ask();
    await first.next(head);
    app.serve(first, second);
    first.kill();
    await answeredBy(second);
    await client.untilEnd();
    assert.equal(client.status, 200);
  });

  for (const [title, bytes] of [
    ["a short body", 1000],
    ["a body of which only a part was sent", 40_000],
  ] as const) {
    it(`${title} goes along`, async (t) => {
      const text = "0123456789".repeat(bytes / 10);
      const { app, first, second, client, stream } = await start(
        t,
        {},
        { method: "POST", bodyLength: bytes },
        text,
      );
      first.say(queued, stream);
      app.serve(first, second);
      first.kill();
      const next = await second.next(head);
      let got = next.payload.toString("latin1").slice(5 + next.payload.readUInt32LE(1));
      while (got.length < bytes) {
        const { payload } = await second.next(body);
        got += payload.toString("latin1");
        second.credit(next.stream, payload.length);
      }
      assert.equal(got, text);
      second.respond(next.stream);
      await client.untilEnd();
      assert.equal(client.status, 200);
    });
  }

  it("a body of which some is gone does not, although the method is idempotent", async (t) => {
    const request = { method: "PUT", bodyLength: 40_000 };
    const { app, first, second, client, stream } = await start(
      t,
      { repeatsIdempotent: true },
      request,
      "x".repeat(40_000),
    );
    await first.next(body);
    first.credit(stream, 10);
    await first.next(body);
    app.serve(first, second);
    first.kill();
    await client.untilEnd();
    assert.equal(client.error, "vm_ended");
  });

  it("one that hangs or dies of it sees no more than four", async (t) => {
    const app = await TestApp.start(t, {}, { vms: 1 });
    const [vm] = app.vms as [ScriptedVm];
    void vm;
    const client = app.ask();
    let seen = 0;
    for (let id = 1; client.ended === null; id++) {
      const one = id === 1 ? vm : (await TestApp.start(t)).vms[0]!;
      if (id > 1) app.pools[0]!.serve([{ id, slot: 1, path: one.path, key: "k" }], null);
      // The peer of the app that lent it has its own link to it.
      await one.next(head);
      seen++;
      one.kill();
      await app.until(() => app.outstanding(id === 1 ? 1 : 2) === 0);
    }
    assert.equal(seen, 4);
    assert.equal(client.error, "vm_ended");
  });

  describe("and repeat is idempotent, what was begun", () => {
    const rules = { repeatsIdempotent: true };

    it("goes to another one when it is known that the VM neither hung nor ran out of memory", async (t) => {
      const { app, first, second, client } = await start(t, rules);
      app.serve(first, second);
      first.kill();
      await first.untilClosed();
      await turns();
      assert.equal(client.ended, null);
      app.thread.context.vms.ends.tell(first.id, false);
      await answeredBy(second);
      await client.untilEnd();
      assert.equal(client.status, 200);
    });

    it("has all of its body there, also what comes before that is known", async (t) => {
      const { app, first, second, client } = await start(t, { ...rules, requestBufferBytes: 1000 });
      client.goAway(CLIENT_GONE);
      const put = app.ask({ method: "PUT", bodyLength: 1006 });
      put.send("x".repeat(1000));
      await first.next(body);
      app.serve(first, second);
      first.kill();
      await first.untilClosed();
      await turns();
      put.send("behind");
      app.thread.context.vms.ends.tell(first.id, false);
      put.endRequest();
      await second.next(end);
      const pieces = second.frames.filter(({ type }) => type === body).map(({ payload }) => payload);
      assert.equal(Buffer.concat(pieces).toString(), `${"x".repeat(1000)}behind`);
    });

    it("goes at once where that is known already", async (t) => {
      const { app, first, second, client } = await start(t, rules);
      app.serve(first, second);
      app.thread.context.vms.ends.tell(first.id, false);
      first.kill();
      await answeredBy(second);
      await client.untilEnd();
      assert.equal(client.status, 200);
    });

    it("gets 502 where the VM hung or ran out of memory", async (t) => {
      const { app, first, second, client } = await start(t, rules);
      app.serve(first, second);
      first.kill();
      await first.untilClosed();
      app.thread.context.vms.ends.tell(first.id, true);
      await client.untilEnd();
      assert.equal(client.error, "vm_ended");
      assert.equal(app.outstanding(2), 0);
    });

    it("gets 502 where nothing is known within a second", async (t) => {
      const { app, first, client } = await start(t, rules);
      first.kill();
      await first.untilClosed();
      await turns();
      app.thread.elapse(1000 + LATE_MS);
      assert.equal(client.error, "vm_ended");
      // The word comes too late for anybody.
      app.thread.context.vms.ends.tell(first.id, false);
    });

    it("gets 502 where its method is not idempotent, or its response had begun", async (t) => {
      const { app, first, second, client, stream } = await start(t, rules);
      const post = app.ask({ method: "POST" });
      await first.next(head);
      first.respond(stream, OK, "part", false);
      await client.untilBytes(4);
      app.serve(first, second);
      first.kill();
      await client.untilEnd();
      await post.untilEnd();
      assert.deepEqual([client.ended, client.error], ["cut", "vm_ended"]);
      assert.equal(post.status, 502);
    });
  });

  it("and no other one serves, exchanges wait as long as queue.timeout, and no more than queue.size", async (t) => {
    const { app, first, client, stream } = await start(t);
    first.say(queued, stream);
    first.kill();
    await first.untilClosed();
    await app.until(() => app.queue.waiting === 1);
    const waiting = app.ask();
    assert.equal(app.queue.waiting, 2);
    const refused = app.ask();
    assert.deepEqual([refused.status, refused.error], [503, "app_unavailable"]);
    waiting.goAway(CLIENT_GONE);
    assert.equal(app.queue.waiting, 1);
    app.thread.elapse(QUEUE_TIMEOUT_MS + LATE_MS);
    assert.deepEqual([client.status, client.error], [503, "app_queue_timeout"]);
    assert.deepEqual(app.queue, { queued: 0, waiting: 0, rejected: 1, timedOut: 1, waited: 0 });
  });
});
