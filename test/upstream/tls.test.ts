// What goes over TLS connections to backends: the same as over plain ones, in both directions, to the last byte. Real
// gateway process, real TLS servers.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import type { TLSSocket, TlsOptions } from "node:tls";
import { crc32 } from "node:zlib";
import { MessageReader, pour } from "../stream/flow.ts";
import { makeCertificates, type TestCertificates } from "../support/certificates.ts";
import { TestGateway } from "../support/gateway.ts";
import { answering, RawConnection } from "../support/raw.ts";
import { OK, TlsBackend } from "./tls-backend.ts";

const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
const UPGRADE = "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n";
const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n";
const MB = 1024 ** 2;
/** More than the system takes for an end that reads nothing. */
const STANDSTILL_BYTES = 32 * MB;

let folder: string;
let certificates: TestCertificates;
let gateway: TestGateway;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-tls-"));
  certificates = await makeCertificates(folder);
  gateway = await TestGateway.start("routing: {}");
});
after(async () => {
  await gateway.stop("SIGKILL");
  await rm(folder, { recursive: true });
});

type Serve = (connection: RawConnection, index: number) => unknown;

async function backendFor(t: TestContext, serve: Serve, options: TlsOptions = {}): Promise<TlsBackend> {
  const { cert, key } = certificates.server;
  const backend = await TlsBackend.start({ cert, key, ...options }, serve);
  t.after(() => backend.stop());
  return backend;
}

/** A backend of the file; `more` is the inside of its `tls` section, as YAML flow. */
function over(port: number, more = "server_name: backend.test"): string {
  return `[{ host: 127.0.0.1, port: ${port}, scheme: https, tls: { ca_file: ${certificates.ca.certFile}, ${more} } }]`;
}

/** One upstream for everything; `more` is the inside of the route. */
async function proxyTo(port: number, more = ""): Promise<void> {
  await gateway.adopt(
    `backends: { origin: ${over(port)} }\nrouting: { all: { upstream: origin, ${more} } }\n`,
  );
}

async function clientOf(t: TestContext): Promise<RawConnection> {
  const client = await RawConnection.connect(gateway.port);
  t.after(() => client.destroy());
  return client;
}

async function ask(client: RawConnection, request = GET, last = "ok"): Promise<string> {
  client.take();
  client.write(request);
  return await client.until(last);
}

describe("a TLS connection to a backend", { timeout: 120_000 }, () => {
  it("is used again", async (t) => {
    const backend = await backendFor(t, answering(OK));
    await proxyTo(backend.port);
    const client = await clientOf(t);
    for (let i = 0; i < 5; i++) await ask(client);
    assert.equal(backend.connections.length, 1);
  });

  it("is closed with a word after backend_keep_alive", async (t) => {
    const backend = await backendFor(t, answering(OK));
    await proxyTo(backend.port, "timeouts: { backend_keep_alive: 300ms }");
    await ask(await clientOf(t));
    assert.equal(await (await backend.connection(0)).untilGone(), "ended");
  });

  it("is closed when its client goes in the middle of a response", async (t) => {
    const backend = await backendFor(t, (connection) =>
      connection.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst"),
    );
    await proxyTo(backend.port);
    const client = await clientOf(t);
    await ask(client, GET, "first");
    client.destroy();
    await (await backend.connection(0)).untilEnd();
  });

  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    it(`resumes the session of the one before (${version})`, async (t) => {
      const last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
      const backend = await backendFor(t, answering(last), { maxVersion: version });
      await proxyTo(backend.port);
      const client = await clientOf(t);
      for (let i = 0; i < 3; i++) await ask(client);
      assert.deepEqual(
        backend.sockets.map((socket) => socket.isSessionReused()),
        [false, true, true],
      );
    });
  }

  it("is made anew where a backend has forgotten the session", async (t) => {
    const last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    const backend = await backendFor(t, answering(last));
    await proxyTo(backend.port);
    const client = await clientOf(t);
    await ask(client);
    backend.forgetSessions();
    assert.match(await ask(client), /^HTTP\/1\.1 200 /);
    assert.equal(backend.sockets[1]?.isSessionReused(), false);
  });

  it("serves only those who ask for the same TLS, also after a reload", async (t) => {
    const backend = await backendFor(t, answering(OK));
    const names = ["backend.test", "localhost"];
    const [here, there] = names.map((name) => over(backend.port, `server_name: ${name}`));
    const routes = "routing: { here: { upstream: here }, there: { path: /there, upstream: there } }\n";
    await gateway.adopt(`backends: { here: ${here}, there: ${there} }\n${routes}`);
    const client = await clientOf(t);
    const toThere = GET.replace("/", "/there");
    for (let i = 0; i < 3; i++) for (const request of [GET, toThere]) await ask(client, request);
    await gateway.adopt(`backends: { here: ${there}, there: ${here} }\n${routes}`);
    for (let i = 0; i < 3; i++) for (const request of [GET, toThere]) await ask(client, request);
    const seen = backend.sockets.map((socket, i) => {
      const { servername } = socket as TLSSocket & { servername: string };
      const paths = new Set(backend.connections[i]!.text.match(/(?<=GET )\S+/g));
      return [servername, [...paths].join(), socket.isSessionReused()];
    });
    assert.deepEqual(seen, [
      ["backend.test", "/", false],
      ["localhost", "/there", false],
      ["localhost", "/", false],
      ["backend.test", "/there", false],
    ]);
  });
});

