// Who has how long while a request and its response go through: the backend, the client, and never both at once.
// Real gateway process, raw sockets on both sides.

import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { RawBackend, RawConnection } from "../support/raw.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

describe("time", () => {
  let gateway: TestGateway;
  /** Answers nothing: its timeout is how a test knows that time has passed in the gateway. */
  let mute: RawBackend;

  before(async () => {
    mute = await RawBackend.start(() => {});
    gateway = await TestGateway.start("routing: {}");
  });
  after(async () => {
    await gateway.stop("SIGKILL");
    await mute.stop();
  });

  async function scene(
    t: TestContext,
    serve: (connection: RawConnection) => unknown,
  ): Promise<RawConnection> {
    const backend = await RawBackend.start(serve);
    t.after(() => backend.stop());
    await gateway.adopt(`limits: { min_body_rate: 0 }
backends: { origin: [{ host: 127.0.0.1, port: ${backend.port} }], mute: [{ host: 127.0.0.1, port: ${mute.port} }] }
routing:
  all: { upstream: origin, timeouts: { response: 300ms, idle: 300ms } }
  time: { path: /time, upstream: mute, timeouts: { response: 900ms } }
`);
    const client = await RawConnection.connect(gateway.port);
    t.after(() => client.destroy());
    return client;
  }

  /** Resolves when 900 ms have passed on the gateway's clock. */
  async function timePassed(): Promise<void> {
    const clock = await RawConnection.connect(gateway.port);
    clock.write("GET /time HTTP/1.1\r\nHost: test\r\n\r\n");
    await clock.until("response_timeout");
    clock.destroy();
  }

  it("of the response does not run while the request is still coming", async (t) => {
    const client = await scene(t, async (connection) => {
      await connection.until("rest");
      connection.write(OK);
    });
    client.write("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\n\r\npart");
    await timePassed();
    client.write("rest");
    assert.match(await client.until(/ok|\}\n/), /^HTTP\/1\.1 200 /);
  });

  it("of the response begins when a chunked request has ended", async (t) => {
    const client = await scene(t, () => {});
    client.write("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n");
    client.write("0\r\n\r\n");
    assert.match(await client.until("}}\n"), /^HTTP\/1\.1 504 [\s\S]*response_timeout/);
  });

  it("of the response begins when a request of known length has ended", async (t) => {
    const client = await scene(t, () => {});
    client.write("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\n\r\npart");
    client.write("rest");
    assert.match(await client.until("}}\n"), /^HTTP\/1\.1 504 [\s\S]*response_timeout/);
  });

  it("runs out for a backend that takes nothing of a request", async (t) => {
    const client = await scene(t, (connection) => connection.socket.pause());
    client.write("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100000000\r\n\r\n");
    client.write(Buffer.alloc(20_000_000));
    assert.match(await client.until("}}\n"), /^HTTP\/1\.1 504 [\s\S]*response_timeout/);
  });

  it("between pieces of a response does not run out while the request makes progress", async (t) => {
    const client = await scene(t, async (connection) => {
      await connection.until("\r\n\r\n");
      connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n");
      await connection.until("end");
      connection.write("3\r\nend\r\n0\r\n\r\n");
    });
    client.write("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    await client.until("begun");
    const slowly = setInterval(() => client.write("1\r\n.\r\n"), 50);
    await timePassed();
    clearInterval(slowly);
    client.write("3\r\nend\r\n0\r\n\r\n");
    assert.match(await client.until("0\r\n\r\n"), /end/);
  });

  it("between pieces of a response does not run out while the client is what is slow", async (t) => {
    const bytes = 20_000_000;
    const client = await scene(t, async (connection) => {
      await connection.until("\r\n\r\n");
      connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`);
      connection.write(Buffer.alloc(bytes, "x"));
    });
    client.socket.pause();
    client.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    await timePassed();
    client.socket.resume();
    await client.untilBytes(bytes);
  });

  it("of a request is cut short by an answer that comes early", async (t) => {
    const client = await scene(t, async (connection) => {
      await connection.until("\r\n\r\n");
      connection.socket.pause();
      connection.socket.end("HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge");
    });
    client.write("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10000000\r\n\r\n");
    client.write(Buffer.alloc(5_000_000));
    assert.match(await client.until("large"), /^HTTP\/1\.1 413 /);
    assert.equal(await client.untilGone(), "ended");
  });
});
