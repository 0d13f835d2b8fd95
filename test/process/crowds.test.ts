// More clients at one moment than there are connections for, or files. Real gateway process.

import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { type GatewayOptions, TestGateway } from "../support/gateway.ts";
import { RawBackend, RawConnection } from "../support/raw.ts";

const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
const HELLO = "routing: { all: { respond: { body: hello } } }\n";
const MAX = 8;

async function gatewayFor(t: TestContext, config: string, options: GatewayOptions): Promise<TestGateway> {
  const gateway = await TestGateway.start(config, options);
  t.after(() => gateway.stop("SIGKILL"));
  return gateway;
}

/** A connection, and its answer. */
async function ask(port: number): Promise<RawConnection> {
  const client = await RawConnection.connect(port);
  client.write(GET);
  await client.until(/hello$|\}\}\n$/);
  return client;
}

/** Ends connections that were refused, and counts the others. */
async function countAccepted(clients: readonly RawConnection[]): Promise<number> {
  let accepted = 0;
  for (const client of clients) {
    if (/^HTTP\/1\.1 200 /.test(client.text)) accepted++;
    else await assertRefused(client);
  }
  return accepted;
}

async function assertRefused(client: RawConnection): Promise<void> {
  assert.equal(await client.untilGone(), "ended");
  const [head, body] = client.text.split("\r\n\r\n") as [string, string];
  assert.match(head, /^HTTP\/1\.1 503 .*\r\n/);
  assert.match(head, /\r\nConnection: close(\r\n|$)/);
  assert.equal(Number(/\r\nContent-Length: (\d+)/.exec(head)?.[1]), body.length);
  assert.equal(JSON.parse(body).error.code, "too_many_connections");
  client.destroy();
}

describe("a crowd", () => {
  for (const workers of [1, 2]) {
    it(`that comes at one moment gets exactly max_conn connections of ${workers} data thread(s)`, async (t) => {
      const gateway = await gatewayFor(t, HELLO, { server: `workers: ${workers}, max_conn: ${MAX}` });
      const clients = await Promise.all(Array.from({ length: 5 * MAX }, () => ask(gateway.port)));
      assert.equal(await countAccepted(clients), MAX);
      for (const client of clients) client.destroy();
      assert.equal(await gateway.stop(), 0);
      const stopped = gateway.log.find(({ msg }) => msg === "stopped");
      assert.equal(stopped?.["refused_connections"], 4 * MAX);
    });
  }

  it("that asks one backend after the other leaves files for the next client", async (t) => {
    // Unused connections are kept for a minute: all of them together would be more than there are files.
    const backends = await Promise.all(Array.from({ length: 8 }, () => RawBackend.start(() => {})));
    t.after(() => Promise.all(backends.map((backend) => backend.stop())));
    const upstreams = backends.map(({ port }, i) => `u${i}: [{ host: 127.0.0.1, port: ${port} }]`);
    const routes = backends.map((_, i) => `r${i}: { path: /${i}, upstream: u${i} }`);
    const config = `timeouts: { backend_keep_alive: 60s }
backends: { ${upstreams.join(", ")} }
routing: { ${routes.join(", ")} }
`;
    const gateway = await gatewayFor(t, config, { prefix: ["prlimit", "--nofile=300"] });
    const clients = await Promise.all(Array.from({ length: 40 }, () => RawConnection.connect(gateway.port)));
    t.after(() => {
      for (const client of clients) client.destroy();
    });
    for (let i = 0; i < backends.length; i++) {
      for (const client of clients) {
        client.take();
        client.write(`GET /${i} HTTP/1.1\r\nHost: test\r\n\r\n`);
      }
      // Nobody is answered before everybody has asked, so that each needs a connection of its own.
      assert.equal(await answerAll(backends[i]!, clients), 0);
      const late = await Promise.all(Array.from({ length: 9 }, () => ask(gateway.port)));
      for (const client of late) {
        assert.match(client.text, /^HTTP\/1\.1 404 /);
        client.destroy();
      }
    }
  });
});

/** Answers what has reached the backend when all clients have, or have failed. Returns how many have failed. */
async function answerAll(backend: RawBackend, clients: readonly RawConnection[]): Promise<number> {
  const failed = () => clients.filter(({ text }) => text.endsWith("}}\n")).length;
  while (backend.connections.length + failed() < clients.length) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (const connection of backend.connections) {
    await connection.until("\r\n\r\n");
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  }
  for (const client of clients) await client.until(/hello$|\}\}\n$/);
  return failed();
}
