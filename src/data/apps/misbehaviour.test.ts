// VMs that break the rules of their link: whatever they send, their link is closed, the control thread is told why, their
// exchanges fail, and everything else goes on. Real sockets; the VM is the test.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import {
  FrameType,
  HEAD_AGAIN,
  HEAD_ENDS,
  HEAD_KEPT,
  MAX_PIECE_BYTES,
  REQUEST_WINDOW_BYTES,
  RESPONSE_WINDOW_BYTES,
} from "../../wire/frames.ts";
import { QUEUE_TIMEOUT_MS, type ScriptedVm, TestApp } from "./scripted-vm.test.ts";

const { head, body, end, abort, credit, queued, started, message, close, ping, pong, name, hold } = FrameType;
const OK = "HTTP/1.1 200 OK\r\n\r\n";

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** The payload of a head, with a length that may be a lie. */
function headOf(flags: number, text: string, length = text.length, after = ""): Buffer {
  return Buffer.concat([Buffer.of(flags), number(length), Buffer.from(text, "latin1"), Buffer.from(after)]);
}

type Script = (vm: ScriptedVm, stream: number) => void;

/** What a VM does that was sent a request, and what is found wrong with it. */
const RUBBISH: ReadonlyArray<readonly [title: string, script: Script, fault: RegExp]> = [
  ["bytes that are no frame", (vm) => vm.say(99, 1), /^a frame of type 99: expected/],
  [
    "a head with flags that there are not",
    (vm, on) => vm.say(head, on, headOf(8, OK)),
    /^a head with flags 8$/,
  ],
  ["a head again, of which there was none", (vm, on) => vm.say(head, on, headOf(5, "")), /none was kept/],
  [
    "a head longer than its frame",
    (vm, on) => vm.say(head, on, headOf(1, OK, 1000)),
    /longer than its frame/,
  ],
  ["a head of 4 GB", (vm, on) => vm.say(head, on, headOf(1, OK, 0xffff_ffff)), /longer than its frame/],
  [
    "a head that is shorter than it says",
    (vm, on) => vm.say(head, on, headOf(1, OK, 10, "x")),
    /does not end/,
  ],
  [
    "a head that ends before its frame says",
    (vm, on) => vm.say(head, on, headOf(1, `${OK}x`)),
    /does not end/,
  ],
  ["a head without an end", (vm, on) => vm.say(head, on, headOf(1, "HTTP/1.1 200 OK\r\n")), /does not end/],
  ["an empty head", (vm, on) => vm.say(head, on, headOf(1, "")), /does not end/],
  ["a head that is none", (vm, on) => vm.say(head, on, headOf(1, "GET / HTTP/1.1\r\n\r\n")), /expected/],
  [
    "a head with a bare LF",
    (vm, on) => vm.say(head, on, headOf(1, "HTTP/1.1 200 OK\na: b\r\n\r\n")),
    /expected/,
  ],
  [
    "a head with NUL",
    (vm, on) => vm.say(head, on, headOf(1, "HTTP/1.1 200 OK\r\na: \0\r\n\r\n")),
    /expected/,
  ],
  [
    "a head with status 100",
    (vm, on) => vm.respond(on, "HTTP/1.1 100 Go\r\n\r\n"),
    /^a head with status 100$/,
  ],
  ["a 101 with its end", (vm, on) => vm.respond(on, "HTTP/1.1 101 Go\r\n\r\n", null), /^a 101 with a body$/],
  [
    "a head with too long a start of the body",
    (vm, on) => vm.respond(on, OK, Buffer.alloc(MAX_PIECE_BYTES + 1)),
    /^a head with 65537 bytes of body/,
  ],
  [
    "two heads",
    (vm, on) => {
      vm.respond(on, OK, null, false);
      vm.respond(on, OK, null, false);
    },
    /^a head where the exchange was not begun, or has one$/,
  ],
  ["a body before its head", (vm, on) => vm.say(body, on, Buffer.from("x")), /^a body before its head$/],
  ["an end before its head", (vm, on) => vm.say(end, on), /^the end of a body before its head$/],
  [
    "more of a body than it may",
    (vm, on) => {
      vm.respond(on, OK, null, false);
      for (let i = 0; i < 3; i++) vm.say(body, on, Buffer.alloc(MAX_PIECE_BYTES));
    },
    /^more of a body than there was credit for$/,
  ],
  [
    "trailers",
    (vm, on) => {
      vm.respond(on, OK, "ok", false);
      vm.say(end, on, Buffer.from("a: b\r\n"));
    },
    /^a frame of type 3 with 6 bytes: expected 0$/,
  ],
  [
    "credit for a request without a body",
    (vm, on) => vm.credit(on, 1),
    /^credit for a request that has no body$/,
  ],
  ["a start of what was not queued", (vm, on) => vm.say(started, on), /^started, where/],
  [
    "queued twice",
    (vm, on) => {
      vm.say(queued, on);
      vm.say(queued, on);
    },
    /^queued, where/,
  ],
  [
    "started twice",
    (vm, on) => {
      vm.say(queued, on);
      vm.say(started, on);
      vm.say(started, on);
    },
    /^started, where/,
  ],
  [
    "a response to what is queued",
    (vm, on) => {
      vm.say(queued, on);
      vm.respond(on);
    },
    /^a head where/,
  ],
  [
    "queued behind the head",
    (vm, on) => {
      vm.respond(on, OK, null, false);
      vm.say(queued, on);
    },
    /^queued, where/,
  ],
  [
    "a message where there is no WebSocket",
    (vm, on) => vm.say(message, on, Buffer.of(0)),
    /^a frame of type 8 on/,
  ],
  [
    "a close where there is no WebSocket",
    (vm, on) => vm.say(close, on, Buffer.alloc(2)),
    /^a frame of type 9 on/,
  ],
  [
    "a stream that was never opened",
    (vm, on) => vm.say(credit, on + 4, number(1)),
    /stream 5, which was never opened$/,
  ],
  [
    "a frame of a stream of its own that it never opened",
    (vm) => vm.say(body, 2, Buffer.of(1)),
    /never opened$/,
  ],
  [
    "a request where it may ask nobody",
    (vm) => vm.say(head, 2, headOf(1, OK)),
    /^more than 0 streams at a time$/,
  ],
  ["a hold of a stream that is none", (vm) => vm.say(hold, 2, Buffer.of(1)), /held/],
  ["a pong that was not asked for", (vm) => vm.say(pong, 0, number(77)), /^a pong with 77, which was not/],
  ["a ping", (vm) => vm.say(ping, 0, number(1)), /^a frame of type 10, which is not for VMs to send$/],
  [
    "a name",
    (vm) => vm.say(name, 0, Buffer.from("me")),
    /^a frame of type 13, which is not for VMs to send$/,
  ],
];

