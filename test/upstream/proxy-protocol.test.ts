// PROXY protocol headers that backends get: the very first bytes of every connection, before any TLS, and true. Real
// gateway process, raw sockets.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { TLSSocket } from "node:tls";
import { makeCertificates, type TestCertificates } from "../support/certificates.ts";
import { TestGateway } from "../support/gateway.ts";
import { answering, RawBackend, RawConnection } from "../support/raw.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
const V2_START = "\r\n\r\n\0\r\nQUIT\n";
const LOCAL = `${V2_START}\x20\0\0\0`;

async function backendFor(
  t: TestContext,
  serve: (connection: RawConnection) => unknown,
): Promise<RawBackend> {
  const backend = await RawBackend.start(serve);
  t.after(() => backend.stop());
  return backend;
}

let gateway: TestGateway;
before(async () => {
  gateway = await TestGateway.start("routing: {}");
});
after(() => gateway.stop("SIGKILL"));

/** One whose listener is another; resolves with its port. */
async function startAnother(t: TestContext, config: string, server: string): Promise<number> {
  const another = await TestGateway.start(config, { server });
  t.after(() => another.stop("SIGKILL"));
  const { msg } = await another.logged((line) => line.msg.startsWith("listening on "));
  return Number(/:(\d+)$/.exec(msg)?.[1]);
}

/** `more` is the inside of the backend, as YAML flow. */
function proxyTo(port: number, more: string): string {
  return `backends: { u: [{ host: 127.0.0.1, port: ${port}, ${more} }] }\nrouting: { all: { upstream: u } }\n`;
}

async function ask(t: TestContext, port: number, request = GET, host?: string): Promise<RawConnection> {
  const client = await RawConnection.connect(port, host);
  t.after(() => client.destroy());
  client.write(request);
  await client.until("ok");
  return client;
}

/** Four bytes of 127.0.0.1 twice, and two ports. */
function v4Block(...ports: readonly number[]): string {
  const block = Buffer.from([127, 0, 0, 1, 127, 0, 0, 1, 0, 0, 0, 0]);
  for (const [i, port] of ports.entries()) block.writeUInt16BE(port, 8 + 2 * i);
  return block.toString("latin1");
}

/** What came before the request. */
function headerOf({ text }: RawConnection): string {
  return text.slice(0, text.indexOf("GET "));
}

