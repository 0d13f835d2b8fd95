// A gigabyte each way, beside others that stand still: every byte arrives, and the gateway keeps none of them.
// Real gateway process.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { proxyTo, TestGateway } from "../support/gateway.ts";
import { MessageReader, peakMemoryMb, pour } from "./flow.ts";

const GIGABYTE = 1024 ** 3;
/** What the socket buffers of the system take of a stream that stands still: measured 8 MB over both connections. */
const STANDSTILL_BYTES = 32 * 1024 ** 2;
/** Measured 60 MB, most of it read buffers that wait for the next garbage collection. */
const GROWTH_MB = 150;

describe("a gigabyte", () => {
  let gateway: TestGateway;
  let backend: Server;
  let serve: (socket: Socket) => Promise<unknown>;
  const sockets: Socket[] = [];

  before(async () => {
    backend = createServer({ noDelay: true }, (socket) => {
      sockets.push(socket);
      // A stream of the other tests ends with its client.
      serve(socket).catch(() => socket.destroy());
    });
    backend.listen(0, "127.0.0.1");
    await once(backend, "listening");
    gateway = await TestGateway.start(proxyTo((backend.address() as AddressInfo).port));
  });

  after(async () => {
    await gateway.stop("SIGKILL");
    for (const socket of sockets) socket.destroy();
    backend.close();
  });

  async function request(head: string): Promise<Socket> {
    const socket = connect({ port: gateway.port, host: "127.0.0.1" });
    sockets.push(socket);
    await once(socket, "connect");
    socket.write(`${head}\r\nHost: test\r\n\r\n`);
    return socket;
  }

  /** Runs a transfer, and looks at what the gateway needed for it and for the stalled one beside it. */
  async function assertBounded(transfer: () => Promise<void>, stalledSender: () => Socket): Promise<void> {
    const beforeMb = peakMemoryMb(gateway.process.pid!);
    await transfer();
    const growthMb = peakMemoryMb(gateway.process.pid!) - beforeMb;
    assert.ok(growthMb < GROWTH_MB, `the gateway grew by ${growthMb} MB`);
    const { bytesWritten, writableLength } = stalledSender();
    const sent = bytesWritten - writableLength;
    assert.ok(sent > 0 && sent < STANDSTILL_BYTES, `${sent} bytes were sent to one that reads nothing`);
  }

  it("comes down to the byte beside a reader that stands still", async () => {
    const senders = new Map<string, Socket>();
    let checksum = 0;
    serve = async (socket) => {
      const head = await new MessageReader(socket).untilHead();
      const name = head.startsWith("GET /stalled ") ? "stalled" : "read";
      senders.set(name, socket);
      socket.write(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${GIGABYTE}\r\n\r\n`);
      const sum = await pour(socket, GIGABYTE);
      if (name === "read") checksum = sum;
    };
    const stalled = await request("GET /stalled HTTP/1.1");
    stalled.pause();
    await assertBounded(
      async () => {
        const reader = new MessageReader(await request("GET /read HTTP/1.1"));
        assert.deepEqual(await reader.untilBody(GIGABYTE), { bytes: GIGABYTE, checksum });
      },
      () => senders.get("stalled")!,
    );
    stalled.destroy();
  });

  it("goes up to the byte beside a backend that stands still", async () => {
    serve = async (socket) => {
      const reader = new MessageReader(socket);
      const head = await reader.untilHead();
      if (head.startsWith("POST /stalled ")) {
        socket.pause();
        return;
      }
      const text = JSON.stringify(await reader.untilBody(GIGABYTE));
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
    };
    const length = `Content-Length: ${GIGABYTE}`;
    const stalled = await request(`POST /stalled HTTP/1.1\r\n${length}`);
    pour(stalled, GIGABYTE).catch(() => {});
    await assertBounded(
      async () => {
        const client = await request(`POST /read HTTP/1.1\r\n${length}`);
        const answer = once(client, "data");
        const checksum = await pour(client, GIGABYTE);
        const [data] = (await answer) as [Buffer];
        assert.ok(data.toString().endsWith(JSON.stringify({ bytes: GIGABYTE, checksum })), data.toString());
      },
      () => stalled,
    );
    stalled.destroy();
  });

  it("in pieces that each go out in one write stops at a backend that stands still", async () => {
    serve = async (socket) => {
      await new MessageReader(socket).untilHead();
      socket.pause();
    };
    const client = await request(`POST /stalled HTTP/1.1\r\nContent-Length: ${GIGABYTE}`);
    client.setNoDelay(true);
    const piece = Buffer.alloc(8192);
    while (client.bytesWritten < 1.25 * STANDSTILL_BYTES) {
      client.write(piece);
      // The gateway reads each by itself.
      await delay(1);
    }
    const sent = client.bytesWritten - client.writableLength;
    assert.ok(sent > 0 && sent < STANDSTILL_BYTES / 2, `${sent} bytes were sent to one that reads nothing`);
    client.destroy();
  });
});
