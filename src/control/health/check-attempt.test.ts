// One check against real backends that answer well, badly, or not at all. Runs in the test process.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Blackhole } from "../../../test/support/blackhole.ts";
import { backendSpec, healthCheck } from "../../../test/support/health.ts";
import { answering, RawBackend } from "../../../test/support/raw.ts";
import type { BackendSpec, HealthCheckSpec } from "../../config/snapshot.ts";
import { BODY_BYTES, CheckAttempt, type CheckOutcome } from "./check-attempt.ts";
import { CheckTarget } from "./check-target.ts";

function checkOf(backend: BackendSpec, settings: Partial<HealthCheckSpec> = {}): Promise<CheckOutcome> {
  const target = new CheckTarget(backend, healthCheck(settings));
  return new Promise((resolve) => new CheckAttempt(target, resolve));
}

const ok = (body: string, head = "") =>
  `HTTP/1.1 200 OK\r\n${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const UNENDING = "HTTP/1.1 200 OK\r\n\r\n";
const SHORT_MS = 300;

describe("a check by HTTP", () => {
  const TABLE: ReadonlyArray<{
    readonly title: string;
    readonly answer: string;
    readonly settings?: Partial<HealthCheckSpec>;
    /** Null for one that passes. */
    readonly failure: string | RegExp | null;
  }> = [
    { title: "a good status", answer: ok("fine"), failure: null },
    {
      title: "a redirect",
      answer: "HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
      failure: null,
    },
    { title: "no body at all", answer: "HTTP/1.1 204 No Content\r\n\r\n", failure: null },
    {
      title: "an interim answer before",
      answer: `HTTP/1.1 103 Early Hints\r\n\r\n${ok("fine")}`,
      failure: null,
    },
    {
      title: "a bad status",
      answer: "HTTP/1.1 503 Nope\r\nContent-Length: 0\r\n\r\n",
      failure: "expected status 200-399, got 503",
    },
    {
      title: "a status outside of what is expected",
      answer: ok(""),
      settings: {
        statuses: [
          [418, 418],
          [500, 502],
          [503, 599],
          [204, 204],
        ],
      },
      failure: "expected status 204, 418, 500-599, got 200",
    },
    {
      title: "one status of several",
      answer: "HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n",
      settings: {
        statuses: [
          [200, 200],
          [418, 418],
        ],
      },
      failure: null,
    },
    {
      title: "the text in the body",
      answer: ok("all is well here"),
      settings: { body: "well" },
      failure: null,
    },
    {
      title: "the text in UTF-8",
      answer: Buffer.from(ok("käse ✓")).toString("latin1"),
      settings: { body: "✓" },
      failure: null,
    },
    {
      title: "another body",
      answer: ok("all is sick here"),
      settings: { body: "well" },
      failure: 'expected "well" in the body, got "all is sick here"',
    },
    {
      title: "a long body without the text",
      answer: ok("x".repeat(1000)),
      settings: { body: "well" },
      failure: `expected "well" in the body, got "${"x".repeat(60)}"…`,
    },
    {
      title: "the text at the end of 64 KB",
      answer: ok(`${"x".repeat(BODY_BYTES - 4)}well`),
      settings: { body: "well" },
      failure: null,
    },
    {
      title: "the text over the end of 64 KB",
      answer: ok(`${"x".repeat(BODY_BYTES - 3)}well`),
      settings: { body: "well" },
      failure: /^expected "well" in the body, got "x{60}"…$/,
    },
    {
      title: "a body that breaks off",
      answer: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nwe",
      settings: { body: "well", timeoutMs: SHORT_MS },
      failure: `no body within ${SHORT_MS} ms`,
    },
    {
      title: "a body without end that nobody asks for",
      answer: UNENDING,
      settings: { timeoutMs: SHORT_MS },
      failure: null,
    },
    {
      title: "nothing",
      answer: "",
      settings: { timeoutMs: SHORT_MS },
      failure: `no answer within ${SHORT_MS} ms`,
    },
    {
      title: "half a head",
      answer: "HTTP/1.1 200 OK\r\n",
      settings: { timeoutMs: SHORT_MS },
      failure: `no answer within ${SHORT_MS} ms`,
    },
    { title: "another protocol", answer: "SSH-2.0-OpenSSH_9.2\r\n", failure: /^malformed answer: / },
    {
      title: "a chunk that is none",
      answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      settings: { body: "well" },
      failure: /^malformed answer: /,
    },
    {
      title: "another protocol at once",
      answer: "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
      failure: "connection closed without an answer",
    },
  ];
  for (const { title, answer, settings, failure } of TABLE) {
    it(`that gets ${title} ${failure === null ? "passes" : "fails"}`, async (t) => {
      const backend = await RawBackend.start(answering(answer));
      t.after(() => backend.stop());
      const outcome = await checkOf(backendSpec({ port: backend.port }), settings);
      if (failure instanceof RegExp) assert.match(outcome.failure ?? "", failure);
      else assert.equal(outcome.failure, failure);
      assert.ok(outcome.ms > 0 && outcome.ms < 5000, `${outcome.ms}`);
      // No connection outlives its check.
      await backend.connections[0]!.untilEnd();
      assert.equal(backend.connections.length, 1);
    });
  }

  it("finds a text that comes byte by byte", async (t) => {
    const backend = await RawBackend.start(async (connection) => {
      await connection.until("\r\n\r\n");
      for (const byte of ok("so wellwelll it is")) {
        await new Promise((resolve) => connection.socket.write(byte, resolve));
      }
    });
    t.after(() => backend.stop());
    const outcome = await checkOf(backendSpec({ port: backend.port }), { body: "welll" });
    assert.equal(outcome.failure, null);
  });

  it("fails when the backend closes without an answer, or in the body", async (t) => {
    const backend = await RawBackend.start(async (connection, index) => {
      await connection.until("\r\n\r\n");
      connection.socket.end(index === 0 ? "" : "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nwe");
    });
    t.after(() => backend.stop());
    const spec = backendSpec({ port: backend.port });
    assert.equal((await checkOf(spec)).failure, "connection closed without an answer");
    const broken = await checkOf(spec, { body: "well" });
    assert.equal(broken.failure, "connection closed before the end of the body");
  });

  it("says that nobody listens", async () => {
    const outcome = await checkOf(backendSpec({ port: 1 }));
    assert.equal(outcome.failure, "connect ECONNREFUSED 127.0.0.1:1");
  });

  it("says that there is no connection in time", async (t) => {
    const blackhole = await Blackhole.start();
    t.after(() => blackhole.stop());
    const outcome = await checkOf(backendSpec({ port: blackhole.port }), { timeoutMs: SHORT_MS });
    assert.equal(outcome.failure, `no connection within ${SHORT_MS} ms`);
    assert.ok(outcome.ms >= SHORT_MS - 2 && outcome.ms < 10 * SHORT_MS, `${outcome.ms}`);
  });

  const REQUESTS: ReadonlyArray<{
    readonly backend?: Partial<BackendSpec>;
    readonly settings?: Partial<HealthCheckSpec>;
    readonly line: string;
    readonly host: RegExp;
  }> = [
    { line: "GET /health HTTP/1.1", host: /^127\.0\.0\.1:\d+$/ },
    {
      settings: { method: "HEAD", path: "/a%20b" },
      line: "HEAD /a%20b HTTP/1.1",
      host: /^127\.0\.0\.1:\d+$/,
    },
    {
      settings: { method: "OPTIONS", host: "shop.test" },
      line: "OPTIONS /health HTTP/1.1",
      host: /^shop\.test$/,
    },
    { backend: { hostName: "backend.test" }, line: "GET /health HTTP/1.1", host: /^backend\.test:\d+$/ },
    { backend: { hostName: "::1" }, line: "GET /health HTTP/1.1", host: /^\[::1\]:\d+$/ },
    { settings: { host: "::1" }, line: "GET /health HTTP/1.1", host: /^\[::1\]$/ },
  ];
  for (const { backend = {}, settings, line, host } of REQUESTS) {
    it(`asks with ${line} and a host like ${host.source}`, async (t) => {
      const raw = await RawBackend.start(answering(ok("")));
      t.after(() => raw.stop());
      assert.equal((await checkOf(backendSpec({ port: raw.port, ...backend }), settings)).failure, null);
      const [first, ...fields] = raw.text.trimEnd().split("\r\n");
      assert.equal(first, line);
      const named = fields.map((field) => field.split(": ") as [string, string]);
      assert.deepEqual(
        named.map(([name]) => name.toLowerCase()),
        ["host", "user-agent", "accept", "connection"],
      );
      assert.match(named[0]![1], host);
      assert.deepEqual([named[1]![1], named[3]![1]], ["sluice-health", "close"]);
    });
  }

  it("goes to the port of the check", async (t) => {
    const [own, checked] = [await RawBackend.start(() => {}), await RawBackend.start(answering(ok("")))];
    t.after(() => Promise.all([own.stop(), checked.stop()]));
    const outcome = await checkOf(backendSpec({ port: own.port }), { port: checked.port });
    assert.equal(outcome.failure, null);
    assert.equal(own.connections.length, 0);
    assert.match(checked.text, new RegExp(`\r\nhost: 127.0.0.1:${checked.port}\r\n`, "i"));
  });

  for (const [version, header] of [
    [1, "PROXY UNKNOWN\r\n"],
    [2, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"],
  ] as const) {
    it(`begins with a PROXY header of version ${version} where the backend wants one`, async (t) => {
      const backend = await RawBackend.start(async (connection) => {
        await connection.until("GET ");
        connection.socket.end(ok(""));
      });
      t.after(() => backend.stop());
      const outcome = await checkOf(backendSpec({ port: backend.port, proxyProtocol: version }));
      assert.equal(outcome.failure, null);
      assert.ok(backend.text.startsWith(`${header}GET /health HTTP/1.1\r\n`), JSON.stringify(backend.text));
    });
  }

  it("can be cancelled at any time, and closes its connection", async (t) => {
    const backend = await RawBackend.start(() => {});
    t.after(() => backend.stop());
    const target = new CheckTarget(backendSpec({ port: backend.port }), healthCheck());
    const never = () => assert.fail("a cancelled check has no outcome");
    new CheckAttempt(target, never).cancel();
    const attempt = new CheckAttempt(target, never);
    const asked = await Promise.any([0, 1].map((i) => backend.connection(i).then((c) => c.until("GET "))));
    assert.match(asked, /^GET /);
    attempt.cancel();
    for (const connection of backend.connections) await connection.untilEnd();
  });
});

describe("a check by connection only", () => {
  it("passes when there is one, and sends nothing", async (t) => {
    const backend = await RawBackend.start(() => {});
    t.after(() => backend.stop());
    const spec = backendSpec({ port: backend.port });
    assert.equal((await checkOf(spec, { path: null })).failure, null);
    const connection = await backend.connection(0);
    assert.equal(await connection.untilGone(), "ended");
    assert.equal(connection.text, "");
  });

  it("sends a PROXY header where the backend wants one", async (t) => {
    const backend = await RawBackend.start(() => {});
    t.after(() => backend.stop());
    const spec = backendSpec({ port: backend.port, proxyProtocol: 1 });
    assert.equal((await checkOf(spec, { path: null })).failure, null);
    assert.equal(await (await backend.connection(0)).untilEnd(), "PROXY UNKNOWN\r\n");
  });

  it("fails when there is none", async () => {
    const outcome = await checkOf(backendSpec({ port: 1 }), { path: null });
    assert.equal(outcome.failure, "connect ECONNREFUSED 127.0.0.1:1");
  });
});

describe("a check by unix socket", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "sluice-check-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  it("asks as it does by TCP", async (t) => {
    const path = join(folder, "backend.sock");
    let received = "";
    const server = createServer((socket) =>
      socket.on("data", (chunk) => {
        received += chunk;
        socket.end(ok(""));
      }),
    ).listen(path);
    await once(server, "listening");
    t.after(() => server.close());
    const spec = backendSpec({ port: 0, host: "", hostName: "localhost", socketPath: path });
    assert.equal((await checkOf(spec)).failure, null);
    assert.match(received, /^GET \/health HTTP\/1\.1\r\nhost: localhost\r\n/i);
  });

  it("says that there is no socket", async () => {
    const path = join(folder, "gone.sock");
    const spec = backendSpec({ port: 0, host: "", hostName: "localhost", socketPath: path });
    assert.equal((await checkOf(spec)).failure, `connect ENOENT ${path}`);
  });
});
