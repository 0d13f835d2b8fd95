// The configuration changes again and again under steady load, and nobody notices. Real gateway process.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, it } from "node:test";
import WebSocket, { WebSocketServer } from "ws";
import { TestGateway } from "../support/gateway.ts";
import { RawConnection } from "../support/raw.ts";

const OPTIONS = { server: "workers: 2" };
const RELOADS = 25;
const KEPT_CONNECTIONS = 12;
const LEAST_REQUESTS_PER_SECOND = 500;

let gateway: TestGateway;
const backends: Server[] = [];

before(async () => {
  for (const name of ["a", "b"]) {
    const server = createServer((_request, response) => response.end(`from ${name}`));
    const sockets = new WebSocketServer({ server });
    sockets.on("connection", (socket) => {
      socket.on("message", (data) => socket.send(`${name} got ${data}`));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    backends.push(server);
  }
  gateway = await TestGateway.start(configOf(0), OPTIONS);
});

after(async () => {
  await gateway.stop("SIGKILL");
  for (const server of backends) {
    server.close();
    server.closeAllConnections();
  }
});

/** Each version has other backends, other routes, and another body of its own. */
function configOf(version: number): string {
  const ports = backends.map((server) => (server.address() as AddressInfo).port);
  const members = [[0], [1], [0, 1], [1, 0]][version % 4]!.map((i) => {
    return `{ host: 127.0.0.1, port: ${ports[i]}, weight: ${1 + version} }`;
  });
  const noise = Array.from({ length: version * 4 }, (_, i) => {
    return `  noise-${version}-${i}: { hosts: host-${i}.test, path: /noise/${i}, respond: { status: 404 } }\n`;
  });
  return `backends: { origin: [${members.join(", ")}] }
routing:
${noise.join("")}  all: { upstream: origin, load_balancer: round_robin }
  own: { path: /own, respond: { body: "version ${version};" } }
`;
}

interface Load {
  requests: number;
  stopped: boolean;
}

/** Asks on one connection until the load stops; every answer must be right. */
async function keepAsking(load: Load): Promise<void> {
  const client = await RawConnection.connect(gateway.port);
  while (!load.stopped) await ask(client, load);
  client.destroy();
}

/** Asks on a new connection each time. */
async function keepConnecting(load: Load): Promise<void> {
  while (!load.stopped) {
    const client = await RawConnection.connect(gateway.port);
    await ask(client, load);
    client.destroy();
  }
}

async function ask(client: RawConnection, load: Load): Promise<void> {
  const path = load.requests % 3 === 0 ? "/own" : "/";
  client.take();
  client.write(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`);
  const answer = await client.until(/from [ab]$|version \d+;$|\}\}\n$/);
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(answer, path === "/own" ? /version \d+;$/ : /from [ab]$/);
  load.requests++;
}

async function roundTrip(socket: WebSocket, text: string): Promise<string> {
  const answer = once(socket, "message");
  socket.send(text);
  return String((await answer)[0]);
}

it(`${RELOADS} reloads under load fail no request and drop no connection`, async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/`);
  await once(socket, "open");
  const idle = await RawConnection.connect(gateway.port);
  const load: Load = { requests: 0, stopped: false };
  const startedAt = performance.now();
  const loops = Array.from({ length: KEPT_CONNECTIONS }, () => keepAsking(load));
  loops.push(keepConnecting(load), keepConnecting(load));
  const all = Promise.all(loops);

  for (let version = 1; version <= RELOADS; version++) {
    await Promise.race([gateway.adopt(configOf(version), OPTIONS), all]);
    // At least a hundred requests between two reloads.
    const enough = load.requests + 100;
    while (load.requests < enough) await Promise.race([turn(), all]);
  }
  load.stopped = true;
  await all;
  const perSecond = (load.requests / (performance.now() - startedAt)) * 1000;
  assert.ok(perSecond >= LEAST_REQUESTS_PER_SECOND, `only ${perSecond} requests in a second`);

  assert.equal(await roundTrip(socket, "still here"), "a got still here");
  socket.close();
  await once(socket, "close");
  assert.equal(idle.closed || idle.ended, false);
  await ask(idle, load);
  idle.destroy();

  assert.equal(await gateway.stop(), 0);
  const { requests, failed_5xx } = gateway.log.find(({ msg }) => msg === "stopped")!;
  // And the WebSocket.
  assert.deepEqual({ requests, failed_5xx }, { requests: load.requests + 1, failed_5xx: 0 });
});

/** Resolves after a turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
