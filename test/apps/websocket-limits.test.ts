// Sides of a WebSocket of an app that are slow, silent or gone. Real gateway and VMs.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { frameOf, open, RawWebSocket } from "./websocket-client.ts";
import { SocketGateway } from "./websocket-seen.ts";

const [TEXT, CLOSE, PING, PONG] = [1, 8, 9, 10] as const;

describe("a WebSocket of an app whose sides differ in speed", { timeout: 120_000 }, () => {
  let sockets: SocketGateway;
  before(async () => {
    sockets = await SocketGateway.start("websocket: { queue: 256kb }, hang_timeout: 60s, timeout: 60s");
  });
  after(() => sockets.stop());

  const COUNT = 3000;
  const BYTES = 10_000;
  const PINGS = 200_000;

  it("does not read a client on whose messages the handler does not take, and loses none of them", async () => {
    const client = await open(sockets.port, "/late?id=slow");
    for (let i = 0; i < COUNT; i++) client.send(Buffer.alloc(BYTES, i));
    // What is left with the client does not change any more, while the gateway answers others.
    let left = -1;
    for (let same = 0; same < 20; ) {
      await sockets.counted(() => true);
      same = client.bufferedAmount === left ? same + 1 : 0;
      left = client.bufferedAmount;
    }
    assert.ok(left > (COUNT * BYTES) / 2, `${left} bytes left with the client`);
    const before = await sockets.counted(() => true);
    assert.ok(before.messages_in * BYTES < 1_000_000, `${before.messages_in} messages read`);
    assert.equal(await sockets.get("/accept?id=slow"), "accepted");
    for (let i = 0; i < COUNT; i++) {
      const message = await client.next();
      assert.ok(
        Buffer.isBuffer(message) && message.length === BYTES && message[0] === i % 256,
        `message ${i}`,
      );
    }
    assert.equal((await sockets.counted(() => true)).over_limit, before.over_limit);
    client.terminate();
  });

  it("loses nothing while the VM is busy", async () => {
    const client = await open(sockets.port, "/block");
    client.send("1500");
    assert.equal(await client.next(), "blocked");
    for (let i = 0; i < COUNT; i++) client.send(Buffer.alloc(BYTES, i));
    for (let i = 0; i < COUNT; i++) {
      const message = await client.next();
      assert.ok(Buffer.isBuffer(message) && message[0] === i % 256, `message ${i}`);
    }
    client.terminate();
  });

  it("sends all to a client that reads late, where it fits, and then closes", async () => {
    const client = await RawWebSocket.open(sockets.port, "/flood?id=fits");
    client.socket.pause();
    client.send(frameOf(TEXT, JSON.stringify({ count: 30, bytes: BYTES, close: 4000 })));
    await sockets.noted("sent", "fits");
    client.socket.resume();
    for (let i = 0; i < 30; i++) assert.equal((await client.next()).payload[0], i);
    assert.equal((await client.next()).payload.readUInt16BE(0), 4000);
    client.socket.destroy();
  });

  it("closes with 1013 where the client takes less than the handler sends", async () => {
    const { over_limit } = await sockets.counted(() => true);
    const client = await RawWebSocket.open(sockets.port, "/flood?id=flood");
    client.socket.pause();
    client.send(frameOf(TEXT, JSON.stringify({ count: 10_000, bytes: BYTES })));
    const { buffered } = await sockets.noted("sent", "flood");
    assert.equal(buffered, 0);
    const { code, wasClean } = await sockets.noted("close", "flood");
    assert.deepEqual({ code, wasClean }, { code: 1013, wasClean: false });
    assert.equal((await sockets.noted("error", "flood"))["message"], "too much waits for the client");
    client.socket.resume();
    const frames = await client.ended;
    const last = frames.pop()!;
    assert.deepEqual([last.opcode, last.payload.readUInt16BE(0)], [CLOSE, 1013]);
    assert.deepEqual(
      frames.map(({ payload }) => payload[0]),
      frames.map((_, i) => i % 256),
    );
    await sockets.counted((counts) => counts.over_limit === over_limit + 1);
  });

  it("counts a message that is too long", async () => {
    const { over_limit } = await sockets.counted(() => true);
    const client = await open(sockets.port, "/echo");
    client.send(Buffer.alloc(1_048_577));
    assert.deepEqual(await client.ended, { code: 1009, reason: "a message of more than 1048576 bytes" });
    await sockets.counted((counts) => counts.over_limit === over_limit + 1);
  });

  it("takes no more from the handler than the client takes", async () => {
    const client = await RawWebSocket.open(sockets.port, "/pour?id=pour");
    client.socket.pause();
    client.send(frameOf(TEXT, "go"));
    let poured = 0;
    for (let same = 0; same < 20; ) {
      const count = Number((await sockets.noted("poured", "pour"))["count"]);
      same = count > 0 && count === poured ? same + 1 : 0;
      poured = count;
    }
    assert.ok(poured < COUNT, `${poured} messages`);
    client.socket.resume();
    for (let i = 0; i < COUNT; i++) assert.equal((await client.next()).payload[0], i % 256);
    client.socket.destroy();
  });

  it("does not read a client on that takes no answers", async () => {
    const client = await RawWebSocket.open(sockets.port, "/echo");
    client.socket.pause();
    const messages = Array.from({ length: COUNT }, (_, i) => frameOf(2, Buffer.alloc(BYTES, i)));
    client.send(...messages);
    let left = -1;
    for (let same = 0; same < 20; ) {
      await sockets.counted(() => true);
      same = client.socket.bytesWritten === left ? same + 1 : 0;
      left = client.socket.bytesWritten;
    }
    client.socket.resume();
    for (let i = 0; i < COUNT; i++) assert.equal((await client.next()).payload[0], i % 256);
    client.socket.destroy();
  });

  it("answers only the last of many pings of a client that reads nothing", async () => {
    const client = await RawWebSocket.open(sockets.port, "/flood?id=pings");
    client.socket.pause();
    client.send(frameOf(TEXT, JSON.stringify({ count: 20, bytes: BYTES })));
    await sockets.noted("sent", "pings");
    const pings = Array.from({ length: PINGS }, (_, i) => frameOf(PING, String(i)));
    client.send(Buffer.concat(pings), frameOf(TEXT, JSON.stringify({ count: 1, bytes: 1 })));
    while ((await sockets.seen("pings")).filter(({ type }) => type === "sent").length < 2);
    client.socket.resume();
    let pongs = 0;
    let last = "";
    const messages = async (count: number): Promise<void> => {
      for (let left = count; left > 0; ) {
        const { opcode, payload } = await client.next();
        if (opcode !== PONG) left--;
        else {
          pongs++;
          last = String(payload);
        }
      }
    };
    await messages(21);
    client.send(frameOf(TEXT, JSON.stringify({ count: 1, bytes: 1 })));
    await messages(1);
    assert.ok(pongs < PINGS, `${pongs} pongs`);
    assert.equal(last, String(PINGS - 1));
    client.socket.destroy();
  });
});

