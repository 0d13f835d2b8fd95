// What goes out of sockets, over real connections. Runs in the test process.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { READ_BUFFER_BYTES, unsentBytes } from "./socket.ts";
import { SendBuffer, SMALL_PIECE_BYTES, SocketWriter } from "./socket-writer.ts";

describe("a send buffer", () => {
  const waiting = (bytes: number) => ({ writableLength: bytes });

  it("keeps a copy that has to wait", () => {
    const buffer = new SendBuffer();
    const chunk = Buffer.from("first");
    const copy = buffer.copy(chunk);
    chunk.fill("x");
    buffer.sent(waiting(5));
    buffer.copy(Buffer.from("later"));
    assert.equal(copy.toString(), "first");
  });

  it("keeps each of several copies that have to wait", () => {
    const buffer = new SendBuffer();
    const chunks = Array.from({ length: 100 }, (_, i) => Buffer.alloc(1000, i));
    const copies = chunks.map((chunk) => {
      const copy = buffer.copy(chunk);
      buffer.sent(waiting(1));
      return copy;
    });
    assert.deepEqual(copies, chunks);
    // Of 64 KB each.
    assert.equal(new Set(copies.map((copy) => copy.buffer)).size, 2);
  });

  it("is used again when the kernel took all", () => {
    const buffer = new SendBuffer();
    const first = buffer.copy(Buffer.from("first"));
    buffer.sent(waiting(0));
    assert.equal(buffer.copy(Buffer.from("later")).buffer, first.buffer);
  });

  it("copies a chunk that is longer than a read", () => {
    const chunk = Buffer.alloc(READ_BUFFER_BYTES + 1, "a");
    assert.deepEqual(new SendBuffer().copy(chunk), chunk);
  });
});

describe("a socket writer", () => {
  /** A socket to write to, and one whose other end reads when it is told to. */
  async function connected(t: TestContext): Promise<[writer: Socket, reader: Socket]> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const reader = connect((server.address() as AddressInfo).port, "127.0.0.1").pause();
    const [writer] = (await once(server, "connection")) as [Socket];
    t.after(() => {
      reader.destroy();
      writer.destroy();
      server.close();
    });
    return [writer, reader];
  }

  /** Each returns what it wrote. */
  const KINDS: ReadonlyArray<readonly [string, (writer: SocketWriter, text: string) => string]> = [
    [
      "text",
      (writer, text) => {
        writer.text(text);
        return text;
      },
    ],
    [
      "a piece with text around it",
      (writer, text) => {
        writer.piece("<", Buffer.from(text, "latin1"), ">");
        return `<${text}>`;
      },
    ],
  ];
  for (const [what, write] of KINDS) {
    it(`loses nothing and keeps the order where the kernel does not take all: ${what}`, async (t) => {
      const [socket, reader] = await connected(t);
      const writer = new SocketWriter(socket, new SendBuffer(), false);
      const [hash, read] = [createHash("sha256"), createHash("sha256")];
      let count = 0;
      const next = () => {
        const text = `${count++} ${String.fromCharCode(0x80 + (count % 128)).repeat(15_000)}`;
        hash.update(write(writer, text), "latin1");
      };
      while (unsentBytes(socket) === 0) next();
      assert.ok(count > 2, `${count} pieces`);
      assert.equal(socket.writableLength, 0);
      for (let more = 1; more < 100; more++) next();
      assert.ok(socket.writableNeedDrain);
      socket.end();
      for await (const chunk of reader) read.update(chunk as Buffer);
      assert.equal(read.digest("hex"), hash.digest("hex"));
    });
  }

  it("waits behind what a stream holds", async (t) => {
    const [socket, reader] = await connected(t);
    const writer = new SocketWriter(socket, new SendBuffer(), false);
    const long = Buffer.alloc(16 * 1024 ** 2, "a");
    socket.write(long);
    assert.ok(socket.writableLength > 0);
    writer.text("b");
    writer.piece("c", Buffer.from("d"), "e");
    socket.end();
    const chunks: Buffer[] = [];
    for await (const chunk of reader) chunks.push(chunk as Buffer);
    assert.equal(Buffer.concat(chunks).indexOf("bcde"), long.length);
  });

  it("writes a large piece with what is around it, and a lent one as it is", async (t) => {
    const [socket, reader] = await connected(t);
    const writer = new SocketWriter(socket, new SendBuffer(), false);
    const large = Buffer.alloc(SMALL_PIECE_BYTES + 1, "a");
    writer.piece("<", large, ">");
    writer.piece("", large, "", true);
    writer.piece("[", large, "]", true);
    socket.end();
    const chunks: Buffer[] = [];
    for await (const chunk of reader) chunks.push(chunk as Buffer);
    assert.equal(Buffer.concat(chunks).toString(), `<${large}>${large}[${large}]`);
  });

  it("closes a socket that cannot be written to", async (t) => {
    const [socket, reader] = await connected(t);
    const writer = new SocketWriter(socket, new SendBuffer(), false);
    const errors: string[] = [];
    socket.on("error", ({ message }) => errors.push(message));
    // A read would tell of the reset as well.
    (socket as unknown as { _handle: { readStop(): void } })._handle.readStop();
    reader.resetAndDestroy();
    const closed = new Promise((resolve) => socket.on("close", resolve));
    while (!socket.destroyed) {
      writer.text("x");
      await new Promise(setImmediate);
    }
    await closed;
    assert.equal(errors.length, 1);
    assert.match(errors[0]!, /^write (ECONNRESET|EPIPE)$/);
  });
});
