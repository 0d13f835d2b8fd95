// Bodies over HTTP/2: at the pace of the slower side, with little memory, and one stream not in the way of another. Real
// gateway process.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { ClientHttp2Stream } from "node:http2";
import { buffer } from "node:stream/consumers";
import { describe, it, type TestContext } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { RawBackend } from "../support/raw.ts";
import { answerOf, ask, openSession } from "./client.ts";
import { ErrorCode, Flag, FrameClient, FrameType, request } from "./frames.ts";

const MUCH = 20 * 2 ** 20;

/** A gateway before a backend that does only what the test says, and an answer of its own at `/small`. */
async function scene(t: TestContext, more = "", server = "") {
  const backend = await RawBackend.start(() => {});
  const gateway = await TestGateway.start(
    `backends: { origin: [{ host: 127.0.0.1, port: ${backend.port} }] }
routing:
  all: { upstream: origin, ${more} }
  small: { path: /small, respond: { body: small } }
  none: { path: /none, respond: { status: 404 } }
access_log: {}
`,
    { server: `h2c: true, ${server}`, stdout: "pipe" },
  );
  const session = await openSession(gateway.port);
  t.after(async () => {
    session.destroy();
    await gateway.stop("SIGKILL");
    await backend.stop();
  });
  return { backend, gateway, session };
}