describe("a body over TLS", { timeout: 120_000 }, () => {
  const BYTES = 10 * MB;

  for (const [framing, head] of [
    ["with a length", `Content-Length: ${BYTES}`],
    ["until the end", "Connection: close"],
  ]) {
    it(`comes whole to the client: ${framing}`, async (t) => {
      const sent = Promise.withResolvers<number>();
      const backend = await backendFor(t, async (connection) => {
        await connection.until("\r\n\r\n");
        connection.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n`);
        sent.resolve(await pour(connection.socket, BYTES));
        connection.socket.end();
      });
      await proxyTo(backend.port);
      const answer = await fetch(`http://127.0.0.1:${gateway.port}/`);
      const body = Buffer.from(await answer.arrayBuffer());
      assert.equal(body.length, BYTES);
      assert.equal(crc32(body), await sent.promise);
    });
  }

  it("comes whole to the backend", async (t) => {
    const received = Promise.withResolvers<{ bytes: number; checksum: number }>();
    const backend = await backendFor(t, async ({ socket }) => {
      const reader = new MessageReader(socket);
      await reader.untilHead();
      received.resolve(await reader.untilBody(BYTES));
      socket.write(OK);
    });
    await proxyTo(backend.port);
    const client = await clientOf(t);
    client.write(`POST / HTTP/1.1\r\nHost: test\r\nContent-Length: ${BYTES}\r\n\r\n`);
    const checksum = await pour(client.socket, BYTES);
    assert.deepEqual(await received.promise, { bytes: BYTES, checksum });
    await client.until("ok");
  });

  it("waits for a slow client", async (t) => {
    const backend = await backendFor(t, async (connection) => {
      await connection.until("\r\n\r\n");
      connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${2 * STANDSTILL_BYTES}\r\n\r\n`);
      pour(connection.socket, 2 * STANDSTILL_BYTES);
    });
    await proxyTo(backend.port);
    const client = await clientOf(t);
    client.socket.pause();
    client.write(GET);
    const { socket } = await backend.connection(0);
    await standstill(socket);
    assert.ok(socket.bytesWritten < STANDSTILL_BYTES, `${socket.bytesWritten} bytes were sent`);
    client.socket.resume();
    await client.untilBytes(2 * STANDSTILL_BYTES);
  });

  it("waits for a slow backend", async (t) => {
    const backend = await backendFor(t, (connection) => connection.socket.pause());
    await proxyTo(backend.port);
    const client = await clientOf(t);
    client.write(`POST / HTTP/1.1\r\nHost: test\r\nContent-Length: ${2 * STANDSTILL_BYTES}\r\n\r\n`);
    pour(client.socket, 2 * STANDSTILL_BYTES);
    const connection = await backend.connection(0);
    await standstill(client.socket);
    const sent = client.socket.bytesWritten - client.socket.writableLength;
    assert.ok(sent < STANDSTILL_BYTES, `${sent} bytes were sent`);
    connection.socket.resume();
    await connection.untilBytes(2 * STANDSTILL_BYTES);
  });

  it("is cut where the connection ends without a word, as it may not be whole", async (t) => {
    const backend = await backendFor(t, async (connection) => {
      await connection.until("\r\n\r\n");
      connection.write("HTTP/1.1 200 OK\r\n\r\nfirst");
      await told.promise;
      // Ends the TCP connection alone.
      connection.socket.destroy();
    });
    const told = Promise.withResolvers<void>();
    await proxyTo(backend.port);
    const client = await clientOf(t);
    await ask(client, "GET /cut HTTP/1.1\r\nHost: test\r\n\r\n", "first");
    told.resolve();
    assert.equal(await client.untilGone(), "reset");
    const line = await gateway.logged((entry) => entry["path"] === "/cut");
    assert.equal(line["code"], "response_truncated");
    assert.match(line.msg, /without close_notify/);
  });

  for (const [word, gone] of [
    ["a", "ended"],
    ["no", "reset"],
  ]) {
    it(`is judged as well for a client that took a while: ${word} word at its end`, async (t) => {
      const backend = await backendFor(t, async (connection) => {
        await connection.until("\r\n\r\n");
        connection.write("HTTP/1.1 200 OK\r\n\r\n");
        await pour(connection.socket, 2 * STANDSTILL_BYTES);
        if (word === "a") connection.socket.end();
        else connection.socket.write("", () => connection.socket.destroy());
      });
      await proxyTo(backend.port);
      const client = await clientOf(t);
      client.socket.pause();
      client.write("GET / HTTP/1.0\r\n\r\n");
      await standstill((await backend.connection(0)).socket);
      client.socket.resume();
      assert.equal(await client.untilGone(), gone);
      if (gone === "ended") assert.ok(client.length > 2 * STANDSTILL_BYTES, `${client.length} bytes`);
    });
  }
});

/** Resolves when a socket that is written to has sent nothing more for a while. */
async function standstill(socket: { readonly bytesWritten: number; readonly writableLength: number }) {
  let before = -1;
  for (let same = 0; same < 5; ) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const sent = socket.bytesWritten - socket.writableLength;
    same = sent === before && sent > 0 ? same + 1 : 0;
    before = sent;
  }
}

describe("a tunnel over TLS", { timeout: 120_000 }, () => {
  async function open(t: TestContext, early = ""): Promise<{ client: RawConnection; origin: RawConnection }> {
    const backend = await backendFor(t, async (connection) => {
      await connection.until("\r\n\r\n");
      connection.take();
      connection.write(SWITCH + early);
    });
    await proxyTo(backend.port);
    const client = await clientOf(t);
    client.write(UPGRADE);
    await client.until("\r\n\r\n");
    return { client, origin: await backend.connection(0) };
  }

  it("carries every byte both ways, early ones too", async (t) => {
    const { client, origin } = await open(t, "early");
    await client.until(/early$/);
    client.take();
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString("latin1");
    for (let i = 0; i < 100; i++) client.write(bytes);
    for (let i = 0; i < 100; i++) origin.write(bytes);
    assert.equal((await client.untilBytes(25_600)).toString("latin1"), bytes.repeat(100));
    assert.equal((await origin.untilBytes(25_600)).toString("latin1"), bytes.repeat(100));
  });

  for (const [ending, other] of [
    ["client", "origin"],
    ["origin", "client"],
  ] as const) {
    it(`ends on both sides when the ${ending} ends`, async (t) => {
      const ends = await open(t);
      ends[ending].write("last words");
      ends[ending].socket.end();
      assert.match(await ends[other].untilEnd(), /last words$/);
      ends[other].socket.end();
      assert.equal(await ends[ending].untilGone(), "ended");
    });
  }

  it("carries a stream at the pace of the slower end", async (t) => {
    const { client, origin } = await open(t);
    client.take();
    const poured = pour(origin.socket, 10 * MB);
    assert.equal(crc32(await client.untilBytes(10 * MB)), await poured);
    const back = pour(client.socket, 10 * MB);
    assert.equal(crc32(await origin.untilBytes(10 * MB)), await back);
  });
});
