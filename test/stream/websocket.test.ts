// WebSockets through the gateway, with a real client and a real server at the ends. Real gateway process.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it, type TestContext } from "node:test";
import WebSocket, { WebSocketServer } from "ws";
import { TestGateway } from "../support/gateway.ts";

const IDLE_MS = 400;

describe("a WebSocket", () => {
  let gateway: TestGateway;
  let server: WebSocketServer;

  before(async () => {
    server = new WebSocketServer({
      port: 0,
      host: "127.0.0.1",
      verifyClient: ({ req }: { req: IncomingMessage }) => req.url !== "/forbidden",
      handleProtocols: (offered) => (offered.has("second") ? "second" : false),
    });
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    gateway = await TestGateway.start(`backends: { origin: [{ host: 127.0.0.1, port: ${port} }] }
routing:
  all: { upstream: origin }
  idle: { path: /idle, upstream: origin, timeouts: { websocket_idle: ${IDLE_MS}ms } }
`);
  });

  after(async () => {
    await gateway.stop("SIGKILL");
    for (const socket of server.clients) socket.terminate();
    server.close();
  });

  /** Both ends of a new WebSocket, and the request that the server got. */
  async function open(t: TestContext, path = "/", protocols: string[] = []) {
    const accepted = once(server, "connection") as Promise<[WebSocket, IncomingMessage]>;
    const client = new WebSocket(`ws://127.0.0.1:${gateway.port}${path}`, protocols);
    t.after(() => client.terminate());
    await once(client, "open");
    const [backend, request] = await accepted;
    return { client, backend, request };
  }

  async function message(socket: WebSocket): Promise<{ data: Buffer; isBinary: boolean }> {
    const [data, isBinary] = (await once(socket, "message")) as [Buffer, boolean];
    return { data, isBinary };
  }

  it("carries text and bytes both ways", async (t) => {
    const { client, backend } = await open(t);
    backend.on("message", (data, isBinary) => backend.send(data, { binary: isBinary }));
    for (const sent of ["", "hello", "käse ✓", Buffer.from([0, 1, 255]), randomBytes(70_000)]) {
      const answer = message(client);
      client.send(sent);
      const { data, isBinary } = await answer;
      assert.equal(isBinary, typeof sent !== "string");
      assert.deepEqual(data, Buffer.from(sent as string));
    }
  });

  it("carries messages of 5 MB both ways at the same time", async (t) => {
    const { client, backend } = await open(t);
    const [up, down] = [randomBytes(5_000_000), randomBytes(5_000_000)];
    const received = Promise.all([message(backend), message(client)]);
    client.send(up);
    backend.send(down);
    const [atBackend, atClient] = await received;
    assert.ok(atBackend.data.equals(up));
    assert.ok(atClient.data.equals(down));
  });

  it("keeps many messages in their order", async (t) => {
    const { client, backend } = await open(t);
    const received: number[] = [];
    const all = new Promise<void>((resolve) => {
      backend.on("message", (data) => {
        if (received.push(Number(String(data))) === 1000) resolve();
      });
    });
    for (let i = 0; i < 1000; i++) client.send(String(i));
    await all;
    assert.deepEqual(received, [...received.keys()]);
  });

  it("passes path, query, fields and the protocol that the backend chose", async (t) => {
    const { client, request } = await open(t, "/chat?room=1", ["first", "second"]);
    assert.equal(request.url, "/chat?room=1");
    assert.equal(request.headers["sec-websocket-protocol"], "first,second");
    assert.equal(request.headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(client.protocol, "second");
  });

  it("passes a refusal on", async () => {
    const client = new WebSocket(`ws://127.0.0.1:${gateway.port}/forbidden`);
    const [, response] = (await once(client, "unexpected-response")) as [unknown, IncomingMessage];
    assert.equal(response.statusCode, 401);
    response.destroy();
  });

  it("passes ping and pong, in both directions", async (t) => {
    const { client, backend } = await open(t);
    for (const socket of [client, backend]) {
      const pong = once(socket, "pong");
      socket.ping("are you there");
      assert.equal(String((await pong)[0]), "are you there");
    }
  });

  it("passes close codes and reasons, in both directions", async (t) => {
    for (const [from, to] of [
      ["client", "backend"],
      ["backend", "client"],
    ] as const) {
      const ends = await open(t);
      const closed = Promise.all([once(ends[to], "close"), once(ends[from], "close")]);
      ends[from].close(4001, "enough");
      for (const [code, reason] of await closed) assert.deepEqual([code, String(reason)], [4001, "enough"]);
    }
  });

  it("breaks at one end when the other end was lost", async (t) => {
    for (const [from, to] of [
      ["client", "backend"],
      ["backend", "client"],
    ] as const) {
      const ends = await open(t);
      const closed = once(ends[to], "close");
      ends[from].terminate();
      assert.equal((await closed)[0], 1006);
    }
  });

  it("is closed and logged after websocket_idle of silence, and not before", async (t) => {
    const { client, backend } = await open(t, "/idle");
    const ends = Promise.all([once(client, "close"), once(backend, "close")]);
    let pings = 0;
    const openedAt = performance.now();
    const alive = setInterval(() => {
      if (++pings > 20) clearInterval(alive);
      else backend.ping();
    }, IDLE_MS / 8);
    t.after(() => clearInterval(alive));
    await ends;
    assert.equal(pings, 21, "closed while pings went through");
    const tookMs = performance.now() - openedAt;
    assert.ok(tookMs >= 3 * IDLE_MS && tookMs < 30 * IDLE_MS, `${tookMs} ms`);
    const line = await gateway.logged((entry) => entry["path"] === "/idle");
    assert.equal(line["code"], "tunnel_idle");
  });
});
