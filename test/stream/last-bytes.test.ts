// The last bytes of a response that its client takes late: the exchange is over, the connection must not be. Real gateway.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { RawBackend, RawConnection } from "../support/raw.ts";

const MANY = 64 * 1024 ** 2;

describe("the last bytes of a response", () => {
  let gateway: TestGateway;
  let backend: RawBackend;
  /** As many as the gateway and the system take for a client that reads nothing. */
  let taken = 0;

  before(async () => {
    backend = await RawBackend.start(async (connection) => {
      const length = Number(/^GET \/(\d+) /.exec(await connection.until("\r\n\r\n"))?.[1]);
      if (Number.isNaN(length)) return;
      connection.write(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`);
      connection.write(Buffer.alloc(length));
    });
    gateway = await TestGateway.start(configOf(), {
      server: "write_timeout: 300ms",
      stdout: "pipe",
    });
    const client = await stalledClient(MANY, "keep-alive");
    const line = await gateway.logged(({ level, error }) => level === "access" && error === "client_stalled");
    taken = Number(line["bytes_out"]);
    client.destroy();
    await gateway.adopt(configOf(), { server: "write_timeout: 30s, keep_alive_timeout: 300ms" });
  });

  after(async () => {
    await gateway.stop("SIGKILL");
    await backend.stop();
  });

  function configOf(): string {
    return `access_log: {}
backends: { origin: [{ host: 127.0.0.1, port: ${backend.port} }] }
routing:
  all: { upstream: origin }
  time: { path: /time, upstream: origin, timeouts: { response: 3s } }
`;
  }

  async function stalledClient(length: number, connection: string): Promise<RawConnection> {
    const client = await RawConnection.connect(gateway.port);
    client.socket.pause();
    client.write(`GET /${length} HTTP/1.1\r\nHost: test\r\nConnection: ${connection}\r\n\r\n`);
    return client;
  }

  for (const connection of ["keep-alive", "close"]) {
    it(`are waited for when the connection is to ${connection}`, async (t) => {
      // Where exactly the system stops taking differs a little. Of some of these the gateway holds the last bytes.
      const lengths = Array.from({ length: 12 }, (_, i) => taken + (i - 4) * 16_384);
      const clients = await Promise.all(lengths.map((length) => stalledClient(length, connection)));
      t.after(() => {
        for (const client of clients) client.destroy();
      });
      const clock = await RawConnection.connect(gateway.port);
      clock.write("GET /time HTTP/1.1\r\nHost: test\r\n\r\n");
      await clock.until("response_timeout");
      clock.destroy();
      const received = clients.map(async (client) => {
        client.socket.resume();
        const all = await client.untilEnd();
        return all.length - all.indexOf("\r\n\r\n") - 4;
      });
      assert.deepEqual(await Promise.all(received), lengths);
    });
  }
});
