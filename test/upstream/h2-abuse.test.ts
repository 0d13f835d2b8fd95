// What a backend over HTTP/2 may send that it must not, or too much of: the client gets a clean error or a cut response, the
// gateway holds little of it, and other exchanges go on. Real gateway process; the backend speaks frame by frame.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it, type TestContext } from "node:test";
import { ask, Client } from "../http/client.ts";
import { FrameBackend, type FrameConnection } from "../http2/frame-backend.ts";
import { type Fields, Flag, FrameType, fieldBlock, frame, settings, uint32 } from "../http2/frames.ts";
import { TestGateway } from "../support/gateway.ts";

const GET = "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
const HEAD = "HEAD / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
const OK: Fields = [[":status", "200"]];

describe("a backend over HTTP/2 that breaks rules", { timeout: 90_000 }, () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start("routing: {}");
  });
  after(() => gateway.stop("SIGKILL"));

  /** The backend misbehaves at its first request, and answers well to the others. */
  async function toward(
    t: TestContext,
    misbehave: (connection: FrameConnection, stream: number) => unknown,
    timeouts = "response: 5s, idle: 5s",
  ): Promise<FrameBackend> {
    const backend = await FrameBackend.start(t, (connection, stream) => {
      if (backend.requests === 1) misbehave(connection, stream);
      else connection.respond(stream);
    });
    await gateway.adopt(`backends: { app: [{ host: 127.0.0.1, port: ${backend.port}, protocol: h2 }] }
upstreams: { app: { ejection: { enabled: false } } }
routing: { all: { upstream: app, retry: { attempts: 1 }, timeouts: { ${timeouts} } } }
`);
    return backend;
  }

  const long = (length: number) => "x".repeat(length);

  const HEADS: ReadonlyArray<{
    readonly what: string;
    readonly fields: Fields;
    readonly request?: string;
    readonly last?: boolean;
  }> = [
    { what: "without :status", fields: [["x-a", "1"]] },
    { what: "with two :status", fields: [...OK, ...OK] },
    { what: "with :status behind a field", fields: [["x-a", "1"], ...OK] },
    { what: "with :status that is no number", fields: [[":status", "2x0"]] },
    { what: "with :status of two digits", fields: [[":status", "20"]] },
    { what: "with :status 600", fields: [[":status", "600"]] },
    { what: "with :status 101", fields: [[":status", "101"]] },
    { what: "with a pseudo-header field of requests", fields: [...OK, [":path", "/"]] },
    { what: "with a name in upper case", fields: [...OK, ["X-Upper", "1"]] },
    { what: "with Connection", fields: [...OK, ["connection", "close"]] },
    { what: "with Transfer-Encoding", fields: [...OK, ["transfer-encoding", "chunked"]] },
    { what: "with Keep-Alive", fields: [...OK, ["keep-alive", "timeout=5"]] },
    { what: "with Upgrade", fields: [...OK, ["upgrade", "h2c"]] },
    {
      what: "with two different Content-Length",
      fields: [...OK, ["content-length", "1"], ["content-length", "2"]],
    },
    { what: "with Content-Length that is no number", fields: [...OK, ["content-length", "+2"]] },
    { what: "with Content-Length and no body", fields: [...OK, ["content-length", "5"]], last: true },
    { what: "that is informational and final", fields: [[":status", "103"]], last: true },
    { what: "with more than 256 fields", fields: [...OK, ...many(300)] },
    { what: "of more than 64 KB", fields: [...OK, ...many(60, long(1500))] },
    { what: "with white space around a value", fields: [...OK, ["x-a", " 1 "]] },
  ];
  for (const { what, fields, last = false } of HEADS) {
    it(`gives 502 for a head ${what}`, async (t) => {
      await toward(t, (connection, stream) => {
        connection.head(stream, fields, last);
        if (!last) connection.data(stream, "", true);
      });
      assert.equal((await ask(gateway.port, GET)).answer.status, 502);
      assert.equal((await ask(gateway.port, GET)).answer.body, "ok");
    });
  }

  it("leaves out a field that no message may have, or gives 502", async (t) => {
    for (const value of ["a\r\nx-evil: 1", "a\nb", "a\0b"]) {
      await toward(t, (connection, stream) => {
        connection.head(stream, [...OK, ["x-a", value]]);
        connection.data(stream, "ok", true);
      });
      const client = await Client.connect(gateway.port);
      client.send(GET);
      const text = await client.connection.until(/ok|\}\}\n/);
      assert.ok(!/x-evil|a\nb|\0/.test(text), text);
      client.close();
    }
  });

  const BODIES: ReadonlyArray<{
    readonly what: string;
    readonly send: (connection: FrameConnection, stream: number) => void;
  }> = [
    {
      what: "shorter than Content-Length",
      send: (connection, stream) => {
        connection.head(stream, [...OK, ["content-length", "5"]]);
        connection.data(stream, "half", true);
      },
    },
    {
      what: "longer than Content-Length",
      send: (connection, stream) => {
        connection.head(stream, [...OK, ["content-length", "5"]]);
        connection.data(stream, "half");
        connection.data(stream, "too much", true);
      },
    },
    {
      what: "that ends with RST_STREAM(NO_ERROR) and no END_STREAM",
      send: (connection, stream) => {
        connection.head(stream, OK);
        connection.data(stream, "half");
        connection.reset(stream, 0);
      },
    },
    {
      what: "that ends with RST_STREAM(NO_ERROR) before its Content-Length",
      send: (connection, stream) => {
        connection.head(stream, [...OK, ["content-length", "5"]]);
        connection.data(stream, "half");
        connection.reset(stream, 0);
      },
    },
    {
      what: "that ends with the connection",
      send: (connection, stream) => {
        connection.head(stream, OK);
        connection.data(stream, "half");
        connection.raw.socket.end();
      },
    },
    {
      what: "that ends with GOAWAY and the connection",
      send: (connection, stream) => {
        connection.head(stream, OK);
        connection.data(stream, "half");
        connection.goAway(stream, 2);
        connection.raw.socket.end();
      },
    },
    {
      what: "with pseudo-header fields in trailers",
      send: (connection, stream) => {
        connection.head(stream, OK);
        connection.data(stream, "half");
        connection.head(stream, [[":status", "200"]], true);
      },
    },
    {
      what: "with Connection in trailers",
      send: (connection, stream) => {
        connection.head(stream, OK);
        connection.data(stream, "half");
        connection.head(stream, [["connection", "close"]], true);
      },
    },
    {
      what: "with more than 32 trailers",
      send: (connection, stream) => {
        connection.head(stream, OK);
        connection.data(stream, "half");
        connection.head(stream, many(40), true);
      },
    },
  ];
  for (const { what, send } of BODIES) {
    it(`never passes off as whole a body ${what}`, async (t) => {
      await toward(t, send);
      const client = await Client.connect(gateway.port);
      t.after(() => client.close());
      client.send(GET);
      const how = await goneOf(client);
      const { text } = client.connection;
      // Before anything was sent there is an answer yet.
      if (text.startsWith("HTTP/1.1 200")) assert.equal(how, "reset", text);
      else assert.match(text, /^HTTP\/1\.1 502 /);
      assert.equal((await ask(gateway.port, GET)).answer.body, "ok");
    });
  }

  it("takes RST_STREAM(NO_ERROR) behind all of Content-Length for an end", async (t) => {
    await toward(t, (connection, stream) => {
      connection.head(stream, [...OK, ["content-length", "4"]]);
      connection.data(stream, "full");
      connection.reset(stream, 0);
    });
    assert.equal((await ask(gateway.port, GET)).answer.body, "full");
  });

  it("gives no body where there must be none", async (t) => {
    await toward(t, (connection, stream) => {
      connection.head(stream, OK);
      connection.data(stream, "smuggled", true);
    });
    const { answer, after: rest } = await ask(gateway.port, HEAD, "HEAD");
    assert.ok([200, 502].includes(answer.status));
    assert.ok(!rest.includes("smuggled"));
  });

  it("gives 502 for informational responses without end", async (t) => {
    await toward(t, (connection, stream) => {
      for (let i = 0; i < 40; i++) connection.head(stream, [[":status", "102"]]);
    });
    const client = await Client.connect(gateway.port);
    t.after(() => client.close());
    client.send(GET);
    await client.connection.until("HTTP/1.1 502 ");
  });

  const FRAMES: ReadonlyArray<readonly [what: string, bytes: (stream: number) => Buffer]> = [
    ["DATA before HEADERS", (stream) => frame(FrameType.data, Flag.endStream, stream, Buffer.from("x"))],
    ["a frame that is too long", (stream) => frame(FrameType.data, 0, stream, Buffer.alloc(40_000))],
    [
      "a PUSH_PROMISE",
      (stream) =>
        frame(
          FrameType.pushPromise,
          Flag.endHeaders,
          stream,
          Buffer.concat([uint32(2), fieldBlock([[":method", "GET"]])]),
        ),
    ],
    [
      "a HEADERS frame on a stream of its own",
      () => frame(FrameType.headers, Flag.endHeaders, 2, fieldBlock(OK)),
    ],
    [
      "bytes that are no HPACK",
      (stream) =>
        frame(FrameType.headers, Flag.endHeaders, stream, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
    ],
    [
      "a window that overflows",
      () => Buffer.concat([1, 2].map(() => frame(FrameType.windowUpdate, 0, 0, uint32(2 ** 31 - 1)))),
    ],
    ["a window update of 0", (stream) => frame(FrameType.windowUpdate, 0, stream, uint32(0))],
    ["SETTINGS with a wrong value", () => settings([2, 7])],
    [
      "more DATA than the window of the stream",
      (stream) =>
        Buffer.concat([
          frame(FrameType.headers, Flag.endHeaders, stream, fieldBlock(OK)),
          ...Array.from({ length: 100 }, () => frame(FrameType.data, 0, stream, Buffer.alloc(16_000))),
        ]),
    ],
    ["no HTTP/2 at all", () => Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")],
  ];
  for (const [what, bytes] of FRAMES) {
    it(`fails the exchange at ${what}`, async (t) => {
      await toward(t, (connection, stream) => connection.raw.write(bytes(stream)));
      const client = await Client.connect(gateway.port);
      t.after(() => client.close());
      client.send(GET);
      const how = await goneOf(client);
      const { text } = client.connection;
      if (text.startsWith("HTTP/1.1 200")) assert.equal(how, "reset", text.slice(0, 1000));
      else assert.match(text, /^HTTP\/1\.1 502 /);
      assert.equal((await ask(gateway.port, GET)).answer.body, "ok");
    });
  }

  it("holds no more than a window of what a slow client does not take", async (t) => {
    let sent = 0;
    const backend = await FrameBackend.start(
      t,
      (connection, stream) => {
        connection.head(stream, OK);
        // As much as the stream's window allows, and not a byte more.
        for (let i = 0; i < 16; i++) connection.data(stream, Buffer.alloc(16_384));
        sent += 16 * 16_384;
      },
      { settings: settings([3, 200]) },
    );
    await gateway.adopt(`backends: { app: [{ host: 127.0.0.1, port: ${backend.port}, protocol: h2 }] }
routing: { all: { upstream: app } }
`);
    const before = memoryOf(gateway);
    const clients = await Promise.all(Array.from({ length: 100 }, () => Client.connect(gateway.port)));
    for (const { connection } of clients) {
      connection.socket.pause();
      connection.write(GET);
    }
    while (backend.requests < 100) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(sent, 100 * 16 * 16_384);
    // All of it is there when the gateway has answered a PING behind it.
    const [connection] = backend.connections;
    connection!.send(FrameType.ping, 0, 0, Buffer.alloc(8));
    const grown = memoryOf(gateway) - before;
    assert.ok(grown < 200, `${grown} MB for ${sent / 2 ** 20} MB`);
    for (const client of clients) client.close();
  });

  const FLOODS: ReadonlyArray<readonly [what: string, bytes: Buffer, count: number]> = [
    ["PING frames", frame(FrameType.ping, 0, 0, Buffer.alloc(8)), 50_000],
    ["SETTINGS frames", settings([4, 65_535]), 50_000],
    ["empty DATA frames", frame(FrameType.data, 0, 1, Buffer.alloc(0)), 50_000],
    ["GOAWAY frames", frame(FrameType.goaway, 0, 0, Buffer.concat([uint32(1), uint32(0)])), 10_000],
    ["CONTINUATION frames", frame(FrameType.continuation, 0, 1, fieldBlock([["x-a", "1"]])), 10_000],
    ["WINDOW_UPDATE frames", frame(FrameType.windowUpdate, 0, 1, uint32(1)), 50_000],
    ["RST_STREAM frames of streams that are over", frame(FrameType.rstStream, 0, 1, uint32(8)), 10_000],
  ];
  for (const [what, bytes, count] of FLOODS) {
    it(`lives on when it is flooded with ${what}`, async (t) => {
      const flood = Buffer.concat(Array.from({ length: count }, () => bytes));
      await toward(
        t,
        (connection, stream) => {
          connection.isMute = true;
          const opening = what.startsWith("CONTINUATION") ? 0 : Flag.endHeaders;
          connection.send(FrameType.headers, opening, stream, fieldBlock(OK));
          connection.raw.write(flood);
        },
        "response: 1s, idle: 1s",
      );
      const before = memoryOf(gateway);
      const client = await Client.connect(gateway.port);
      t.after(() => client.close());
      client.send(GET);
      await client.connection.untilEnd();
      assert.ok(memoryOf(gateway) - before < 150);
      // On another connection, where the first one did not survive.
      const { answer } = await ask(gateway.port, GET);
      assert.ok([200, 502, 504].includes(answer.status));
    });
  }

  it("lives on when every connection says GOAWAY at once", async (t) => {
    const backend = await FrameBackend.start(t, () => {}, {
      settings: Buffer.concat([
        settings(),
        frame(FrameType.goaway, 0, 0, Buffer.concat([uint32(0), uint32(0)])),
      ]),
    });
    await gateway.adopt(`backends: { app: [{ host: 127.0.0.1, port: ${backend.port}, protocol: h2 }] }
routing: { all: { upstream: app } }
`);
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(gateway.port, GET)));
    for (const { answer } of answers) assert.ok([502, 503].includes(answer.status), `${answer.status}`);
    // Each exchange is tried a bounded number of times.
    assert.ok(backend.connections.length <= 10 * 3, `${backend.connections.length} connections`);
  });
});

async function goneOf({ connection }: Client): Promise<"ended" | "reset"> {
  return await connection.untilGone();
}

function many(count: number, value = "1"): Array<readonly [string, string]> {
  return Array.from({ length: count }, (_, i) => [`x-${i}`, value] as const);
}

/** Resident, in MB. */
function memoryOf({ process }: TestGateway): number {
  const status = readFileSync(`/proc/${process.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}
