// Connections of HTTP/2 that cost more than they are worth, frame by frame: each is ended with GOAWAY, the gateway's memory
// stays as it is, and the next client is served. Runs in the test process.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { RawBackend } from "../support/raw.ts";
import { ErrorCode, Flag, FrameClient, FrameType, fieldBlock, request, settings, uint32 } from "./frames.ts";

const BIG = 100_000;
const MOST_GROWTH_BYTES = 64 * 2 ** 20;

let backend: RawBackend;
let gateway: TestGateway;
let memoryBefore: number;

before(async () => {
  // It takes every request, and answers none.
  backend = await RawBackend.start(() => {});
  gateway = await TestGateway.start(
    `backends:
  silent: [{ host: 127.0.0.1, port: ${backend.port} }]
  full: [{ host: 127.0.0.1, port: ${backend.port}, max_conn: 1 }]
routing:
  full: { path: /full, upstream: full }
  slow: { path: /slow, upstream: silent }
  big: { path: /big, respond: { body: "${"x".repeat(BIG)}" } }
  all: { respond: { body: hi } }
access_log: {}
`,
    {
      server:
        "h2c: true, read_timeout: 1s, write_timeout: 1s, keep_alive_timeout: 1s, http2: { max_concurrent_streams: 20, max_resets: 50 }",
      stdout: "pipe",
    },
  );
  const client = await FrameClient.connect(gateway.port);
  assert.equal(await client.outcome(client.request(request("/"))), "status 200");
  client.destroy();
  memoryBefore = residentBytes();
});
after(async () => {
  await gateway.stop();
  await backend.stop();
});