function residentBytes(gateway: TestGateway): number {
  const status = readFileSync(`/proc/${gateway.process.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
}

/** Resolves with how much a stream took before it took no more. */
async function fill(stream: ClientHttp2Stream, chunk: Buffer, most: number): Promise<number> {
  let taken = 0;
  while (taken < most) {
    taken += chunk.length;
    if (stream.write(chunk)) continue;
    const drained = once(stream, "drain").then(() => true);
    const late = new Promise<boolean>((resolve) => setTimeout(resolve, 500, false).unref());
    if (!(await Promise.race([drained, late]))) break;
  }
  return taken;
}

describe("a request body", { timeout: 60_000 }, () => {
  it("waits for its backend, and leaves the others alone", async (t) => {
    const { backend, gateway, session } = await scene(t);
    const before = residentBytes(gateway);
    const stream = session.request({ ":path": "/", ":method": "POST" }, { endStream: false });
    stream.write("first");
    const origin = await backend.connection(0);
    await origin.until("first");
    origin.socket.pause();
    const taken = await fill(stream, Buffer.alloc(65_536), 2 * MUCH);
    assert.ok(taken < MUCH, `${taken} bytes`);
    assert.ok(residentBytes(gateway) - before < MUCH);
    assert.equal((await ask(session, { ":path": "/small" })).body, "small");
    // Another one that is not stuck, on the same connection.
    const other = ask(
      session,
      { ":path": "/other", ":method": "POST", "content-length": 200_000 },
      Buffer.alloc(200_000, "x"),
    );
    const second = await backend.connection(1);
    await second.untilBytes(200_000);
    second.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert.equal((await other).body, "ok");
    origin.socket.resume();
    stream.end();
    await origin.until("\r\n0\r\n\r\n");
    origin.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert.equal((await answerOf(stream)).body, "ok");
  });

  it("of any length arrives as it was sent, many at once", async (t) => {
    const { backend, session } = await scene(t);
    const bodies = [1, 16_383, 65_536, 1_000_000, 3_000_000].map((length) => randomBytes(length));
    const answers = bodies.map((body) =>
      ask(session, { ":path": `/${body.length}`, ":method": "POST", "content-length": body.length }, body),
    );
    const seen = new Set<number>();
    for (let i = 0; i < bodies.length; i++) {
      const connection = await backend.connection(i);
      const head = await connection.until("\r\n\r\n");
      const length = Number(/^POST \/(\d+) /.exec(head)?.[1]);
      const start = head.indexOf("\r\n\r\n") + 4;
      const received = (await connection.untilBytes(start + length)).subarray(start);
      assert.ok(received.equals(bodies.find((body) => body.length === length)!));
      seen.add(length);
      connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
    assert.equal(seen.size, bodies.length);
    for (const answer of await Promise.all(answers)) assert.equal(answer.body, "ok");
  });

  it("that is not wanted is reset without error behind the answer", async (t) => {
    const { backend, session } = await scene(t);
    const stream = session.request(
      { ":path": "/", ":method": "POST", "content-length": 10 },
      { endStream: false },
    );
    stream.write("abc");
    const origin = await backend.connection(0);
    await origin.until("abc");
    origin.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno");
    const answer = await answerOf(stream);
    assert.deepEqual([answer.status, answer.body], [413, "no"]);
    if (!stream.closed) await once(stream, "close");
    assert.equal(stream.rstCode, 0);
    assert.equal((await ask(session, { ":path": "/small" })).body, "small");
  });

  it("beyond the limit of its route gets 413, declared or not", async (t) => {
    const { session } = await scene(t, "limits: { body_size: 1kb }");
    const declared = await ask(
      session,
      { ":path": "/", ":method": "POST", "content-length": 2000 },
      "x".repeat(2000),
    );
    assert.equal(declared.status, 413);
    const found = await ask(session, { ":path": "/", ":method": "POST" }, "x".repeat(2000));
    assert.equal(found.status, 413);
  });

  it("that comes too slowly gets 408", async (t) => {
    const { session } = await scene(t, "", "read_timeout: 1s");
    const stream = session.request({ ":path": "/", ":method": "POST" }, { endStream: false });
    stream.write("x");
    assert.equal((await answerOf(stream)).status, 408);
  });

  it("is given up when the client goes, and the log says so", async (t) => {
    const { backend, gateway, session } = await scene(t);
    const stream = session.request({ ":path": "/gone", ":method": "POST" }, { endStream: false });
    stream.on("error", () => {});
    stream.write("abc");
    const origin = await backend.connection(0);
    await origin.until("abc");
    session.destroy();
    await origin.untilEnd();
    const line = await gateway.logged((one) => one["path"] === "/gone");
    assert.deepEqual([line["status"], line["error"]], [499, "client_gone"]);
  });
});

describe("a response before the end of its request", { timeout: 60_000 }, () => {
  const STREAMS = 4;

  /** All the streams that a client may have, answered before they were ended. */
  async function answeredEarly(t: TestContext, path: string) {
    const { gateway } = await scene(t, "", `http2: { max_concurrent_streams: ${STREAMS} }`);
    const client = await FrameClient.connect(gateway.port);
    await client.pinged();
    const socket = client.connection.socket;
    socket.cork();
    const streams = Array.from({ length: STREAMS }, () =>
      client.request(request(path, [], "POST"), Flag.endHeaders),
    );
    const answered = client.pinged();
    socket.uncork();
    await answered;
    return { client, streams };
  }

  function ended(client: FrameClient, stream: number): boolean {
    return client.frames.some(
      (one) => one.stream === stream && one.type <= FrameType.headers && (one.flags & Flag.endStream) !== 0,
    );
  }

  for (const [path, status] of [
    ["/small", 200],
    ["/none", 404],
  ] as const) {
    it(`waits for that end, so that its client has room for the next one, with ${status}`, async (t) => {
      const { client, streams } = await answeredEarly(t, path);
      for (const stream of streams) assert.equal(await client.outcome(stream), `status ${status}`);
      for (const stream of streams) {
        assert.ok(!ended(client, stream));
        client.data(stream, "x");
      }
      while (!streams.every((stream) => ended(client, stream))) await client.pinged();
      for (const _ of streams)
        assert.equal(await client.outcome(client.request(request("/small"))), "status 200");
      client.destroy();
    });
  }

  it("is ended when the request does not go on", async (t) => {
    const { client, streams } = await answeredEarly(t, "/small");
    for (const stream of streams) {
      assert.equal(
        (await client.until(FrameType.rstStream, stream)).payload.readUInt32BE(0),
        ErrorCode.noError,
      );
      const frames = client.frames.filter((one) => one.stream === stream && one.type === FrameType.data);
      assert.equal(frames.at(-1)?.flags, Flag.endStream);
      assert.equal(Buffer.concat(frames.map(({ payload }) => payload)).toString(), "small");
    }
    client.destroy();
  });

  it("is ended when the request is long", async (t) => {
    const { client, streams } = await answeredEarly(t, "/small");
    const [stream = 0] = streams;
    for (let i = 0; i < 5; i++) client.send(FrameType.data, Flag.none, stream, Buffer.alloc(16_000));
    assert.equal(
      (await client.until(FrameType.rstStream, stream)).payload.readUInt32BE(0),
      ErrorCode.noError,
    );
    client.destroy();
  });
});

describe("a response body", { timeout: 60_000 }, () => {
  it("waits for its client, and leaves the others alone", async (t) => {
    const { backend, gateway, session } = await scene(t);
    const before = residentBytes(gateway);
    const stream = session.request({ ":path": "/" });
    const origin = await backend.connection(0);
    await origin.until("\r\n\r\n");
    const body = Buffer.alloc(2 * MUCH, "x");
    origin.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`);
    await once(stream, "response");
    stream.pause();
    origin.write(body);
    for (let i = 0; i < 20; i++) assert.equal((await ask(session, { ":path": "/small" })).body, "small");
    assert.ok(origin.socket.writableLength > 0);
    assert.ok(residentBytes(gateway) - before < MUCH);
    const received = await buffer(stream);
    assert.ok(received.equals(body));
  });

  it("of any length arrives as it was sent, many at once", async (t) => {
    const { backend, session } = await scene(t);
    const bodies = [1, 16_383, 65_536, 1_000_000, 3_000_000].map((length) => randomBytes(length));
    const answers = bodies.map(async (body, i) => {
      const stream = session.request({ ":path": `/${i}` });
      return { body, received: await buffer(stream) };
    });
    for (let i = 0; i < bodies.length; i++) {
      const connection = await backend.connection(i);
      const body = bodies[Number(/^GET \/(\d+) /.exec(await connection.until("\r\n\r\n"))?.[1])]!;
      connection.write(
        i % 2 === 0 ? `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n` : "HTTP/1.1 200 OK\r\n\r\n",
      );
      connection.write(body);
      if (i % 2 === 1) connection.socket.end();
    }
    for (const { body, received } of await Promise.all(answers)) assert.ok(received.equals(body));
  });

  it("that its client resets is broken off at the backend", async (t) => {
    const { backend, gateway } = await scene(t);
    const client = await FrameClient.connect(gateway.port);
    const stream = client.request(request("/reset"));
    const origin = await backend.connection(0);
    await origin.until("\r\n\r\n");
    origin.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab");
    await client.until(FrameType.data, stream);
    client.reset(stream, ErrorCode.cancel);
    await origin.untilEnd();
    const line = await gateway.logged((one) => one["path"] === "/reset");
    assert.deepEqual([line["status"], line["error"]], [200, "client_gone"]);
    client.destroy();
  });

  it("is cut off with RST_STREAM where the backend's is truncated, never ended", async (t) => {
    const { backend, gateway } = await scene(t);
    for (const [i, head] of ["Content-Length: 100", "Transfer-Encoding: chunked"].entries()) {
      const client = await FrameClient.connect(gateway.port);
      const stream = client.request(request("/"));
      const origin = await backend.connection(i);
      await origin.until("\r\n\r\n");
      origin.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n3\r\nabc\r\n`);
      origin.socket.end();
      const { payload } = await client.until(FrameType.rstStream, stream);
      assert.equal(payload.readUInt32BE(0), ErrorCode.internalError);
      const ended = client.frames.some(
        ({ type, flags }) => type === FrameType.data && (flags & Flag.endStream) !== 0,
      );
      assert.ok(!ended);
      client.destroy();
    }
  });
});
