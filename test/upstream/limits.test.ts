// max_conn and the queue in front of it, seen by the backend itself: real connections, several data threads.

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { Client } from "../http/client.ts";
import { TestGateway } from "../support/gateway.ts";

const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

/** A backend that knows how many connections and requests it has, and had at most. */
class CountingBackend {
  connections = 0;
  mostConnections = 0;
  requests = 0;
  /** In the order of their arrival. */
  readonly held: ServerResponse[] = [];
  readonly #server: Server;

  constructor(serve: (backend: CountingBackend, request: IncomingMessage, response: ServerResponse) => void) {
    this.#server = createServer((request, response) => {
      this.requests++;
      serve(this, request, response);
    });
    this.#server.on("connection", (socket: Socket) => {
      this.connections++;
      this.mostConnections = Math.max(this.mostConnections, this.connections);
      socket.on("close", () => this.connections--);
    });
  }

  async listen(t: TestContext): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    t.after(() => {
      this.#server.close();
      this.#server.closeAllConnections();
    });
    return (this.#server.address() as AddressInfo).port;
  }
}

function config(port: number, maxConnections: number, queue = "", more = ""): string {
  return `backends: { origin: [{ id: b, host: 127.0.0.1, port: ${port}, max_conn: ${maxConnections} }] }
upstreams: { origin: { queue: { ${queue} } } }
routing: { all: { upstream: origin, ${more} } }
`;
}

async function gatewayFor(t: TestContext, text: string, workers = 1): Promise<TestGateway> {
  const gateway = await TestGateway.start(text, { server: `workers: ${workers}` });
  t.after(() => gateway.stop("SIGKILL"));
  return gateway;
}

async function clients(t: TestContext, gateway: TestGateway, count: number): Promise<Client[]> {
  const made = await Promise.all(Array.from({ length: count }, () => Client.connect(gateway.port)));
  t.after(() => {
    for (const client of made) client.close();
  });
  return made;
}

/** Resolves when `done` is true; it is looked at after every turn of the event loop. */
async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setImmediate(resolve));
}

describe("max_conn", { timeout: 120_000 }, () => {
  for (const workers of [1, 2, 4]) {
    it(`is never exceeded by one, and every request is answered, with ${workers} data threads`, async (t) => {
      const backend = new CountingBackend((_own, _request, response) => {
        setTimeout(() => response.end("ok"), Math.random() * 3);
      });
      const port = await backend.listen(t);
      const gateway = await gatewayFor(t, config(port, 5, "timeout: 30s"), workers);
      const all = await clients(t, gateway, 64);
      const ends = all.map(async (client) => {
        for (let i = 0; i < 15; i++) {
          client.send(GET);
          const { status } = await client.answer();
          assert.equal(status, 200);
        }
      });
      await Promise.all(ends);
      assert.equal(backend.requests, 64 * 15);
      assert.equal(backend.mostConnections, 5);
    });

    it(`holds when clients go away while they wait and while they are served, with ${workers} data threads`, async (t) => {
      const backend = new CountingBackend((_own, _request, response) => {
        setTimeout(() => response.end("ok"), 5);
      });
      const port = await backend.listen(t);
      const gateway = await gatewayFor(t, config(port, 3, "timeout: 30s"), workers);
      for (let round = 0; round < 8; round++) {
        const all = await clients(t, gateway, 30);
        for (const client of all) client.send(GET);
        const stay = all.filter((_, i) => i % 3 === 0);
        for (const client of all) if (!stay.includes(client)) client.connection.socket.resetAndDestroy();
        for (const client of stay) assert.equal((await client.answer()).status, 200);
        for (const client of stay) client.close();
      }
      // Nothing leaked: all places can be had at once again.
      const [last] = await clients(t, gateway, 1);
      last!.send(GET);
      assert.equal((await last!.answer()).status, 200);
      assert.equal(backend.mostConnections, 3);
    });
  }

  it("counts unused connections of other threads, and takes them over", async (t) => {
    const backend = new CountingBackend((_own, _request, response) => response.end("ok"));
    const port = await backend.listen(t);
    const gateway = await gatewayFor(
      t,
      config(port, 2, "timeout: 30s", "timeouts: { backend_keep_alive: 60s }"),
      4,
    );
    // Each of these may be on another thread; without handing over, the third thread would never get a connection.
    for (const client of await clients(t, gateway, 24)) {
      client.send(GET);
      assert.equal((await client.answer()).status, 200);
    }
    assert.equal(backend.mostConnections, 2);
  });

  it("may be raised by a reload", async (t) => {
    const backend = new CountingBackend((own, _request, response) => own.held.push(response));
    const port = await backend.listen(t);
    const gateway = await gatewayFor(t, config(port, 1, "timeout: 30s"));
    const [first, second] = await clients(t, gateway, 2);
    first!.send(GET);
    await until(() => backend.requests === 1);
    await gateway.adopt(config(port, 2, "timeout: 30s"));
    second!.send(GET);
    await until(() => backend.requests === 2);
    for (const response of backend.held) response.end("ok");
    assert.equal((await first!.answer()).status, 200);
    assert.equal((await second!.answer()).status, 200);
  });
});

