// Sockets with one read buffer, over real connections. Runs in the test process.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { after, describe, it } from "node:test";
import {
  type AcceptedHandle,
  acceptSocket,
  acceptWith,
  connectSocket,
  READ_BUFFER_BYTES,
  type SocketReader,
  unsentBytes,
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
