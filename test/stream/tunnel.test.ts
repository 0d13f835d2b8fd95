// The bytes of a connection that left HTTP: all of them, in order, at the pace of the slower end, until both ends closed.
// Real gateway process, raw sockets.

import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { crc32 } from "node:zlib";
import { TestGateway } from "../support/gateway.ts";
import { RawBackend, RawConnection } from "../support/raw.ts";
import { pour } from "./flow.ts";

const ASK = "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n";
const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n";
/** More than the system takes for an end that reads nothing. */
const BYTES = 64 * 1024 ** 2;
const STANDSTILL_BYTES = 32 * 1024 ** 2;

interface Ends {
  readonly client: RawConnection;
  readonly origin: RawConnection;
}

describe("a tunnel", () => {
  let gateway: TestGateway;
  let backend: RawBackend;
  let serve: (connection: RawConnection) => unknown;

  before(async () => {
    backend = await RawBackend.start((connection) => serve(connection));
    gateway = await TestGateway.start(
      `access_log: {}
backends: { origin: [{ host: 127.0.0.1, port: ${backend.port} }] }
routing:
  all: { upstream: origin }
  time: { path: /time, upstream: origin, timeouts: { response: 1s } }
  brief: { path: /brief, upstream: origin, timeouts: { websocket_idle: 300ms } }
`,
      { stdout: "pipe" },
    );
  });
  after(async () => {
    await gateway.stop("SIGKILL");
    await backend.stop();
  });

  /** Both ends of a new tunnel. */
  async function open(t: TestContext, path = "/"): Promise<Ends> {
    serve = async (connection) => {
      await connection.until("\r\n\r\n");
      connection.take();
      connection.write(SWITCH);
    };
    const client = await RawConnection.connect(gateway.port);
    t.after(() => client.destroy());
    const index = backend.connections.length;
    client.write(ASK.replace("/", path));
    await client.until("\r\n\r\n");
    client.take();
    return { client, origin: await backend.connection(index) };
  }

  async function secondPassed(): Promise<void> {
    serve = () => {};
    const clock = await RawConnection.connect(gateway.port);
    clock.write("GET /time HTTP/1.1\r\nHost: test\r\n\r\n");
    await clock.until("response_timeout");
    clock.destroy();
  }

  it("carries what came in one piece with its heads", async (t) => {
    serve = async (connection) => {
      await connection.until("\r\n\r\n");
      connection.write(`${SWITCH}from the backend`);
    };
    const client = await RawConnection.connect(gateway.port);
    t.after(() => client.destroy());
    const index = backend.connections.length;
    client.write(`${ASK}from the client`);
    await client.until(/\r\n\r\nfrom the backend$/);
    await (await backend.connection(index)).until(/\r\n\r\nfrom the client$/);
  });

  it("lets an end that has sent its last byte still receive", async (t) => {
    const { client, origin } = await open(t);
    client.write("last");
    client.socket.end();
    assert.equal(await origin.untilEnd(), "last");
    origin.write("answer");
    await client.until("answer");
    origin.socket.end();
    assert.equal(await client.untilGone(), "ended");
  });

  for (const [sender, receiver] of [
    ["client", "origin"],
    ["origin", "client"],
  ] as const) {
    it(`waits for the slow ${receiver}, also when the ${sender} has sent all and closed`, async (t) => {
      const ends = await open(t);
      const [from, to] = [ends[sender].socket, ends[receiver]];
      to.socket.pause();
      const poured = pour(from, BYTES);
      poured.then(() => from.end());
      await secondPassed();
      const sent = from.bytesWritten - from.writableLength;
      assert.ok(sent > 0 && sent < STANDSTILL_BYTES, `${sent} bytes were sent to one that reads nothing`);
      to.socket.resume();
      assert.equal(await to.untilGone(), "ended");
      assert.equal(to.length, BYTES);
      assert.equal(crc32(to.received), await poured);
    });
  }

  it("delivers the last bytes of a backend that has closed to a client that takes them late", async (t) => {
    const taken = await takenForStalledClient(t);
    // Where exactly the system stops taking differs a little. Of some of these the gateway holds the last bytes.
    const lengths = Array.from({ length: 16 }, (_, i) => taken + (i - 4) * 16_384);
    const tunnels: Ends[] = [];
    for (const length of lengths) {
      const ends = await open(t);
      ends.client.socket.pause();
      ends.origin.socket.end(Buffer.alloc(length));
      tunnels.push(ends);
    }
    await tunnels[0]!.origin.untilEnd();
    const received = tunnels.map(async ({ client }) => {
      client.socket.resume();
      assert.equal(await client.untilGone(), "ended");
      return client.length;
    });
    assert.deepEqual(await Promise.all(received), lengths);
  });

  /** How many bytes the gateway and the system take for a client that reads nothing. */
  async function takenForStalledClient(t: TestContext): Promise<number> {
    const { client, origin } = await open(t, "/brief");
    client.socket.pause();
    origin.write(Buffer.alloc(BYTES));
    const line = await gateway.logged(({ level, path }) => level === "access" && path === "/brief");
    return Number(line["bytes_out"]);
  }
});
