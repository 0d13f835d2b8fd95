// Connections that the gateway gives up in the middle of an exchange count until the backend has closed them too.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { Client } from "../http/client.ts";
import { TestGateway } from "../support/gateway.ts";

const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
const MAX = 3;

/** How a backend fails an exchange without closing the connection. */
const FAULTS: ReadonlyArray<readonly [what: string, fail: (response: ServerResponse) => void]> = [
  ["are not answered in time", () => {}],
  ["get rubbish", (response) => response.socket?.write("no response\r\n\r\n")],
  [
    "get no end of a response",
    (response) => {
      response.writeHead(200, { "content-length": 10 });
      response.write("half");
    },
  ],
  [
    "get more than a response",
    (response) => response.socket?.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokok"),
  ],
];

describe("a backend never sees more than max_conn connections where its exchanges", {
  timeout: 30_000,
}, () => {
  for (const [what, fail] of FAULTS) {
    it(what, async (t: TestContext) => {
      let connections = 0;
      let most = 0;
      const server = createServer((_request, response) => fail(response));
      server.keepAliveTimeout = 0;
      server.on("connection", (socket) => {
        most = Math.max(most, ++connections);
        socket.on("close", () => connections--);
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      t.after(() => {
        server.close();
        server.closeAllConnections();
      });
      const { port } = server.address() as AddressInfo;
      const gateway = await TestGateway.start(
        `backends: { app: [{ host: 127.0.0.1, port: ${port}, max_conn: ${MAX} }] }
upstreams: { app: { queue: { timeout: 30s }, ejection: { enabled: false } } }
routing: { all: { upstream: app, retry: { attempts: 1 }, timeouts: { response: 50ms, idle: 50ms } } }
`,
        { server: "workers: 2" },
      );
      t.after(() => gateway.stop("SIGKILL"));
      const clients = await Promise.all(Array.from({ length: 24 }, () => Client.connect(gateway.port)));
      for (const client of clients) client.send(GET);
      await Promise.all(clients.map((client) => client.connection.until("HTTP/1.1 ").catch(() => "")));
      for (const client of clients) client.close();
      assert.equal(most, MAX);
    });
  }
});
