// SIGHUP: what a new configuration changes, and what it leaves alone. A real gateway process, with two data threads.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { after, before, describe, it, type TestContext } from "node:test";
import WebSocket, { WebSocketServer } from "ws";
import { ask, Client } from "../http/client.ts";
import { type GatewayOptions, TestGateway } from "../support/gateway.ts";
import { RawConnection } from "../support/raw.ts";
import { Load, type Client as LoadClient } from "./load.ts";
import { listeningSockets } from "./sockets.ts";

const RELOADS = 12;
const ANSWERS_PER_RELOAD = 100;
const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

/** Answers with its name and the path, and echoes WebSocket messages. */
async function startBackend(name: string): Promise<Server> {
  const server = createServer((request, response) => response.end(`${name} ${request.url}`));
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(String(data))));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function startGateway(t: TestContext, config: string, server = "workers: 2"): Promise<TestGateway> {
  const gateway = await TestGateway.start(config, { server });
  t.after(() => gateway.stop("SIGKILL"));
  return gateway;
}

function responding(body: string): string {
  return `routing: { all: { respond: { body: "${body}" } } }\n`;
}

async function bodyFrom(port: number, host = "127.0.0.1"): Promise<string> {
  const client = new Client(await RawConnection.connect(port, host));
  client.send(GET);
  const { body } = await client.answer();
  client.close();
  return body;
}

