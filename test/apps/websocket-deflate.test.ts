// WebSockets of apps with permessage-deflate (RFC 7692). Real gateway and VMs.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { frameOf, open, RawWebSocket } from "./websocket-client.ts";
import { SocketGateway } from "./websocket-seen.ts";

const OFFER = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
const COMPRESSED = { rsv: 4 };
const TAIL = Buffer.from([0, 0, 0xff, 0xff]);

/** What of a message goes into its frame. */
function deflated(message: Buffer | string): Buffer {
  const bytes = deflateRawSync(message, { finishFlush: constants.Z_SYNC_FLUSH });
  return bytes.subarray(0, bytes.length - TAIL.length);
}

describe("a compressed WebSocket of an app", { timeout: 60_000 }, () => {
  let sockets: SocketGateway;
  before(async () => {
    sockets = await SocketGateway.start("websocket: { compression: true, max_message: 1mb, queue: 64kb }");
  });
  after(() => sockets.stop());

  it("carries messages both ways, in their order", async () => {
    const client = await open(sockets.port, "/echo", [], { perMessageDeflate: true });
    assert.match(client.extensions, /permessage-deflate/);
    const sent = [
      "short",
      "a".repeat(5000),
      randomBytes(5000),
      "b".repeat(500_000),
      "",
      Buffer.alloc(300_000),
      "end",
    ];
    for (const message of sent) client.send(message);
    for (const message of sent) assert.deepEqual(await client.next(), message);
    client.close(1000);
    assert.equal((await client.ended).code, 1000);
  });

  it("sends long messages compressed and short ones as they are", async () => {
    const client = await RawWebSocket.open(sockets.port, "/echo", OFFER);
    assert.match(client.head, /sec-websocket-extensions: permessage-deflate; .*server_no_context_takeover/i);
    client.send(frameOf(1, deflated("x".repeat(10_000)), COMPRESSED), frameOf(1, "short"));
    const long = await client.next();
    assert.ok(long.payload.length < 100);
    assert.equal(
      String(inflateRawSync(Buffer.concat([long.payload, TAIL]), { finishFlush: constants.Z_SYNC_FLUSH })),
      "x".repeat(10_000),
    );
    assert.equal(String((await client.next()).payload), "short");
    client.socket.destroy();
  });

  it("is not compressed where the client does not ask for it, or cannot have it so", async () => {
    for (const more of [
      "",
      OFFER.replace("deflate", "inflate"),
      OFFER.replace("\r", "; server_max_window_bits=99\r"),
    ]) {
      const client = await RawWebSocket.open(sockets.port, "/echo", more);
      assert.match(client.head, /^HTTP\/1\.1 101/);
      assert.doesNotMatch(client.head, /sec-websocket-extensions/i);
      client.send(frameOf(1, "plain"));
      assert.equal(String((await client.next()).payload), "plain");
      client.socket.destroy();
    }
  });

  it("is closed with 1009 where a message grows too long", async () => {
    const client = await RawWebSocket.open(sockets.port, "/note?id=bomb", OFFER);
    client.send(frameOf(2, deflated(Buffer.alloc(100_000_000)), COMPRESSED));
    assert.equal(await client.closeCode(), 1009);
    assert.equal((await sockets.noted("close", "bomb"))["code"], 1009);
  });

  it("does not inflate more than a message may have", async () => {
    const peakMb = () =>
      Number(
        /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${sockets.gateway.process.pid}/status`, "utf8"))?.[1],
      ) / 1024;
    const client = await RawWebSocket.open(sockets.port, "/note?id=huge", OFFER);
    const before = peakMb();
    const block = deflateRawSync(Buffer.alloc(1_048_576), { finishFlush: constants.Z_FULL_FLUSH });
    client.send(frameOf(2, Buffer.concat(new Array<Buffer>(600).fill(block)), COMPRESSED));
    assert.equal(await client.closeCode(), 1009);
    assert.ok(peakMb() - before < 300, `${before} MB, then ${peakMb()} MB`);
  });

  it("is closed with 1007 for what cannot be inflated", async () => {
    const client = await RawWebSocket.open(sockets.port, "/note?id=broken", OFFER);
    client.send(frameOf(2, Buffer.from("this is no deflate"), COMPRESSED));
    assert.equal(await client.closeCode(), 1007);
    assert.equal((await sockets.noted("close", "broken"))["code"], 1007);
  });

  it("does not grow in the gateway while the handler takes nothing", async () => {
    const client = await RawWebSocket.open(sockets.port, "/late?id=grown", OFFER);
    const message = frameOf(2, deflated(Buffer.alloc(100_000)), COMPRESSED);
    client.send(...new Array<Buffer>(2000).fill(message));
    let read = -1;
    for (let same = 0; same < 20; ) {
      const { messages_in } = await sockets.counted(() => true);
      same = messages_in === read ? same + 1 : 0;
      read = messages_in;
    }
    assert.ok(read > 0 && read < 100, `${read} messages read`);
    assert.equal(await sockets.get("/accept?id=grown"), "accepted");
    for (let i = 0; i < 2000; i++) await client.next();
    client.socket.destroy();
  });
});