/** Where the admin API of a gateway is. */
async function adminOf(gateway: TestGateway): Promise<string> {
  const { msg } = await gateway.logged((line) => line.msg.startsWith("admin API on "));
  return msg.slice("admin API on ".length);
}

/** Exchanges that wait for the only upstream. */
async function waitingIn(admin: string): Promise<number> {
  const answer = await fetch(`${admin}/api/v1/backends`);
  const { upstreams } = (await answer.json()) as { upstreams: ReadonlyArray<{ waiting: number }> };
  return upstreams[0]!.waiting;
}

describe("the queue", { timeout: 120_000 }, () => {
  for (const workers of [1, 2, 4]) {
    it(`serves in the order of arrival, whichever the thread, with ${workers} data threads`, async (t) => {
      const order: string[] = [];
      const backend = new CountingBackend((own, request, response) => {
        order.push(request.url!);
        own.held.push(response);
      });
      const port = await backend.listen(t);
      const text = config(port, 1, "timeout: 30s");
      const gateway = await gatewayFor(t, `${text}admin: { port: 0 }\n`, workers);
      const admin = await adminOf(gateway);
      const all = await clients(t, gateway, 24);
      // Each has joined the line before the next one asks.
      for (const [i, client] of all.entries()) {
        client.send(`GET /${i} HTTP/1.1\r\nHost: test\r\n\r\n`);
        if (i === 0) await until(() => backend.requests === 1);
        else while ((await waitingIn(admin)) < i);
      }
      for (let i = 0; i < all.length; i++) {
        await until(() => backend.held.length > i);
        backend.held[i]!.end("ok");
      }
      for (const client of all) assert.equal((await client.answer()).status, 200);
      assert.deepEqual(
        order,
        all.map((_, i) => `/${i}`),
      );
      assert.equal(backend.mostConnections, 1);
    });
  }

  it("is bounded: the next one gets 503 with Retry-After at once", async (t) => {
    const backend = new CountingBackend((own, _request, response) => own.held.push(response));
    const port = await backend.listen(t);
    const gateway = await gatewayFor(t, config(port, 1, "size: 2, timeout: 30s"));
    const all = await clients(t, gateway, 5);
    for (const client of all) client.send(GET);
    const answers = await Promise.all(all.slice(3).map((client) => client.answer()));
    for (const { status, fields, body } of answers) {
      assert.equal(status, 503);
      assert.match(body, /"code":"queue_full"/);
      assert.ok(fields.some(([name, value]) => name.toLowerCase() === "retry-after" && Number(value) > 0));
    }
    for (let i = 0; i < 3; i++) {
      await until(() => backend.held.length > i);
      backend.held[i]!.end("ok");
      assert.equal((await all[i]!.answer()).status, 200);
    }
  });

  it("ends a wait that is too long with 503 and Retry-After", async (t) => {
    const backend = new CountingBackend((own, _request, response) => own.held.push(response));
    const port = await backend.listen(t);
    const gateway = await gatewayFor(t, config(port, 1, "timeout: 200ms"));
    const [first, second, third] = await clients(t, gateway, 3);
    first!.send(GET);
    await until(() => backend.requests === 1);
    const started = performance.now();
    second!.send(GET);
    const { status, body, fields } = await second!.answer();
    assert.equal(status, 503);
    assert.match(body, /"code":"queue_timeout"/);
    assert.ok(fields.some(([name]) => name.toLowerCase() === "retry-after"));
    assert.ok(performance.now() - started >= 190);
    backend.held[0]!.end("ok");
    assert.equal((await first!.answer()).status, 200);
    third!.send(GET);
    await until(() => backend.held.length === 2);
    backend.held[1]!.end("ok");
    assert.equal((await third!.answer()).status, 200);
  });
});
