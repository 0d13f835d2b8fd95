// WebSockets of apps over HTTP/2 (RFC 8441). Real gateway and VMs.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";
import { after, before, describe, it } from "node:test";
import { openSession } from "../http2/client.ts";
import { frameOf } from "./websocket-client.ts";
import { SocketGateway } from "./websocket-seen.ts";

const CONNECT: OutgoingHttpHeaders = {
  ":method": "CONNECT",
  ":protocol": "websocket",
  "sec-websocket-version": "13",
};

/** A stream and what came on it. */
class Asked {
  readonly stream: ClientHttp2Stream;
  readonly answer: Readonly<Record<string, string | number>>;
  #bytes = Buffer.alloc(0);

  constructor(stream: ClientHttp2Stream, answer: Readonly<Record<string, string | number>>) {
    this.stream = stream;
    this.answer = answer;
    stream.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
    });
  }

  /** So many bytes of what comes. */
  async read(length: number): Promise<Buffer> {
    while (this.#bytes.length < length) await once(this.stream, "data");
    const bytes = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return bytes;
  }
}

describe("a WebSocket of an app over HTTP/2", { timeout: 60_000 }, () => {
  let sockets: SocketGateway;
  let session: ClientHttp2Session;
  before(async () => {
    sockets = await SocketGateway.start("", "", "h2c: true");
    session = await openSession(sockets.port);
    if (session.remoteSettings.enableConnectProtocol !== true) await once(session, "remoteSettings");
  });
  after(async () => {
    session.destroy();
    await sockets.stop();
  });

  async function ask(path: string, fields: OutgoingHttpHeaders = {}): Promise<Asked> {
    const stream = session.request({ ...CONNECT, ":path": path, ...fields }, { endStream: false });
    const [answer] = (await once(stream, "response")) as [Record<string, string | number>];
    return new Asked(stream, answer);
  }

  it("carries messages both ways and closes", async () => {
    const asked = await ask("/echo");
    const { stream, answer } = asked;
    assert.equal(answer[":status"], 200);
    assert.equal(answer["sec-websocket-accept"], undefined);
    stream.write(frameOf(1, "hello"));
    assert.deepEqual(await asked.read(7), Buffer.from("\x81\x05hello", "latin1"));
    const long = Buffer.alloc(60_000, 7);
    stream.write(frameOf(2, long));
    assert.ok((await asked.read(4 + long.length)).subarray(4).equals(long));
    stream.end(frameOf(8, Buffer.from([3, 0xe8])));
    assert.deepEqual(await asked.read(4), Buffer.from([0x88, 2, 3, 0xe8]));
    if (!stream.closed) await once(stream, "close");
    assert.equal(stream.rstCode, 0);
  });

  it("has the subprotocol and the fields of the handler", async () => {
    const { stream, answer } = await ask("/protocol?id=chat", { "sec-websocket-protocol": "chat, other" });
    assert.equal(answer["sec-websocket-protocol"], "chat");
    assert.equal(answer["x-from"], "handler");
    stream.destroy();
  });

  it("tells the handler of a client that resets the stream", async () => {
    const { stream } = await ask("/note?id=reset");
    stream.close(8);
    const { code, wasClean } = await sockets.noted("close", "reset");
    assert.deepEqual({ code, wasClean }, { code: 1006, wasClean: false });
  });

  it("is closed with 1002 for a frame without a mask", async () => {
    const asked = await ask("/echo");
    const { stream } = asked;
    stream.write(frameOf(1, "hello", { masked: false }));
    assert.deepEqual((await asked.read(4)).readUInt16BE(2), 1002);
    stream.destroy();
  });

  it("is answered 426 without its version", async () => {
    const { stream, answer } = await ask("/echo", { "sec-websocket-version": "12" });
    assert.equal(answer[":status"], 426);
    assert.equal(answer["sec-websocket-version"], "13");
    stream.destroy();
  });

  it("is refused where the handler offers another subprotocol", async () => {
    const { stream, answer } = await ask("/protocol?id=third", { "sec-websocket-protocol": "chat" });
    assert.equal(answer[":status"], 500);
    stream.destroy();
  });
});
