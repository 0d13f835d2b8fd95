// Many streams at a time over one data thread, whose sockets all read into one buffer: none gets bytes of another.
// Real gateway process.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { after, before, it } from "node:test";
import { proxyTo, TestGateway } from "../support/gateway.ts";
import { MessageReader, pour } from "./flow.ts";

const STREAMS_OF_A_KIND = 4;
/** Of the shortest stream. */
const BYTES = 8 * 1024 ** 2;

let gateway: TestGateway;
let backend: Server;
/** The checksums of what the backend has sent and received, by the path of the stream. */
const sent = new Map<string, number>();
const received = new Map<string, number>();

before(async () => {
  backend = createServer((socket) => {
    serve(socket).catch(() => socket.destroy());
  });
  backend.listen(0, "127.0.0.1");
  await once(backend, "listening");
  gateway = await TestGateway.start(proxyTo((backend.address() as AddressInfo).port));
});

after(async () => {
  await gateway.stop("SIGKILL");
  backend.close();
});

async function serve(socket: Socket): Promise<void> {
  const reader = new MessageReader(slowly(socket));
  const head = await reader.untilHead();
  const [, path, bytes] = /^[A-Z]+ (\/\w+\/(\d+)) /.exec(head) as unknown as [string, string, string];
  if (path.startsWith("/down")) {
    socket.write(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${bytes}\r\n\r\n`);
    sent.set(path, await pour(socket, Number(bytes)));
    return;
  }
  if (path.startsWith("/tunnel")) {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n");
    sent.set(path, await pour(socket, Number(bytes)));
  }
  received.set(path, (await reader.untilBody(Number(bytes))).checksum);
  socket.end(path.startsWith("/up") ? "HTTP/1.1 204 No Content\r\n\r\n" : "");
}

/** Reads one piece in a turn, so that the gateway always has something that it cannot write yet. */
function slowly(socket: Socket): Socket {
  return socket.on("data", () => {
    socket.pause();
    setImmediate(() => socket.resume());
  });
}

async function request(head: string): Promise<Socket> {
  const socket = connect({ port: gateway.port, host: "127.0.0.1" });
  await once(socket, "connect");
  socket.write(`${head}\r\nHost: test\r\n\r\n`);
  return slowly(socket);
}

async function download(bytes: number): Promise<void> {
  const socket = await request(`GET /down/${bytes} HTTP/1.1`);
  const { checksum } = await new MessageReader(socket).untilBody(bytes);
  assert.equal(checksum, sent.get(`/down/${bytes}`));
  socket.destroy();
}

async function upload(bytes: number): Promise<void> {
  const socket = await request(`POST /up/${bytes} HTTP/1.1\r\nContent-Length: ${bytes}`);
  const answer = once(socket, "data");
  const checksum = await pour(socket, bytes);
  await answer;
  assert.equal(checksum, received.get(`/up/${bytes}`));
  socket.destroy();
}

async function tunnel(bytes: number): Promise<void> {
  const path = `/tunnel/${bytes}`;
  const socket = await request(`GET ${path} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: test`);
  const reader = new MessageReader(socket);
  await reader.untilHead();
  const [checksum, down] = await Promise.all([
    pour(socket, bytes),
    reader.untilBody(bytes),
    once(socket, "end"),
  ]);
  assert.equal(down.checksum, sent.get(path));
  assert.equal(checksum, received.get(path));
}

it("many streams at a time, each with slow ends, keep their own bytes", async () => {
  const streams: Promise<void>[] = [];
  for (let i = 0; i < STREAMS_OF_A_KIND; i++) {
    const bytes = BYTES + i * 65_536;
    streams.push(download(bytes), upload(bytes), tunnel(bytes));
  }
  await Promise.all(streams);
});