describe("a silent WebSocket of an app", { timeout: 60_000 }, () => {
  let sockets: SocketGateway;
  before(async () => {
    const app = "websocket: { queue: 64kb }";
    sockets = await SocketGateway.start(app, "timeouts: { websocket_idle: 1s }");
  });
  after(() => sockets.stop());

  it("is cut where the client does not answer a ping", async () => {
    const client = await RawWebSocket.open(sockets.port, "/note?id=silent");
    const frames = await client.ended;
    assert.deepEqual(
      frames.map(({ opcode }) => opcode),
      [PING],
    );
    const { code, wasClean } = await sockets.noted("close", "silent");
    assert.deepEqual({ code, wasClean }, { code: 1006, wasClean: false });
    await sockets.gateway.logged((line) => line["code"] === "tunnel_idle");
  });

  it("stays while the client answers pings", async () => {
    const client = await open(sockets.port, "/echo");
    for (let pings = 0; pings < 4; pings++) await new Promise((resolve) => client.once("ping", resolve));
    client.send("still here");
    assert.equal(await client.next(), "still here");
    client.terminate();
  });

  it("is closed with 1013 where the app takes nothing of what waits", async () => {
    const { over_limit } = await sockets.counted(() => true);
    const client = await open(sockets.port, "/late?id=never");
    for (let i = 0; i < 100; i++) client.send(Buffer.alloc(10_000));
    assert.deepEqual(await client.ended, { code: 1013, reason: "the app takes no messages" });
    await sockets.counted((counts) => counts.over_limit === over_limit + 1 && counts.open === 0);
  });

  it("lets go of messages that nobody takes after the client is gone", async () => {
    const { over_limit } = await sockets.counted(() => true);
    const client = await open(sockets.port, "/late?id=left");
    for (let i = 0; i < 10; i++) client.send(Buffer.alloc(10_000));
    await sockets.counted((counts) => counts.open === 1);
    client.terminate();
    await sockets.counted((counts) => counts.open === 0);
    await sockets.counted((counts) => counts.over_limit === over_limit + 1);
  });

  it("gives the handler what the client had sent before it went away", async () => {
    const client = await open(sockets.port, "/late?id=sent");
    for (let i = 0; i < 10; i++) client.send(Buffer.alloc(10_000));
    client.send("last");
    await sockets.counted((counts) => counts.open === 1);
    client.close(1000);
    await client.ended;
    assert.equal(await sockets.get("/accept?id=sent&note"), "accepted");
    await sockets.noted("close", "sent");
    const messages = (await sockets.seen("sent")).filter(({ type }) => type === "message");
    assert.equal(messages.length, 11);
    assert.equal(messages.at(-1)!["data"], "last");
  });
});
