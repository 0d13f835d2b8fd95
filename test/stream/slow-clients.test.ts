// Clients that take their time: how long they may, what they are told, and that nothing is cut that still moves.
// Real gateway process, raw sockets.

import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { type LogLine, TestGateway } from "../support/gateway.ts";
import { RawBackend, RawConnection } from "../support/raw.ts";

const READ_TIMEOUT_MS = 500;
const WRITE_TIMEOUT_MS = 600;
const KEEP_ALIVE_MS = 400;
/** More than the system's buffers on the way take from a client that reads nothing. */
const BYTES = 32 * 1024 ** 2;

describe("a client that", () => {
  let gateway: TestGateway;
  /** Sends what the test wants. */
  let backend: RawBackend;
  let serve: (connection: RawConnection) => unknown = () => {};

  before(async () => {
    backend = await RawBackend.start((connection) => serve(connection));
    const more = [
      `read_timeout: ${READ_TIMEOUT_MS}ms`,
      `write_timeout: ${WRITE_TIMEOUT_MS}ms`,
      `keep_alive_timeout: ${KEEP_ALIVE_MS}ms`,
    ];
    gateway = await TestGateway.start(
      `access_log: {}
limits: { min_body_rate: 1kb }
backends: { origin: [{ host: 127.0.0.1, port: ${backend.port} }] }
routing: { all: { upstream: origin }, small: { path: /small, respond: { body: small } } }
`,
      { server: more.join(", "), stdout: "pipe" },
    );
  });

  after(async () => {
    await gateway.stop("SIGKILL");
    await backend.stop();
  });

  async function client(t: TestContext): Promise<RawConnection> {
    const connection = await RawConnection.connect(gateway.port);
    t.after(() => connection.destroy());
    return connection;
  }

  function accessed(path: string): Promise<LogLine> {
    return gateway.logged((line) => line.level === "access" && line["path"] === path);
  }

  describe("is slow to ask", () => {
    it("and sends nothing is left without a word after read_timeout", async (t) => {
      const connection = await client(t);
      const startedAt = performance.now();
      assert.equal(await connection.untilGone(), "ended");
      assertTook(startedAt, READ_TIMEOUT_MS);
      assert.equal(connection.text, "");
    });

    it("and stops in the head gets 408 after read_timeout", async (t) => {
      const connection = await client(t);
      const startedAt = performance.now();
      connection.write("GET / HTTP/1.1\r\nHost:");
      assert.match(await connection.untilEnd(), /^HTTP\/1\.1 408 [\s\S]*request_timeout/);
      assertTook(startedAt, READ_TIMEOUT_MS);
    });

    it("and drips its head gets no more time for that", async (t) => {
      const connection = await client(t);
      const startedAt = performance.now();
      connection.write("GET / HTTP/1.1\r\nX-Drip: ");
      const drip = setInterval(() => connection.write("x"), 20);
      t.after(() => clearInterval(drip));
      assert.match(await connection.untilEnd(), /^HTTP\/1\.1 408 /);
      assertTook(startedAt, READ_TIMEOUT_MS);
    });

    it("and asks no second time is left after keep_alive_timeout", async (t) => {
      const connection = await client(t);
      const startedAt = performance.now();
      connection.write("GET /small HTTP/1.1\r\nHost: test\r\n\r\n");
      assert.match(await connection.untilEnd(), /small$/);
      assertTook(startedAt, KEEP_ALIVE_MS);
    });

    it("and stops in the head of its second request gets 408", async (t) => {
      const connection = await client(t);
      connection.write("GET /small HTTP/1.1\r\nHost: test\r\n\r\nGET /sm");
      assert.match(await connection.untilEnd(), /smallHTTP\/1\.1 408 /);
    });
  });

  describe("is slow to send its body", () => {
    const POST = (path: string) => `POST ${path} HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n`;

    it("and stops gets 408 after read_timeout, and its backend is let go", async (t) => {
      serve = () => {};
      const connection = await client(t);
      const startedAt = performance.now();
      const before = backend.connections.length;
      connection.write(`${POST("/stops")}part`);
      assert.match(await connection.untilEnd(), /^HTTP\/1\.1 408 [\s\S]*1024 bytes per second/);
      assertTook(startedAt, READ_TIMEOUT_MS);
      await (await backend.connection(before)).untilEnd();
      assert.equal((await accessed("/stops"))["error"], "request_timeout");
    });

    it("and sends less than min_body_rate gets 408", async (t) => {
      const connection = await client(t);
      connection.write(POST("/drips"));
      const drip = setInterval(() => connection.write("x"), 20);
      t.after(() => clearInterval(drip));
      assert.match(await connection.untilEnd(), /^HTTP\/1\.1 408 /);
    });

    it("but not slower than min_body_rate has the time it needs", async (t) => {
      serve = async (connection) => {
        await connection.until("end");
        connection.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
      };
      const connection = await client(t);
      connection.write("POST /steady HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
      let sent = 0;
      // 5 KB a second, for three windows of read_timeout.
      const steadily = setInterval(() => {
        connection.write(`64\r\n${"x".repeat(100)}\r\n`);
        if (++sent < (3 * READ_TIMEOUT_MS) / 20) return;
        clearInterval(steadily);
        connection.write("3\r\nend\r\n0\r\n\r\n");
      }, 20);
      t.after(() => clearInterval(steadily));
      assert.match(await connection.until(/ok$|\}\n$/), /^HTTP\/1\.1 200 /);
    });
  });

  describe("is slow to take its response", () => {
    for (const protocol of ["HTTP/1.1", "HTTP/1.0"]) {
      it(`and takes nothing is cut after write_timeout (${protocol})`, async (t) => {
        serve = async (connection) => {
          await connection.until("\r\n\r\n");
          // Without a length: a client of HTTP/1.0 must see a reset, or it has the whole.
          connection.write("HTTP/1.1 200 OK\r\n\r\n");
          connection.write(Buffer.alloc(BYTES));
        };
        const connection = await client(t);
        const before = backend.connections.length;
        connection.socket.pause();
        const path = `/stalls/${protocol}`;
        const startedAt = performance.now();
        connection.write(`GET ${path} ${protocol}\r\nHost: test\r\n\r\n`);
        const line = await accessed(path);
        assert.equal(line["error"], "client_stalled");
        assert.equal(line["status"], 200);
        assertTook(startedAt, WRITE_TIMEOUT_MS);
        await (await backend.connection(before)).untilEnd();
        connection.socket.resume();
        assert.equal(await connection.untilGone(), "reset");
      });
    }

    it("but takes some in every write_timeout gets all of it", async (t) => {
      serve = async (connection) => {
        await connection.until("\r\n\r\n");
        connection.write(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${BYTES}\r\n\r\n`);
        connection.write(Buffer.alloc(BYTES));
      };
      const connection = await client(t);
      connection.write("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n");
      // A tenth of it in every third of write_timeout.
      let mayTake = 0;
      connection.socket.on("data", () => {
        if (connection.length > mayTake) connection.socket.pause();
      });
      const rhythm = setInterval(() => {
        mayTake += BYTES / 10;
        connection.socket.resume();
      }, WRITE_TIMEOUT_MS / 3);
      t.after(() => clearInterval(rhythm));
      await connection.untilBytes(BYTES);
    });
  });
});

/** At least `timeoutMs`, and not ten times as much. */
function assertTook(startedAt: number, timeoutMs: number): void {
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs >= timeoutMs && tookMs < 10 * timeoutMs, `${tookMs} ms instead of ${timeoutMs}`);
}