describe("a reload", { timeout: 30_000 }, () => {
  let one: Server;
  let two: Server;

  before(async () => {
    [one, two] = await Promise.all([startBackend("one"), startBackend("two")]);
  });

  after(() => {
    for (const server of [one, two]) {
      server.close();
      server.closeAllConnections();
    }
  });

  function backends(...servers: readonly Server[]): string {
    const entries = servers.map((server) => `{ host: 127.0.0.1, port: ${portOf(server)} }`);
    return `backends: { origin: [${entries.join(", ")}] }\n`;
  }

  it("under load fails no request, and switches every one that comes after it", async (t) => {
    // Every second version has one backend less.
    const versioned = (version: number) => `${version % 2 === 0 ? backends(one, two) : backends(two)}routing:
  page: { path: /page, respond: { body: "respond /v${version}" } }
  proxied: { path: /proxied, upstream: origin, rewrite: /v${version} }
  socket: { path: /socket, upstream: origin }
  extra-${version}: { path: /extra/${version}, redirect: { to: /page } }
`;
    const gateway = await startGateway(t, versioned(0));
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/socket`);
    t.after(() => socket.terminate());
    await once(socket, "open");

    let begun = 0;
    let done = 0;
    const client = (path: string, keepAlive: boolean): LoadClient<unknown> => ({
      path,
      keepAlive,
      before: () => done,
      after({ status, body }, oldest) {
        const version = Number(/^(?:respond|one|two) \/v(\d+)$/.exec(body)?.[1] ?? Number.NaN);
        const seen = `${status} ${body}: expected a version from ${oldest} to ${begun}`;
        assert.ok(status === 200 && version >= Number(oldest) && version <= begun, seen);
      },
    });
    const load = new Load(gateway.port, [
      ...Array.from({ length: 6 }, () => client("/page", true)),
      ...Array.from({ length: 8 }, () => client("/proxied", true)),
      client("/page", false),
      client("/proxied", false),
    ]);
    const startedAt = performance.now();
    for (begun = 1; begun <= RELOADS; begun++) {
      await load.more(ANSWERS_PER_RELOAD);
      await gateway.adopt(versioned(begun), { server: "workers: 2" });
      done = begun;
    }
    begun = RELOADS;
    await load.more(ANSWERS_PER_RELOAD);
    await load.stop();
    const seconds = (performance.now() - startedAt) / 1000;
    t.diagnostic(`${load.answers} requests, ${Math.round(load.answers / seconds)} per second`);

    const echo = once(socket, "message");
    socket.send("still here");
    assert.equal(String((await echo)[0]), "still here");
  });

  const BAD: ReadonlyArray<readonly [title: string, text: string, problem: RegExp]> = [
    ["a value out of place", "routing: { all: { path: 7 } }\n", /sluice\.yaml:2:25: routing\.all\.path: /],
    ["an unknown key", "routng: {}\n", /sluice\.yaml:2:1: routng: unknown key "routng": did you mean/],
    ["broken YAML", "routing: { all: {\n", /sluice\.yaml:\d+:\d+: /],
  ];
  for (const [title, text, problem] of BAD) {
    it(`of a file with ${title} changes nothing, and the log says why and where`, async (t) => {
      const gateway = await startGateway(t, responding("old"));
      gateway.configure(text);
      const { level, msg } = await gateway.reload();
      assert.deepEqual([level, msg], ["error", "configuration not reloaded: the one before goes on"]);
      assert.match(gateway.log.at(-2)!.msg, problem);
      assert.equal(await bodyFrom(gateway.port), "old");
      await gateway.adopt(responding("new"), { server: "workers: 2" });
      assert.equal(await bodyFrom(gateway.port), "new");
    });
  }

  it("opens a listener that was added and closes one that was removed, but not its connections", async (t) => {
    const gateway = await startGateway(t, responding("old"));
    const both: GatewayOptions = {
      server: `workers: 2, listeners: [{ host: 127.0.0.1, port: 0 }, { host: 127.0.0.2, port: ${gateway.port} }]`,
    };
    await assert.rejects(RawConnection.connect(gateway.port, "127.0.0.2"), { code: "ECONNREFUSED" });
    await gateway.adopt(responding("both"), both);
    assert.equal(await bodyFrom(gateway.port), "both");
    assert.equal(await bodyFrom(gateway.port, "127.0.0.2"), "both");

    const kept = new Client(await RawConnection.connect(gateway.port, "127.0.0.2"));
    kept.send(GET);
    assert.equal((await kept.answer()).body, "both");
    await gateway.adopt(responding("one"), { server: "workers: 2" });
    await assert.rejects(RawConnection.connect(gateway.port, "127.0.0.2"), { code: "ECONNREFUSED" });
    kept.send(GET);
    assert.equal((await kept.answer()).body, "one");
    kept.close();
  });

  it("changes nothing when a listener cannot be opened", async (t) => {
    const gateway = await startGateway(t, responding("old"));
    const holder = createTcpServer().listen(0, "127.0.0.3");
    await once(holder, "listening");
    t.after(() => holder.close());
    const { port } = holder.address() as AddressInfo;
    const listeners = ["127.0.0.2", "127.0.0.3"].map((host) => `{ host: ${host}, port: ${port} }`);
    gateway.configure(responding("new"), { server: `listeners: [${listeners.join(", ")}]` });
    assert.equal((await gateway.reload()).level, "error");
    assert.equal(
      gateway.log.at(-2)!.msg,
      `Cannot listen on 127.0.0.3:${port}: another process holds it. Stop it, or set another server.port`,
    );
    assert.equal(await bodyFrom(gateway.port), "old");
    await assert.rejects(RawConnection.connect(port, "127.0.0.2"), { code: "ECONNREFUSED" });
  });

  it("takes a backend out, with its idle connections, and a new one in", async (t) => {
    const routing = "routing: { all: { upstream: origin, load_balancer: round_robin } }\n";
    const gateway = await startGateway(t, backends(one) + routing, "workers: 1");
    const names = async () => {
      const bodies = [await bodyFrom(gateway.port), await bodyFrom(gateway.port)];
      return new Set(bodies);
    };
    const opened = once(one, "connection") as Promise<[Socket]>;
    assert.deepEqual(await names(), new Set(["one /"]));
    const [idle] = await opened;
    await gateway.adopt(backends(one, two) + routing);
    assert.deepEqual(await names(), new Set(["one /", "two /"]));
    assert.ok(!idle.destroyed, "the connection was not kept");
    const closed = once(idle, "close");
    await gateway.adopt(backends(two) + routing);
    assert.deepEqual(await names(), new Set(["two /"]));
    await closed;
  });

  it("leaves an exchange with a removed backend to its end", async (t) => {
    let release = () => {};
    const slow = createServer((_, response) => {
      response.write("first ");
      release = () => response.end("second");
    }).listen(0, "127.0.0.1");
    await once(slow, "listening");
    t.after(() => slow.close());
    const gateway = await startGateway(t, `${backends(slow)}routing: { all: { upstream: origin } }\n`);
    const client = await Client.connect(gateway.port);
    client.send(GET);
    await client.connection.until("first ");
    await gateway.adopt(responding("new"), { server: "workers: 2" });
    release();
    assert.equal((await client.answer()).body, "first second");
    client.send(GET);
    assert.equal((await client.answer()).body, "new");
    client.close();
  });

  it("takes over shutdown_timeout", async (t) => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const asked = once(silent, "request");
    t.after(() => silent.close());
    const config = `${backends(silent)}routing: { all: { upstream: origin } }\n`;
    const gateway = await startGateway(t, config, "shutdown_timeout: 1h, workers: 1");
    const client = await Client.connect(gateway.port);
    client.send(GET);
    await asked;
    await gateway.adopt(config, { server: "shutdown_timeout: 50ms" });
    assert.equal(await gateway.stop(), 0);
    await client.ended();
  });

  it("does not change server.workers, and says so", async (t) => {
    const gateway = await startGateway(t, responding("old"), "workers: 1");
    await gateway.adopt(responding("new"), { server: "workers: 2" });
    const warning = await gateway.logged(({ level }) => level === "warn");
    assert.equal(
      warning.msg,
      "server.workers and server.reuse_port change with a restart only: the old values go on",
    );
    assert.equal(listeningSockets(gateway.port), 1);
    assert.equal((await ask(gateway.port, GET)).answer.body, "new");
  });
});