describe("a backend with proxy_protocol", { timeout: 120_000 }, () => {
  it("v1 is told of the client in a line", async (t) => {
    const backend = await backendFor(t, answering(OK));
    await gateway.adopt(proxyTo(backend.port, "proxy_protocol: v1"));
    const { socket } = await ask(t, gateway.port);
    const expected = `PROXY TCP4 127.0.0.1 127.0.0.1 ${socket.localPort} ${gateway.port}\r\n`;
    assert.equal(headerOf(await backend.connection(0)), expected);
  });

  it("v2 is told of the client in bytes", async (t) => {
    const backend = await backendFor(t, answering(OK));
    await gateway.adopt(proxyTo(backend.port, "proxy_protocol: v2"));
    const { socket } = await ask(t, gateway.port);
    const expected = `${V2_START}\x21\x11\0\x0c${v4Block(socket.localPort!, gateway.port)}`;
    assert.equal(headerOf(await backend.connection(0)), expected);
  });

  it("is told of IPv6", async (t) => {
    const backend = await backendFor(t, answering(OK));
    const port = await startAnother(t, proxyTo(backend.port, "proxy_protocol: v1"), 'host: "::1", port: 0');
    const { socket } = await ask(t, port, GET, "::1");
    assert.equal(headerOf(await backend.connection(0)), `PROXY TCP6 ::1 ::1 ${socket.localPort} ${port}\r\n`);
  });

  it("gets each exchange on a connection of its own, which tells of its client", async (t) => {
    const backend = await backendFor(t, answering(OK));
    await gateway.adopt(proxyTo(backend.port, "proxy_protocol: v1"));
    const ports: number[] = [];
    for (let i = 0; i < 3; i++) {
      const client = await ask(t, gateway.port);
      client.take();
      client.write(GET);
      await client.until("ok");
      ports.push(client.socket.localPort!, client.socket.localPort!);
    }
    assert.deepEqual(
      backend.connections.map((connection) => Number(headerOf(connection).split(" ")[4])),
      ports,
    );
    for (const { text } of backend.connections) assert.equal(text.match(/GET /g)?.length, 1);
  });

  it("is told of the client that a trusted proxy names, whose port nobody knows", async (t) => {
    const backend = await backendFor(t, answering(OK));
    const config = proxyTo(backend.port, "proxy_protocol: v1");
    await gateway.adopt(config, { server: "trusted_proxies: [127.0.0.1]" });
    const forwarded = GET.replace("\r\n\r\n", "\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n");
    await ask(t, gateway.port, forwarded);
    assert.equal(headerOf(backend.connections[0]!), `PROXY TCP4 192.0.2.7 127.0.0.1 0 ${gateway.port}\r\n`);
  });

  for (const [version, nothing] of [
    ["v1", "PROXY UNKNOWN\r\n"],
    ["v2", LOCAL],
  ] as const) {
    it(`${version} is told nothing where client and gateway have addresses of two kinds`, async (t) => {
      const backend = await backendFor(t, answering(OK));
      const config = proxyTo(backend.port, `proxy_protocol: ${version}`);
      await gateway.adopt(config, { server: "trusted_proxies: [127.0.0.1]" });
      await ask(t, gateway.port, GET.replace("\r\n\r\n", "\r\nX-Forwarded-For: 2001:db8::7\r\n\r\n"));
      assert.equal(headerOf(backend.connections[0]!), nothing);
    });
  }

  it("is told what a PROXY protocol header told the gateway", async (t) => {
    const backend = await backendFor(t, answering(OK));
    const config = proxyTo(backend.port, "proxy_protocol: v1");
    const port = await startAnother(t, config, "proxy_protocol: true");
    const header = "PROXY TCP4 192.0.2.1 192.0.2.2 1111 443\r\n";
    await ask(t, port, header + GET);
    assert.equal(headerOf(backend.connections[0]!), header);
  });

  it("is told by every attempt", async (t) => {
    const broken = await backendFor(t, (connection) =>
      connection.until("\r\n\r\n").then(() => connection.destroy()),
    );
    const backend = await backendFor(t, answering(OK));
    const [first, second] = [broken, backend].map(
      ({ port }) => `{ host: 127.0.0.1, port: ${port}, proxy_protocol: v1 }`,
    );
    const config = `backends: { u: [${first}, ${second}] }\nrouting: { all: { upstream: u } }\n`;
    await gateway.adopt(config);
    for (let i = 0; i < 2; i++) {
      const { socket } = await ask(t, gateway.port);
      assert.match(headerOf(backend.connections[i]!), new RegExp(` ${socket.localPort} \\d+\r\n$`));
    }
    assert.match(broken.text, /^PROXY TCP4 .+\r\nGET \/ HTTP/);
  });

  it("is told by copies of requests too", async (t) => {
    const [backend, mirror] = [await backendFor(t, answering(OK)), await backendFor(t, answering(OK))];
    await gateway.adopt(
      `backends:
  u: [{ host: 127.0.0.1, port: ${backend.port} }]
  m: [{ host: 127.0.0.1, port: ${mirror.port}, proxy_protocol: v1 }]
routing: { all: { upstream: u, mirror: { upstream: m } } }
`,
    );
    const { socket } = await ask(t, gateway.port);
    const copy = await mirror.connection(0);
    await copy.until("\r\n\r\n");
    assert.equal(headerOf(copy), `PROXY TCP4 127.0.0.1 127.0.0.1 ${socket.localPort} ${gateway.port}\r\n`);
    assert.equal(headerOf(await backend.connection(0)), "");
  });
});

describe("a backend with proxy_protocol and TLS", { timeout: 120_000 }, () => {
  let folder: string;
  let certificates: TestCertificates;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "sluice-tls-"));
    certificates = await makeCertificates(folder);
  });
  after(() => rm(folder, { recursive: true }));

  it("is told before the handshake", async (t) => {
    const headers: string[] = [];
    const requests: string[] = [];
    const backend = await backendFor(t, ({ socket }) => {
      socket.removeAllListeners("data");
      socket.pause();
      takeLine(socket, (line) => {
        headers.push(line);
        const { cert, key } = certificates.server;
        const secure = new RawConnection(new TLSSocket(socket, { isServer: true, cert, key }));
        secure.until("\r\n\r\n").then((text) => {
          requests.push(text);
          secure.write(OK);
        });
      });
    });
    const tls = `scheme: https, tls: { ca_file: ${certificates.ca.certFile} }`;
    await gateway.adopt(proxyTo(backend.port, `proxy_protocol: v1, ${tls}`));
    const expected: string[] = [];
    for (let i = 0; i < 3; i++) {
      const { socket } = await ask(t, gateway.port);
      expected.push(`PROXY TCP4 127.0.0.1 127.0.0.1 ${socket.localPort} ${gateway.port}\r\n`);
    }
    assert.deepEqual(headers, expected);
    for (const request of requests) assert.match(request, /^GET \/ HTTP\/1\.1\r\n/);
  });
});

/** Takes the bytes up to the first line end, and leaves the others to be read. */
function takeLine(socket: Socket, taken: (line: string) => void): void {
  socket.on("readable", function read() {
    const bytes = socket.read() as Buffer | null;
    if (bytes === null) return;
    const end = bytes.indexOf("\n") + 1;
    if (end < bytes.length) socket.unshift(bytes.subarray(end));
    if (end === 0) return;
    socket.off("readable", read);
    taken(bytes.toString("latin1", 0, end));
  });
}