function residentBytes(): number {
  const status = readFileSync(`/proc/${gateway.process.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
}

function times(count: number, act: (index: number) => void): void {
  for (let i = 0; i < count; i++) act(i);
}

describe("a client that", { timeout: 60_000 }, () => {
  const ended: ReadonlyArray<
    readonly [what: string, misbehave: (client: FrameClient) => void, codes: readonly number[]]
  > = [
    [
      "opens streams and resets them at once",
      (client) => times(2000, () => client.reset(client.request(request("/slow")))),
      [ErrorCode.enhanceYourCalm, ErrorCode.internalError],
    ],
    [
      "makes the gateway reset its streams",
      (client) =>
        times(2000, () =>
          client.send(FrameType.windowUpdate, Flag.none, client.request(request("/slow")), uint32(0)),
        ),
      [ErrorCode.protocolError, ErrorCode.enhanceYourCalm],
    ],
    [
      "opens more streams than it may",
      (client) => times(200, () => client.request(request("/slow"))),
      [ErrorCode.protocolError, ErrorCode.refusedStream, ErrorCode.internalError],
    ],
    [
      "sends malformed heads without end",
      (client) => times(500, () => client.request(request("/", [["X", "y"]]))),
      [ErrorCode.protocolError, ErrorCode.internalError, ErrorCode.enhanceYourCalm],
    ],
    [
      "sends a head without end",
      (client) => {
        const stream = client.request(request("/", [["x", "y".repeat(15_000)]]), Flag.none);
        times(200, (i) =>
          client.send(FrameType.continuation, Flag.none, stream, fieldBlock([[`x${i}`, "y".repeat(15_000)]])),
        );
      },
      [ErrorCode.internalError, ErrorCode.enhanceYourCalm],
    ],
    [
      "sends empty CONTINUATION frames",
      (client) => {
        const stream = client.request(request("/"), Flag.none);
        times(5000, () => client.send(FrameType.continuation, Flag.none, stream));
      },
      [ErrorCode.internalError, ErrorCode.enhanceYourCalm],
    ],
    [
      "begins a head and does not go on",
      (client) => void client.request(request("/"), Flag.none),
      [ErrorCode.noError],
    ],
    [
      "sends PING after PING",
      (client) => times(20_000, () => client.send(FrameType.ping, Flag.none, 0, Buffer.alloc(8))),
      [ErrorCode.internalError, ErrorCode.enhanceYourCalm],
    ],
    [
      "sends SETTINGS after SETTINGS",
      (client) => times(20_000, () => client.send(FrameType.settings, Flag.none, 0)),
      [ErrorCode.internalError, ErrorCode.enhanceYourCalm],
    ],
    [
      "sends a hundred settings in one frame",
      (client) =>
        client.connection.write(settings(...Array.from({ length: 100 }, (_, i) => [256 + i, 1] as const))),
      [ErrorCode.enhanceYourCalm],
    ],
    [
      "sends empty DATA frames",
      (client) => {
        const stream = client.request(request("/slow", [], "POST"), Flag.endHeaders);
        times(20_000, () => client.send(FrameType.data, Flag.none, stream));
      },
      [ErrorCode.internalError, ErrorCode.enhanceYourCalm],
    ],
    [
      "sends more than its window",
      (client) => {
        client.request(request("/full"));
        // It waits for the first one, and nobody takes its body.
        const stream = client.request(request("/full", [], "POST"), Flag.endHeaders);
        times(200, () => client.send(FrameType.data, Flag.none, stream, Buffer.alloc(16_384)));
      },
      [ErrorCode.flowControlError],
    ],
    [
      "opens the gateway's window too wide",
      (client) => times(2, () => client.send(FrameType.windowUpdate, Flag.none, 0, uint32(0x7fffffff))),
      [ErrorCode.flowControlError],
    ],
    ["resets a stream that never was", (client) => client.reset(5), [ErrorCode.protocolError]],
    [
      "sends frames that nobody knows",
      (client) => times(20_000, () => client.send(0x77, Flag.none, 0)),
      [ErrorCode.enhanceYourCalm],
    ],
    ["asks once, and no more", (client) => void client.request(request("/")), [ErrorCode.noError]],
    ["asks nothing", () => {}, [ErrorCode.noError]],
  ];
  for (const [what, misbehave, codes] of ended) {
    it(`${what} gets GOAWAY, and is disconnected`, async () => {
      const client = await FrameClient.connect(gateway.port);
      misbehave(client);
      await client.connection.untilEnd();
      const code = client.goaways.at(-1);
      assert.ok(code !== undefined && codes.includes(code), String(code));
      client.destroy();
      const grown = residentBytes() - memoryBefore;
      assert.ok(grown < MOST_GROWTH_BYTES, `${grown} bytes more`);
      const next = await FrameClient.connect(gateway.port);
      assert.equal(await next.outcome(next.request(request("/"))), "status 200");
      next.destroy();
    });
  }

  it("resets streams one after the other gets GOAWAY when it was too many, and the log says so", async (t) => {
    const own = await TestGateway.start(
      `backends: { silent: [{ host: 127.0.0.1, port: ${backend.port} }] }\nrouting: { slow: { upstream: silent } }`,
      { server: "h2c: true, http2: { max_resets: 50 }" },
    );
    t.after(() => own.stop("SIGKILL"));
    const client = await FrameClient.connect(own.port);
    for (let count = 0; count < 500 && client.goaways.length === 0; count += 5) {
      times(5, () => client.reset(client.request(request("/slow"))));
      // When it is answered, the gateway has seen what came before.
      await client.pinged();
    }
    await client.connection.untilEnd();
    assert.deepEqual(client.goaways, [ErrorCode.enhanceYourCalm]);
    client.destroy();
    const { client: address, msg } = await own.logged((line) => line.msg.startsWith("HTTP/2"));
    assert.deepEqual([address, msg], ["127.0.0.1", "HTTP/2 connection closed: too many streams were reset"]);
  });

  it("sends PING one after the other gets GOAWAY when it was too many", async () => {
    const client = await FrameClient.connect(gateway.port);
    for (let count = 0; count < 2000 && client.goaways.length === 0; count += 100) {
      times(99, () => client.send(FrameType.ping, Flag.none, 0, Buffer.alloc(8)));
      await client.pinged();
    }
    await client.connection.untilEnd();
    assert.deepEqual(client.goaways, [ErrorCode.enhanceYourCalm]);
    client.destroy();
  });

  it("opens one stream more than it may has it refused, when it knows", async () => {
    const client = await FrameClient.connect(gateway.port);
    const [first] = await Promise.all([client.until(FrameType.settings), client.pinged()]);
    assert.equal(settingOf(first.payload, 3), 20);
    const streams = Array.from({ length: 20 }, () => client.request(request("/slow")));
    await client.pinged();
    assert.ok(!client.frames.some(({ type }) => type === FrameType.rstStream || type === FrameType.goaway));
    const outcome = await client.outcome(client.request(request("/")));
    assert.match(outcome, /^(RST_STREAM 7|GOAWAY 1)$/);
    assert.equal(streams.length, 20);
    client.destroy();
  });

  const heads = [
    ["a path that is too long", request(`/${"x".repeat(8192)}`), "status 414"],
    ["too many bytes", request("/", [["a", "x".repeat(14_000)]]), "status 200"],
    [
      "too many fields",
      request(
        "/",
        Array.from({ length: 101 }, (_, i) => [`x${i}`, "y"] as const),
      ),
      "status 431",
    ],
    [
      "as many fields as it may",
      request(
        "/",
        Array.from({ length: 100 }, (_, i) => [`x${i}`, "y"] as const),
      ),
      "status 200",
    ],
    [
      "far too many fields",
      request(
        "/",
        Array.from({ length: 400 }, (_, i) => [`x${i}`, "y"] as const),
      ),
      "RST_STREAM 11",
    ],
  ] as const;
  for (const [what, fields, outcome] of heads) {
    it(`sends a head with ${what} gets ${outcome}`, async () => {
      const client = await FrameClient.connect(gateway.port);
      assert.equal(await client.outcome(client.request(fields)), outcome);
      client.destroy();
    });
  }

  it("sends a head with more bytes than it may gets status 431", async () => {
    const client = await FrameClient.connect(gateway.port);
    const stream = client.request(request("/", [["a", "x".repeat(15_000)]]), Flag.endStream);
    client.send(FrameType.continuation, Flag.none, stream, fieldBlock([["b", "x".repeat(15_000)]]));
    client.send(FrameType.continuation, Flag.endHeaders, stream, fieldBlock([["c", "x".repeat(15_000)]]));
    assert.equal(await client.outcome(stream), "status 431");
    client.destroy();
  });

  it("makes one field count many times has its stream reset", async () => {
    const client = await FrameClient.connect(gateway.port);
    // RFC 7541 section 6.2.1: a field of 4000 bytes goes into the table, and is named by one byte each after that.
    const field = Buffer.concat([Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1e]), Buffer.alloc(4000, 0x62)]);
    const block = Buffer.concat([fieldBlock(request("/")), field, Buffer.alloc(2000, 0xbe)]);
    client.send(FrameType.headers, Flag.endHeaders | Flag.endStream, 1, block);
    assert.equal(await client.outcome(1), "RST_STREAM 11");
    client.destroy();
  });
});

describe("a client that opens no window", { timeout: 60_000 }, () => {
  for (const [what, path] of [
    ["a small response", "/"],
    ["a large one", "/big"],
  ] as const) {
    it(`loses the stream of ${what} after write_timeout`, async () => {
      const client = await FrameClient.connect(gateway.port, settings([4, 0]));
      const stream = client.request(request(path));
      assert.equal((await client.until(FrameType.headers, stream)).stream, stream);
      const { payload } = await client.until(FrameType.rstStream, stream);
      assert.equal(payload.readUInt32BE(0), ErrorCode.internalError);
      client.destroy();
    });
  }

  it("loses the stream of a proxied response, and the log says so", async (t) => {
    const origin = await RawBackend.start((connection) => {
      connection.write(`HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n${"x".repeat(1_000_000)}`);
    });
    const own = await TestGateway.start(
      `backends: { o: [{ host: 127.0.0.1, port: ${origin.port} }] }\nrouting: { all: { upstream: o } }\naccess_log: {}\n`,
      { server: "h2c: true, write_timeout: 1s", stdout: "pipe" },
    );
    t.after(async () => {
      await own.stop("SIGKILL");
      await origin.stop();
    });
    const client = await FrameClient.connect(own.port);
    const stream = client.request(request("/"));
    await client.until(FrameType.rstStream, stream);
    const line = await own.logged((one) => one["error"] === "client_stalled");
    assert.equal(line["status"], 200);
    assert.equal(await (await origin.connection(0)).untilGone().catch(() => "reset"), "ended");
    client.destroy();
  });
});

describe("a stream that is reset as if all were well", { timeout: 60_000 }, () => {
  it("is let go although its response will never be written", async (t) => {
    const own = await TestGateway.start("routing: { all: { respond: { body: hello } } }\n", {
      server: "h2c: true, write_timeout: 1h, keep_alive_timeout: 200ms",
    });
    t.after(() => own.stop("SIGKILL"));
    const client = await FrameClient.connect(own.port, settings([4, 0]));
    const stream = client.request(request("/"));
    await client.until(FrameType.headers, stream);
    client.send(FrameType.rstStream, 0, stream, Buffer.alloc(4));
    // With a stream left the connection would not be idle.
    assert.equal((await client.until(FrameType.goaway)).payload.readUInt32BE(4), 0);
    client.destroy();
  });
});

/** The value of a setting in the payload of a SETTINGS frame, or null. */
function settingOf(payload: Buffer, id: number): number | null {
  for (let at = 0; at < payload.length; at += 6)
    if (payload.readUInt16BE(at) === id) return payload.readUInt32BE(at + 2);
  return null;
}
