// Sockets with one read buffer, over real connections. Runs in the test process.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { after, describe, it, type TestContext } from "node:test";
import {
  type AcceptedHandle,
  acceptSocket,
  acceptWith,
  connectSocket,
  READ_BUFFER_BYTES,
  SendBuffer,
  type SocketReader,
  unsentBytes,
  writeText,
} from "./socket.ts";

const BUFFER = Buffer.alloc(READ_BUFFER_BYTES);

/** A reader that keeps what it gets, and throws at "!". */
function keeping(): SocketReader & { got: string; bugs: unknown[] } {
  const reader = {
    got: "",
    bugs: [] as unknown[],
    receive: (chunk: Buffer) => {
      if (chunk.includes("!")) throw new Error("a bug");
      reader.got += chunk.toString();
    },
    failed: (bug: unknown) => reader.bugs.push(bug),
  };
  return reader;
}

describe("sockets with one read buffer", async () => {
  let accepted: (handle: AcceptedHandle) => void = () => {};
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  acceptWith(server, (_error, handle) => accepted(handle));
  const { port } = server.address() as AddressInfo;
  after(() => server.close());

  async function pair() {
    const spec = { id: "b", identity: "", host: "127.0.0.1", port, socketPath: null, weight: 1 };
    const near = keeping();
    const far = keeping();
    const handle = new Promise<AcceptedHandle>((resolve) => {
      accepted = resolve;
    });
    const nearSocket = connectSocket(spec, null, BUFFER, near);
    return { near, far, nearSocket, farSocket: acceptSocket(await handle, BUFFER, far) };
  }

  it("give what comes in to their own reader, in order, to the end", async () => {
    const { near, far, nearSocket, farSocket } = await pair();
    nearSocket.write("to the far side");
    farSocket.write("to the near side");
    nearSocket.end();
    await once(farSocket, "end");
    farSocket.end();
    await once(nearSocket, "close");
    assert.deepEqual([near.got, far.got], ["to the near side", "to the far side"]);
  });

  it("tell their reader of its own error, and live on", async () => {
    const { far, nearSocket, farSocket } = await pair();
    nearSocket.end("!");
    await once(farSocket, "end");
    assert.deepEqual([String(far.bugs[0]), far.bugs.length], ["Error: a bug", 1]);
    assert.equal(farSocket.destroyed, false);
    farSocket.destroy();
  });
});

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

describe("writeText", () => {
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

  it("loses nothing and keeps the order where the kernel does not take all", async (t) => {
    const [writer, reader] = await connected(t);
    const hash = createHash("sha256");
    let length = 0;
    const piece = (i: number) => {
      const text = `${i} ${String.fromCharCode(0x80 + (i % 128)).repeat(15_000)}`;
      hash.update(text, "latin1");
      length += text.length;
      return text;
    };
    let i = 0;
    while (writeText(writer, piece(i))) i++;
    assert.ok(i > 2, `${i} pieces`);
    const unsent = unsentBytes(writer);
    assert.ok(unsent > 0 && unsent < 15_010, `${unsent} bytes`);
    for (let more = 1; more < 100; more++) writer.write(piece(i + more), "latin1");
    writer.end();
    const read = createHash("sha256");
    let readLength = 0;
    for await (const chunk of reader) {
      read.update(chunk as Buffer);
      readLength += (chunk as Buffer).length;
    }
    assert.equal(readLength, length);
    assert.equal(read.digest("hex"), hash.digest("hex"));
  });

  it("waits behind what a stream holds", async (t) => {
    const [writer, reader] = await connected(t);
    const long = Buffer.alloc(16 * 1024 ** 2, "a");
    writer.write(long);
    assert.ok(writer.writableLength > 0);
    assert.equal(writeText(writer, "b"), true);
    writer.end();
    const chunks: Buffer[] = [];
    for await (const chunk of reader) chunks.push(chunk as Buffer);
    assert.equal(Buffer.concat(chunks).indexOf("b"), long.length);
  });

  it("closes a socket that cannot be written to", async (t) => {
    const [writer, reader] = await connected(t);
    const errors: string[] = [];
    writer.on("error", ({ message }) => errors.push(message));
    // A read would tell of the reset as well.
    (writer as unknown as { _handle: { readStop(): void } })._handle.readStop();
    reader.resetAndDestroy();
    const closed = new Promise((resolve) => writer.on("close", resolve));
    while (!writer.destroyed) {
      writeText(writer, "x");
      await new Promise(setImmediate);
    }
    await closed;
    assert.equal(errors.length, 1);
    assert.match(errors[0]!, /^write (ECONNRESET|EPIPE)$/);
  });
});

describe("unsentBytes", () => {
  it("grows less while a long piece goes out, which writableLength does not", async (t) => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const reader = connect((server.address() as AddressInfo).port, "127.0.0.1");
    const [writer] = (await once(server, "connection")) as [Socket];
    t.after(() => {
      reader.destroy();
      writer.destroy();
      server.close();
    });
    const length = 64 * 1024 ** 2;
    writer.write(Buffer.alloc(length));
    const before = unsentBytes(writer);
    // So much at once that all the buffers on the way cannot hold it: some of it was taken from the writer.
    let read = 0;
    for await (const chunk of reader) {
      read += (chunk as Buffer).length;
      if (read > length / 2) break;
    }
    assert.equal(writer.writableLength, length);
    assert.ok(unsentBytes(writer) < before, `${unsentBytes(writer)} of ${before}`);
  });
});
