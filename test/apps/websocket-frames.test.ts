// Frames and handshakes of WebSockets of apps, byte by byte: what RFC 6455 says of them. Real gateway, bare sockets.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { frameOf, RawWebSocket } from "./websocket-client.ts";
import { SocketGateway } from "./websocket-seen.ts";

const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10] as const;
const MAX_MESSAGE = 65_536;
const more = { fin: false };
const euro = Buffer.from("€");

function closeOf(code: number, reason: string | Buffer = ""): Buffer {
  return frameOf(
    CLOSE,
    Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason as string)]),
  );
}

describe("the frames of a WebSocket of an app", { timeout: 60_000 }, () => {
  let sockets: SocketGateway;
  before(async () => {
    sockets = await SocketGateway.start(`websocket: { max_message: ${MAX_MESSAGE} }`);
  });
  after(() => sockets.stop());

  const faults: readonly (readonly [string, number, readonly Buffer[]])[] = [
    ["a frame without a mask", 1002, [frameOf(TEXT, "hello", { masked: false })]],
    ["the bit of an extension that is not in use (RSV1)", 1002, [frameOf(TEXT, "hello", { rsv: 4 })]],
    ["the bit of no extension (RSV2)", 1002, [frameOf(TEXT, "hello", { rsv: 2 })]],
    ["the bit of no extension (RSV3)", 1002, [frameOf(TEXT, "hello", { rsv: 1 })]],
    ["a data frame of no kind", 1002, [frameOf(3, "hello")]],
    ["a control frame of no kind", 1002, [frameOf(11, "hello")]],
    ["a ping in two parts", 1002, [frameOf(PING, "hello", more)]],
    ["a ping of 126 bytes", 1002, [frameOf(PING, "x".repeat(126))]],
    ["the next part of nothing", 1002, [frameOf(CONTINUATION, "hello")]],
    ["a message within another", 1002, [frameOf(TEXT, "one", more), frameOf(TEXT, "two")]],
    ["text that is no UTF-8", 1007, [frameOf(TEXT, Buffer.from([0xc3, 0x28]))]],
    ["text with half a surrogate pair", 1007, [frameOf(TEXT, Buffer.from([0xed, 0xa0, 0x80]))]],
    [
      "text that ends within a character",
      1007,
      [frameOf(TEXT, euro.subarray(0, 2), more), frameOf(CONTINUATION, "")],
    ],
    ["a close frame with half a code", 1002, [frameOf(CLOSE, "x")]],
    ["a close frame whose reason is no UTF-8", 1007, [closeOf(1000, Buffer.from([0xff]))]],
    ...[0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535].map(
      (code) => [`close code ${code}`, 1002, [closeOf(code)]] as const,
    ),
    ["a message that says it is too long", 1009, [frameOf(BINARY, "start", { length: MAX_MESSAGE + 1 })]],
    [
      "a message that is too long in parts",
      1009,
      [frameOf(BINARY, Buffer.alloc(MAX_MESSAGE), more), frameOf(CONTINUATION, "x")],
    ],
    ["a message of 2^53 bytes", 1009, [frameOf(BINARY, "start", { length: 2 ** 53 })]],
    [
      "a message of very many parts",
      1009,
      [frameOf(BINARY, "x", more), ...new Array<Buffer>(16_384).fill(frameOf(CONTINUATION, "", more))],
    ],
  ];
  for (const [what, code, frames] of faults) {
    it(`closes with ${code} for ${what}`, async () => {
      const id = encodeURIComponent(what);
      const client = await RawWebSocket.open(sockets.port, `/note?id=${id}`);
      client.send(...frames, frameOf(TEXT, "not heard any more"));
      assert.equal(await client.closeCode(), code);
      const closed = await sockets.noted("close", id);
      assert.deepEqual([closed["code"], closed["wasClean"]], [code, false]);
      const types = (await sockets.seen(id)).map(({ type }) => type);
      assert.deepEqual(types, ["error", "close"]);
    });
  }

  for (const code of [1000, 1001, 1002, 1003, 1007, 1010, 1011, 1012, 1013, 1014, 3000, 4999]) {
    it(`answers close code ${code} with the same`, async () => {
      const client = await RawWebSocket.open(sockets.port, `/note?id=code${code}`);
      client.send(closeOf(code, "why"));
      assert.equal(await client.closeCode(), code);
      const { code: heard, reason, wasClean } = await sockets.noted("close", `code${code}`);
      assert.deepEqual({ heard, reason, wasClean }, { heard: code, reason: "why", wasClean: true });
    });
  }

  it("answers an empty close frame with an empty one", async () => {
    const client = await RawWebSocket.open(sockets.port, "/note?id=empty");
    client.send(frameOf(CLOSE, ""));
    assert.equal(await client.closeCode(), 1005);
  });

  it("ignores what comes behind a close frame", async () => {
    const client = await RawWebSocket.open(sockets.port, "/note?id=behind");
    client.send(frameOf(TEXT, "before"), closeOf(1000), frameOf(TEXT, "behind"));
    assert.equal(await client.closeCode(), 1000);
    await sockets.noted("close", "behind");
    assert.deepEqual(
      (await sockets.seen("behind")).map(({ data }) => data ?? null),
      ["before", null],
    );
  });

  it("puts parts together, with pings between them", async () => {
    const client = await RawWebSocket.open(sockets.port, "/echo");
    client.send(
      frameOf(TEXT, euro.subarray(0, 1), more),
      frameOf(PING, "one"),
      frameOf(CONTINUATION, euro.subarray(1, 2), more),
      frameOf(PING, ""),
      frameOf(CONTINUATION, "", more),
      frameOf(CONTINUATION, euro.subarray(2)),
    );
    const frames = [await client.next(), await client.next(), await client.next()];
    assert.deepEqual(frames, [
      { fin: true, opcode: PONG, payload: Buffer.from("one") },
      { fin: true, opcode: PONG, payload: Buffer.alloc(0) },
      { fin: true, opcode: TEXT, payload: euro },
    ]);
    client.socket.destroy();
  });

  it("takes pongs that nobody asked for", async () => {
    const client = await RawWebSocket.open(sockets.port, "/echo");
    client.send(frameOf(PONG, "here"), frameOf(TEXT, "hello"));
    assert.equal(String((await client.next()).payload), "hello");
    client.socket.destroy();
  });

  it("takes a message of the longest length, and one that comes byte by byte", async () => {
    const client = await RawWebSocket.open(sockets.port, "/kinds");
    client.send(frameOf(BINARY, Buffer.alloc(MAX_MESSAGE)));
    assert.equal(String((await client.next()).payload), `ArrayBuffer of ${MAX_MESSAGE}`);
    client.socket.setNoDelay(true);
    for (const byte of frameOf(TEXT, "x".repeat(300))) client.socket.write(Buffer.from([byte]));
    assert.equal(String((await client.next()).payload), "string of 300");
    client.socket.destroy();
  });

  it("sends frames without a mask, and long messages in parts", async () => {
    const client = await RawWebSocket.open(sockets.port, "/flood?id=parts");
    client.send(frameOf(TEXT, JSON.stringify({ count: 1, bytes: 150_000 })));
    const frames = [await client.next(), await client.next(), await client.next()];
    assert.deepEqual(
      frames.map(({ fin, opcode, payload }) => [fin, opcode, payload.length]),
      [
        [false, BINARY, 65_536],
        [false, CONTINUATION, 65_536],
        [true, CONTINUATION, 18_928],
      ],
    );
    client.socket.destroy();
  });

  it("is cut where the client closes the connection within a frame", async () => {
    const client = await RawWebSocket.open(sockets.port, "/note?id=half");
    client.socket.end(frameOf(TEXT, "hello").subarray(0, 4));
    assert.equal(await client.closeCode(), null);
    const { code, wasClean } = await sockets.noted("close", "half");
    assert.deepEqual({ code, wasClean }, { code: 1006, wasClean: false });
  });

  describe("the handshake", () => {
    const KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    const VERSION = "Sec-WebSocket-Version: 13";
    const UPGRADE = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket";

    /** The whole answer to a request with these header fields. */
    async function answer(fields: readonly string[], start = "GET /echo HTTP/1.1"): Promise<string> {
      const socket = connect(sockets.port, "127.0.0.1");
      socket.write(`${[start, "Host: localhost", "Connection: close", ...fields].join("\r\n")}\r\n\r\n`);
      let text = "";
      socket.on("data", (chunk: Buffer) => {
        text += chunk.toString("latin1");
        if (text.startsWith("HTTP/1.1 101") && text.includes("\r\n\r\n")) socket.destroy();
      });
      await once(socket, "close");
      return text;
    }

    it("is accepted with the key of RFC 6455", async () => {
      const text = await answer([UPGRADE, KEY, VERSION]);
      assert.match(text, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
      assert.match(text, /\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/);
      assert.match(text, /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n/);
      assert.doesNotMatch(text, /content-length|transfer-encoding|sec-websocket-extensions/i);
    });

    it("takes no extension where compression is off", async () => {
      const text = await answer([UPGRADE, KEY, VERSION, "Sec-WebSocket-Extensions: permessage-deflate"]);
      assert.match(text, /^HTTP\/1\.1 101/);
      assert.doesNotMatch(text, /sec-websocket-extensions/i);
    });

    it("is answered 426 with the version for another one", async () => {
      for (const version of ["Sec-WebSocket-Version: 8", "Sec-WebSocket-Version: 13, 8", "X-Nothing: here"]) {
        const text = await answer([UPGRADE, KEY, version]);
        assert.match(text, /^HTTP\/1\.1 426 Upgrade Required\r\n/);
        assert.match(text, /\r\nSec-WebSocket-Version: 13\r\n/);
        assert.match(text, /\r\nUpgrade: websocket\r\n/);
        assert.match(text, /"code":"websocket_version_unsupported"/);
      }
    });

    for (const [what, fields] of [
      ["no key", [UPGRADE, VERSION]],
      ["a key of 15 bytes", [UPGRADE, VERSION, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"]],
      ["a key that is no base64", [UPGRADE, VERSION, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!=="]],
      ["two keys", [UPGRADE, VERSION, KEY, KEY]],
      ["the same subprotocol twice", [UPGRADE, VERSION, KEY, "Sec-WebSocket-Protocol: chat, chat"]],
      ["a subprotocol that is no token", [UPGRADE, VERSION, KEY, "Sec-WebSocket-Protocol: a b"]],
    ] as const) {
      it(`is answered 400 for ${what}`, async () => {
        const text = await answer(fields);
        assert.match(text, /^HTTP\/1\.1 400 /);
        assert.match(text, /"code":"request_malformed"/);
      });
    }

    it("is answered 400 for another method than GET", async () => {
      const text = await answer([UPGRADE, KEY, VERSION], "DELETE /echo HTTP/1.1");
      assert.match(text, /^HTTP\/1\.1 400 .*expected GET/s);
    });

    it("is none where another protocol is asked for", async () => {
      const text = await answer(["Connection: Upgrade", "Upgrade: something", KEY, VERSION]);
      assert.match(text, /^HTTP\/1\.1 400 .*upgrade is something/s);
    });

    it("takes frames that come with it", async () => {
      const socket = connect(sockets.port, "127.0.0.1");
      const head = ["GET /echo HTTP/1.1", "Host: localhost", UPGRADE, KEY, VERSION].join("\r\n");
      socket.write(Buffer.concat([Buffer.from(`${head}\r\n\r\n`), frameOf(TEXT, "early")]));
      let text = "";
      for await (const chunk of socket) {
        text += (chunk as Buffer).toString("latin1");
        if (text.endsWith("\x81\x05early")) break;
      }
      assert.match(text, /^HTTP\/1\.1 101/);
    });
  });
});