describe("a VM that sends", () => {
  for (const [title, script, fault] of RUBBISH) {
    it(`${title} loses its link, and its exchanges get 502`, async (t) => {
      const app = await TestApp.start(t);
      const [vm] = app.vms as [ScriptedVm];
      const clients = [app.ask(), app.ask()];
      const { stream } = await vm.next(head);
      await vm.next(head);
      await vm.pong();
      // More of a body is granted when the client has taken some.
      for (const client of clients) client.flows = false;
      script(vm, stream);
      await vm.untilClosed();
      // What was queued waits for another VM.
      app.thread.elapse(2 * QUEUE_TIMEOUT_MS);
      for (const client of clients) {
        await client.untilEnd();
        assert.ok(
          client.error === "vm_ended" || (/queued/.test(title) && client.error === "app_queue_timeout"),
        );
        assert.ok(client.status === client.exchange.error!.status || client.ended === "cut");
        assert.equal(client.late, 0);
      }
      assert.equal(app.faults.length, 1);
      assert.match(String(app.faults[0]), fault);
      assert.equal(app.outstanding(), 0);
    });
  }

  for (const [title, method, flags, text, fault] of [
    ["a head to be kept in answer to HEAD", "HEAD", HEAD_KEPT, OK, /in answer to HEAD$/],
    ["a head again in answer to HEAD", "HEAD", HEAD_AGAIN, "", /in answer to HEAD$/],
    ["a head again, and another one with it", "GET", HEAD_AGAIN, OK, /another one stands$/],
    ["a head again that is to be kept", "GET", HEAD_AGAIN | HEAD_KEPT, "", /another one stands$/],
  ] as const) {
    it(`${title} loses its link, also where one was kept`, async (t) => {
      const app = await TestApp.start(t);
      const [vm] = app.vms as [ScriptedVm];
      const kept = app.ask();
      vm.say(head, (await vm.next(head)).stream, headOf(HEAD_ENDS | HEAD_KEPT, OK));
      await kept.untilEnd();
      const client = app.ask({ method });
      const { stream } = await vm.next(head);
      await vm.pong();
      vm.say(head, stream, headOf(HEAD_ENDS | flags, text));
      await vm.untilClosed();
      await client.untilEnd();
      assert.deepEqual([kept.status, client.error], [200, "vm_ended"]);
      assert.match(String(app.faults[0]), fault);
    });
  }

  for (const [title, last] of [
    ["its response", (vm: ScriptedVm, on: number) => vm.respond(on)],
    ["its failure", (vm: ScriptedVm, on: number) => vm.say(abort, on, Buffer.from("failed\nso"))],
    [
      "the end of its body",
      (vm: ScriptedVm, on: number) => {
        vm.respond(on, OK, "ok", false);
        vm.say(end, on);
      },
    ],
  ] as const) {
    it(`anything behind ${title} loses its link, and nothing of that reaches the client`, async (t) => {
      const app = await TestApp.start(t);
      const [vm] = app.vms as [ScriptedVm];
      const client = app.ask();
      const other = app.ask();
      const { stream } = await vm.next(head);
      await vm.pong();
      last(vm, stream);
      vm.say(credit, stream, number(1));
      await vm.untilClosed();
      await other.untilEnd();
      assert.equal(client.ended, "whole");
      assert.equal(client.late, 0);
      assert.equal(other.error, "vm_ended");
      assert.deepEqual(app.faults, [`a frame of type 5 on stream ${stream}, which is over`]);
      assert.equal(app.outstanding(), 0);
    });
  }

  for (const [title, bytes] of [
    ["more credit for a request than it had of it", REQUEST_WINDOW_BYTES + 1],
    ["credit for a request that goes beyond all numbers", 0xffff_ffff],
  ] as const) {
    it(`${title} loses its link`, async (t) => {
      const app = await TestApp.start(t);
      const [vm] = app.vms as [ScriptedVm];
      const client = app.ask({ method: "POST", bodyLength: 100_000 });
      client.send("x".repeat(70_000));
      const { stream } = await vm.next(head);
      await vm.next(body);
      await vm.pong();
      vm.credit(stream, bytes);
      await vm.untilClosed();
      await client.untilEnd();
      assert.equal(client.error, "vm_ended");
      assert.deepEqual(app.faults, ["more credit than there was to give back"]);
    });
  }

  it("rubbish is not connected to again, while the control thread still has it among those that serve", async (t) => {
    const app = await TestApp.start(t, {}, { vms: 2 });
    const [bad, good] = app.vms as [ScriptedVm, ScriptedVm];
    await bad.pong();
    bad.say(99, 1);
    await bad.untilClosed();
    bad.closed = false;
    app.serve(bad, good);
    for (let i = 0; i < 4; i++) app.ask();
    for (let i = 0; i < 4; i++) await good.next(head);
    assert.equal(app.outstanding(bad.id), 0);
    assert.equal(app.outstanding(good.id), 4);
  });

  for (const [title, text, first, what] of [
    ["a length that is none", "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", null, /Content-Length "x"/],
    [
      "a coding that is none",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
      null,
      /Transfer-Encoding "gzip"/,
    ],
    ["too many fields", `HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(1001)}\r\n`, null, /1000 header fields/],
    ["more than it says", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n", "ok", /more than the 1 bytes/],
  ] as const) {
    it(`a response that an app has made wrong (${title}) fails that exchange alone`, async (t) => {
      const app = await TestApp.start(t);
      const [vm] = app.vms as [ScriptedVm];
      const client = app.ask();
      const other = app.ask();
      const { stream } = await vm.next(head);
      const { stream: otherStream } = await vm.next(head);
      vm.respond(stream, text, first, false);
      await client.untilEnd();
      assert.deepEqual([client.status, client.error], [500, "app_response_invalid"]);
      assert.match(client.exchange.error!.message, what);
      assert.equal((await vm.next(abort)).stream, stream);
      vm.respond(otherStream);
      await other.untilEnd();
      assert.equal(other.body, "ok");
      assert.deepEqual(app.faults, []);
    });
  }

  for (const [title, pieces, ended] of [
    ["longer", ["abc", "def"], false],
    ["shorter", ["abc"], true],
  ] as const) {
    it(`a body that is ${title} than its head says is cut, and its VM goes on`, async (t) => {
      const app = await TestApp.start(t);
      const [vm] = app.vms as [ScriptedVm];
      const client = app.ask();
      const { stream } = await vm.next(head);
      vm.respond(stream, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", null, false);
      for (const piece of pieces) vm.say(body, stream, Buffer.from(piece));
      if (ended) vm.say(end, stream);
      await client.untilEnd();
      assert.deepEqual([client.ended, client.error, client.body], ["cut", "app_response_invalid", "abc"]);
      if (!ended) vm.say(abort, (await vm.next(abort)).stream);
      const other = app.ask();
      vm.respond((await vm.next(head)).stream);
      await other.untilEnd();
      assert.equal(other.status, 200);
      assert.deepEqual(app.faults, []);
    });
  }
});

describe("a data thread", () => {
  const anyPayload = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.constantFrom(
      headOf(HEAD_ENDS, OK),
      headOf(0, OK),
      headOf(0, OK, OK.length, "ok"),
      headOf(HEAD_ENDS | HEAD_KEPT, OK, OK.length, "ok"),
      headOf(HEAD_ENDS | HEAD_AGAIN, ""),
      headOf(1, "HTTP/1.1 204 No Content\r\n\r\n"),
      number(1),
      number(16_384),
      number(0xffff_ffff),
      Buffer.alloc(0),
      Buffer.alloc(RESPONSE_WINDOW_BYTES),
      Buffer.from("failed\nbecause\0stack"),
    ),
  );
  const anyFrame = fc.tuple(
    fc.integer({ min: 0, max: 15 }),
    fc.constantFrom(0, 1, 2, 3, 5, 7, 99),
    anyPayload,
  );

  it("survives any frames: every exchange ends once, and every place is given back", async (t) => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyFrame, { maxLength: 12 }), async (frames) => {
        const app = await TestApp.start(t, { upstreams: ["somebody"] });
        const [vm] = app.vms as [ScriptedVm];
        const clients = [
          app.ask(),
          app.ask({ method: "POST", bodyLength: 40_000 }),
          app.ask({ method: "HEAD" }),
          app.ask(),
        ];
        clients[1]!.send("x".repeat(40_000));
        clients[1]!.endRequest();
        for (let i = 0; i < 4; i++) await vm.next(head);
        for (const [type, stream, payload] of frames) vm.writer.bytes(type, stream, payload);
        vm.writer.flush();
        vm.kill();
        await vm.untilClosed();
        while (clients.some(({ ended }) => ended === null)) {
          app.thread.elapse(100);
          await nextTurn();
        }
        assert.deepEqual(
          clients.map(({ late }) => late),
          [0, 0, 0, 0],
        );
        assert.equal(app.outstanding(), 0);
        assert.equal(app.queue.queued, 0);
        assert.equal(app.queue.waiting, 0);
      }),
      { numRuns: 150 },
    );
  });
});
