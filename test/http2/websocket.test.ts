// WebSockets over HTTP/2 (RFC 8441) to a real server of HTTP/1.1, and what is no WebSocket. Real gateway process.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";
import type { AddressInfo } from "node:net";
import type { Writable } from "node:stream";
import { after, before, describe, it } from "node:test";
import * as ws from "ws";
import { type WebSocket, WebSocketServer } from "ws";
import { Origin } from "../http/origin.ts";
import { proxyTo, TestGateway } from "../support/gateway.ts";
import { answerOf, openSession } from "./client.ts";

/** The two halves of a WebSocket in `ws`, without its handshake. */
interface Halves {
  readonly Receiver: new (options: { isServer: boolean }) => Writable;
  readonly Sender: new (
    socket: ClientHttp2Stream,
  ) => {
    send(data: Buffer, options: object, done: () => void): void;
    close(code: number, data: string, mask: boolean, done: () => void): void;
  };
}
const { Receiver, Sender } = ws as unknown as Halves;
const FRAME = { fin: true, mask: true, binary: true, compress: false };

const CONNECT: OutgoingHttpHeaders = {
  ":method": "CONNECT",
  ":protocol": "websocket",
  ":path": "/",
  "sec-websocket-version": "13",
};

class WebSocketOverHttp2 {
  readonly stream: ClientHttp2Stream;
  readonly #receiver = new Receiver({ isServer: false });
  readonly #sender: InstanceType<Halves["Sender"]>;

  constructor(stream: ClientHttp2Stream) {
    this.stream = stream;
    this.#sender = new Sender(stream);
    stream.pipe(this.#receiver);
  }

  async message(): Promise<Buffer> {
    const [data] = await once(this.#receiver, "message");
    return data as Buffer;
  }

  send(data: Buffer): void {
    this.#sender.send(data, FRAME, () => {});
  }

  close(): void {
    this.#sender.close(1000, "bye", true, () => {});
  }
}

async function begun(session: ClientHttp2Session): Promise<void> {
  if (session.remoteSettings.enableConnectProtocol !== true) await once(session, "remoteSettings");
  assert.equal(session.remoteSettings.enableConnectProtocol, true);
}

describe("a WebSocket over HTTP/2", { timeout: 60_000 }, () => {
  let gateway: TestGateway;
  let server: WebSocketServer;
  let session: ClientHttp2Session;

  before(async () => {
    server = new WebSocketServer({
      port: 0,
      host: "127.0.0.1",
      verifyClient: ({ req }: { req: IncomingMessage }) => req.url !== "/forbidden",
      handleProtocols: (offered) => (offered.has("second") ? "second" : false),
    });
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    gateway = await TestGateway.start(`access_log: {}\n${proxyTo(port)}`, {
      server: "h2c: true",
      stdout: "pipe",
    });
    session = await openSession(gateway.port);
    await begun(session);
  });
  after(async () => {
    session.destroy();
    await gateway.stop("SIGKILL");
    for (const socket of server.clients) socket.terminate();
    server.close();
  });

  async function open(fields: OutgoingHttpHeaders = {}) {
    const accepted = once(server, "connection") as Promise<[WebSocket, IncomingMessage]>;
    const stream = session.request({ ...CONNECT, ...fields }, { endStream: false });
    const [answer] = await once(stream, "response");
    assert.equal(answer[":status"], 200);
    const [backend, request] = await accepted;
    return { client: new WebSocketOverHttp2(stream), answer, backend, request };
  }

  it("carries messages both ways", async () => {
    const { client, backend } = await open();
    backend.on("message", (data, binary) => backend.send(data, { binary }));
    for (const sent of [Buffer.from("hello"), Buffer.alloc(0), randomBytes(70_000)]) {
      const echoed = client.message();
      client.send(sent);
      assert.ok((await echoed).equals(sent));
    }
    client.stream.destroy();
  });

  it("carries messages of 3 MB both ways at the same time", async () => {
    const { client, backend } = await open();
    const [up, down] = [randomBytes(3_000_000), randomBytes(3_000_000)];
    const received = Promise.all([once(backend, "message"), client.message()]);
    client.send(up);
    backend.send(down);
    const [[atBackend], atClient] = await received;
    assert.ok((atBackend as Buffer).equals(up));
    assert.ok(atClient.equals(down));
    client.stream.destroy();
  });

  it("is one of HTTP/1.1 to the backend, with a key of the gateway", async () => {
    const { client, request, answer } = await open({
      "sec-websocket-protocol": "first, second",
      "sec-websocket-key": "x",
    });
    const { method, headers } = request;
    assert.deepEqual([method, headers.upgrade, headers["via"]], ["GET", "websocket", "2.0 sluice"]);
    assert.match(String(headers["sec-websocket-key"]), /^[\w+/]{22}==$/);
    assert.equal(answer["sec-websocket-protocol"], "second");
    assert.equal(answer["sec-websocket-accept"], undefined);
    client.stream.destroy();
  });

  it("ends for both when one of them closes it", async () => {
    const one = await open({ ":path": "/closed-by-client" });
    const atBackend = once(one.backend, "close");
    one.client.close();
    assert.equal((await atBackend)[0], 1000);
    await once(one.client.stream, "close");
    const line = await gateway.logged((entry) => entry["path"] === "/closed-by-client");
    assert.deepEqual([line["status"], line["method"], line["protocol"]], [200, "GET", "HTTP/2.0"]);

    const other = await open();
    other.backend.terminate();
    await once(other.client.stream, "close");

    const third = await open();
    const gone = once(third.backend, "close");
    third.client.stream.close(8);
    await gone;
  });

  it("shares its connection with other streams, and outlives them", async () => {
    const { client, backend } = await open();
    backend.on("message", (data, binary) => backend.send(data, { binary }));
    const answer = await answerOf(session.request({ ":path": "/plain" }));
    assert.equal(answer.status, 426);
    const echoed = client.message();
    client.send(Buffer.from("still here"));
    assert.equal(String(await echoed), "still here");
    client.stream.destroy();
  });

  it("is refused by a backend that refuses it", async () => {
    const answer = await answerOf(
      session.request({ ...CONNECT, ":path": "/forbidden" }, { endStream: false }),
    );
    assert.equal(answer.status, 401);
  });
});

describe("what is no WebSocket", { timeout: 60_000 }, () => {
  let origin: Origin;
  let gateway: TestGateway;
  let session: ClientHttp2Session;

  before(async () => {
    origin = await Origin.start();
    gateway = await TestGateway.start(proxyTo(origin.port), { server: "h2c: true" });
    session = await openSession(gateway.port);
    await begun(session);
  });
  after(async () => {
    session.destroy();
    await gateway.stop();
    await origin.stop();
  });

  const answers = [
    ["a backend that answers 200 instead of 101", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"],
    [
      "a backend that answers another key",
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    ],
    [
      "a backend that answers no key",
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
  ] as const;
  for (const [what, bytes] of answers) {
    it(`is 502 for ${what}`, async () => {
      origin.reset();
      origin.answer = () => bytes;
      const answer = await answerOf(session.request(CONNECT, { endStream: false }));
      assert.equal(answer.status, 502);
      assert.equal(origin.only.method, "GET");
    });
  }

  it("is 501 for another protocol", async () => {
    origin.reset();
    const fields = { ...CONNECT, ":protocol": "connect-udp" };
    assert.equal((await answerOf(session.request(fields, { endStream: false }))).status, 501);
    assert.deepEqual(origin.requests, []);
  });
});
