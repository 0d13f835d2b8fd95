// `max_conn` of a backend that a reload lowers: what is unused beyond it is closed, what is in use goes when it is done.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { Client } from "../http/client.ts";
import { TestGateway } from "../support/gateway.ts";

const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

/** Holds every request, and knows how many connections are open. */
class Backend {
  connections = 0;
  readonly held: ServerResponse[] = [];
  readonly #watchers = new Set<() => void>();
  readonly #server = createServer((_request, response) => {
    this.held.push(response);
    this.#changed();
  });

  async listen(t: TestContext): Promise<number> {
    this.#server.keepAliveTimeout = 0;
    this.#server.on("connection", (socket) => {
      this.connections++;
      socket.on("close", () => {
        this.connections--;
        this.#changed();
      });
    });
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    t.after(() => {
      this.#server.close();
      this.#server.closeAllConnections();
    });
    return (this.#server.address() as AddressInfo).port;
  }

  async until(done: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = () => {
        if (done()) resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }

  #changed(): void {
    for (const look of this.#watchers) look();
  }
}

function config(port: number, maxConnections: number): string {
  return `backends: { app: [{ host: 127.0.0.1, port: ${port}, max_conn: ${maxConnections} }] }
routing: { all: { upstream: app, timeouts: { backend_keep_alive: 60s } } }
`;
}

describe("max_conn that a reload lowers", { timeout: 120_000 }, () => {
  for (const workers of [1, 2]) {
    it(`closes unused connections beyond it, with ${workers} data threads`, async (t) => {
      const backend = new Backend();
      const port = await backend.listen(t);
      const gateway = await TestGateway.start(config(port, 6), { server: `workers: ${workers}` });
      t.after(() => gateway.stop("SIGKILL"));
      const clients = await Promise.all(Array.from({ length: 6 }, () => Client.connect(gateway.port)));
      t.after(() => {
        for (const client of clients) client.close();
      });
      for (const client of clients) client.send(GET);
      await backend.until(() => backend.held.length === 6);
      for (const response of backend.held.slice(0, 3)) response.end("ok");
      // Three are unused now, and three are in use.
      await Promise.race(clients.map((client) => client.answer()));
      await gateway.adopt(config(port, 2));
      await backend.until(() => backend.connections <= 3);
      for (const response of backend.held.slice(3)) response.end("ok");
      await backend.until(() => backend.connections <= 2);
      assert.equal(backend.held.length, 6);
    });
  }
});
