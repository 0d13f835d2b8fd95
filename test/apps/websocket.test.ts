// WebSockets of apps, through the whole gateway: real VMs, the client of `ws`.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { WebSocket } from "ws";
import { TestGateway } from "../support/gateway.ts";
import { open, refused, webSocketApp } from "./websocket-client.ts";

describe("a WebSocket of an app", { timeout: 60_000 }, () => {
  let gateway: TestGateway;
  const seen = async (id = ""): Promise<Record<string, unknown>[]> =>
    (await fetch(`http://127.0.0.1:${gateway.port}/seen?id=${id}`)).json() as Promise<
      Record<string, unknown>[]
    >;
  /** Asks until the handler has seen something of that kind. */
  async function noted(type: string, id = ""): Promise<Record<string, unknown>> {
    for (;;) {
      const found = (await seen(id)).find((one) => one["type"] === type);
      if (found !== undefined) return found;
    }
  }
  before(async () => {
    gateway = await TestGateway.start(`access_log: {}\n${webSocketApp()}`, { stdout: "pipe" });
  });
  after(() => gateway.stop());

  it("carries messages both ways", async () => {
    const client = await open(gateway.port, "/echo");
    const sent = ["hello", "", "grüße 😀", Buffer.alloc(0), randomBytes(1), randomBytes(70_000)];
    for (const message of sent) {
      client.send(message);
      assert.deepEqual(await client.next(), message);
    }
    client.close(1000);
    assert.equal((await client.ended).code, 1000);
    await gateway.logged((line) => line["path"] === "/echo" && line["status"] === 101);
  });

  for (const bytes of [65_535, 65_536, 65_537, 131_072, 1_048_576]) {
    it(`carries a message of ${bytes} bytes, text and binary`, async () => {
      const client = await open(gateway.port, "/echo");
      const binary = randomBytes(bytes);
      const text = "ä".repeat(bytes / 2);
      client.send(binary);
      client.send(text);
      const echoed = await client.next();
      assert.ok(Buffer.isBuffer(echoed) && echoed.equals(binary));
      assert.ok((await client.next()) === text);
      client.terminate();
    });
  }

  it("keeps the order of many messages", async () => {
    const client = await open(gateway.port, "/echo");
    for (let i = 0; i < 20_000; i++) client.send(String(i));
    for (let i = 0; i < 20_000; i++) assert.equal(await client.next(), String(i));
    client.terminate();
  });

  it("sends what the handler sent before its response, and takes async listeners", async () => {
    const client = await open(gateway.port, "/greet");
    assert.equal(await client.next(), "hello");
    client.send("abc");
    assert.equal(await client.next(), "ABC");
    client.terminate();
  });

  it("gives the handler strings and ArrayBuffers", async () => {
    const client = await open(gateway.port, "/kinds");
    client.send("grüße");
    assert.equal(await client.next(), "string of 5");
    client.send(Buffer.from("grüße"));
    assert.equal(await client.next(), "ArrayBuffer of 7");
    client.terminate();
  });

  it("sends strings, buffers and views as they are at that moment", async () => {
    const client = await open(gateway.port, "/send");
    assert.equal(await client.next(), "text");
    for (const bytes of [
      [0, 1, 2, 3, 4],
      [0, 1, 2, 3, 4],
      [1, 2],
      [2, 3, 4],
    ])
      assert.deepEqual(await client.next(), Buffer.from(bytes));
    assert.match(String(await client.next()), /^TypeError: Cannot send 5 on a WebSocket: expected a string/);
    client.terminate();
  });

  it("keeps messages until the handler accepts", async () => {
    const client = await open(gateway.port, "/late?id=late");
    client.send("one");
    client.send("two");
    client.ping();
    assert.equal(await (await fetch(`http://127.0.0.1:${gateway.port}/accept?id=late`)).text(), "accepted");
    assert.equal(await client.next(), "one");
    assert.equal(await client.next(), "two");
    client.terminate();
  });

  it("refuses to send before accept()", async () => {
    const client = await open(gateway.port, "/mute");
    assert.match(String((await noted("mute"))["error"]), /TypeError: Cannot send on a WebSocket before/);
    client.terminate();
  });

  it("answers pings by itself", async () => {
    const client = await open(gateway.port, "/late?id=ping");
    const answered = new Promise((resolve) => client.once("pong", resolve));
    client.ping("are you there?");
    assert.equal(String(await answered), "are you there?");
    client.terminate();
  });

  it("lets the handler choose the subprotocol and set header fields", async () => {
    const client = await open(gateway.port, "/protocol?id=second", ["first", "second"]);
    assert.equal(client.protocol, "second");
    client.terminate();
  });

  it("tells the handler how the client closed", async () => {
    const client = await open(gateway.port, "/note?id=closed");
    client.send("last words");
    client.close(4001, "bye");
    assert.deepEqual(await client.ended, { code: 4001, reason: "" });
    const { code, reason, wasClean, readyState } = await noted("close", "closed");
    assert.deepEqual(
      { code, reason, wasClean, readyState },
      {
        code: 4001,
        reason: "bye",
        wasClean: true,
        readyState: 3,
      },
    );
    const types = (await seen("closed")).map(({ type }) => type).filter((type) => type !== "mute");
    assert.deepEqual(types, ["message", "close"]);
  });

  it("tells the handler of a close without code", async () => {
    const client = await open(gateway.port, "/note?id=plain");
    client.close();
    const { code, reason, wasClean } = await noted("close", "plain");
    assert.deepEqual({ code, reason, wasClean }, { code: 1005, reason: "", wasClean: true });
  });

  it("tells the handler of a client that went away", async () => {
    const client = await open(gateway.port, "/note?id=gone");
    client.terminate();
    const { code, wasClean } = await noted("close", "gone");
    assert.deepEqual({ code, wasClean }, { code: 1006, wasClean: false });
    assert.deepEqual(
      (await seen("gone")).filter(({ type }) => type === "error"),
      [],
    );
  });

  it("tells the handler of a client that went away before the response", async () => {
    const client = new WebSocket(`ws://127.0.0.1:${gateway.port}/slow?id=early`);
    client.on("error", () => {});
    await noted("begun", "early");
    client.terminate();
    await gateway.logged((line) => String(line["path"]).startsWith("/slow") && line["status"] === 499);
    await fetch(`http://127.0.0.1:${gateway.port}/go-on?id=early`);
    const { code, wasClean } = await noted("close", "early");
    assert.deepEqual({ code, wasClean }, { code: 1006, wasClean: false });
  });

  for (const [args, code, reason] of [
    [[], 1005, ""],
    [[1000], 1000, ""],
    [[1000, "done"], 1000, "done"],
    [[3000, "x".repeat(123)], 3000, "x".repeat(123)],
    [[4999, "grüße"], 4999, "grüße"],
  ] as const) {
    it(`closes with close(${args
      .map((arg) => JSON.stringify(arg))
      .join(", ")
      .slice(0, 30)})`, async () => {
      const client = await open(gateway.port, "/close");
      client.send(JSON.stringify(args));
      assert.deepEqual(await client.ended, { code, reason });
    });
  }

  for (const [args, problem] of [
    [[999], /TypeError: Cannot close a WebSocket with code 999: expected 1000 to 1003/],
    [[1005], /TypeError: .* code 1005/],
    [[1006], /TypeError: .* code 1006/],
    [[1015], /TypeError: .* code 1015/],
    [[2999], /TypeError: .* code 2999/],
    [[5000], /TypeError: .* code 5000/],
    [["no"], /TypeError: .* code no/],
    [[1000, "x".repeat(124)], /SyntaxError: Cannot close a WebSocket with a reason of 124 bytes/],
  ] as const) {
    it(`does not close with close(${args
      .map((arg) => JSON.stringify(arg))
      .join(", ")
      .slice(0, 30)})`, async () => {
      const client = await open(gateway.port, "/close");
      client.send(JSON.stringify(args));
      assert.match(String(await client.next()), problem);
      client.terminate();
    });
  }

  it("throws for a message after close(), and closes once", async () => {
    const client = await open(gateway.port, "/close");
    client.send("[1000]");
    await client.ended;
    const { before, after } = await noted("closing");
    assert.deepEqual({ before, after }, { before: 1, after: 2 });
    for (;;) {
      const thrown = (await seen()).map(({ error }) => String(error));
      if (thrown.includes("TypeError: Cannot send on a WebSocket after close()")) break;
    }
  });

  it("goes on after a listener that throws, and logs it", async () => {
    const client = await open(gateway.port, "/throw");
    for (const message of ["throw", "reject", "still here"]) client.send(message);
    assert.equal(await client.next(), "reject");
    assert.equal(await client.next(), "still here");
    client.terminate();
  });

  it("carries messages between two halves that the handler keeps", async () => {
    assert.equal(await (await fetch(`http://127.0.0.1:${gateway.port}/local`)).text(), "local");
    const { local } = await noted("local");
    assert.deepEqual(local, [
      ["client", "early"],
      ["client", 4000, "done", true, 3],
      ["server", "back"],
      ["server", 4000, "done", true, 3],
    ]);
  });

  describe("is refused with 500", () => {
    for (const [what, path, code, message] of [
      [
        "where the client asks for none",
        "/unasked",
        "app_response_invalid",
        /101 for a request that asks for no/,
      ],
      [
        "where the response has another status",
        "/status",
        "app_failed",
        /A Response with a webSocket has status 101/,
      ],
      ["where a 101 has no webSocket", "/nothing", "app_failed", /status/],
      ["where the webSocket is something else", "/object", "app_response_invalid", /none of a WebSocketPair/],
      ["where the half was accepted", "/accepted", "app_response_invalid", /expected the other half/],
      [
        "where no such subprotocol is offered",
        "/protocol?id=third",
        "app_response_invalid",
        /"third": expected one of/,
      ],
    ] as const) {
      it(what, async () => {
        const isPlain = path === "/unasked";
        const url = `http://127.0.0.1:${gateway.port}${path}`;
        const { status } = isPlain
          ? await fetch(url)
          : await refused(gateway.port, path, ["first", "second"]);
        assert.equal(status, 500);
        const line = await gateway.logged(
          (entry) =>
            entry["code"] === code && message.test(`${entry.msg} ${entry["message"]} ${entry["reason"]}`),
        );
        assert.ok(line);
      });
    }

    it("where the half was in another response", async () => {
      const first = await open(gateway.port, "/twice");
      assert.equal((await refused(gateway.port, "/twice")).status, 500);
      first.send("still mine");
      assert.equal(await first.next(), "still mine");
      first.terminate();
    });
  });
});
