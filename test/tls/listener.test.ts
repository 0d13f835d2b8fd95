// Listeners that speak TLS: what a backend is told, what stands before the handshake, and what comes instead of one. Real
// gateway process.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { connect } from "node:tls";
import { Origin } from "../http/origin.ts";
import { makeCertificates, type TestCertificates } from "../support/certificates.ts";
import { TestGateway } from "../support/gateway.ts";
import { RawBackend, RawConnection } from "../support/raw.ts";
import { TlsTestClient } from "./tls-client.ts";

const V1 = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";

let folder: string;
let certificates: TestCertificates;
let origin: Origin;
let gateway: TestGateway;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-tls-"));
  certificates = await makeCertificates(folder, "edge.test");
  origin = await Origin.start();
  gateway = await TestGateway.start(configuration(), { server: "read_timeout: 1s" });
});
beforeEach(() => origin.reset());
after(async () => {
  await gateway.stop("SIGKILL");
  await origin.stop();
  await rm(folder, { recursive: true });
});

function configuration(): string {
  const { certFile, keyFile } = certificates.server;
  return `ssl: { enabled: true, cert_file: ${certFile}, key_file: ${keyFile} }
backends: { origin: [{ host: 127.0.0.1, port: ${origin.backend.port} }] }
routing:
  all: { upstream: origin }
  moved: { path: /moved, redirect: { to: "{scheme}://{host}/there" } }
`;
}

describe("a TLS listener", { timeout: 120_000 }, () => {
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    it(`speaks ${version}, and serves request after request`, async (t) => {
      const options = { minVersion: version, maxVersion: version, ALPNProtocols: ["http/1.1"] };
      const client = await TlsTestClient.open(t, gateway.port, {
        ...options,
        ca: certificates.ca.cert,
        servername: "edge.test",
        rejectUnauthorized: true,
      });
      assert.equal(client.socket.getProtocol(), version);
      assert.equal(client.socket.alpnProtocol, "http/1.1");
      for (let i = 0; i < 3; i++) assert.match(await client.ask(), /^HTTP\/1.1 200 OK\r\n/);
    });
  }

  it("tells backends and clients that it is https", async (t) => {
    const client = await TlsTestClient.open(t, gateway.port);
    await client.ask();
    assert.deepEqual(origin.valuesOf("x-forwarded-proto"), ["https"]);
    const moved = await client.ask("GET /moved HTTP/1.1\r\nHost: a.test\r\n\r\n", "there");
    assert.match(moved, /\r\nLocation: https:\/\/a\.test\/there\r\n/);
  });

  it("carries bodies both ways", async (t) => {
    const body = "x".repeat(300_000);
    origin.answer = () => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length + 2}\r\n\r\n${body}ok`;
    const client = await TlsTestClient.open(t, gateway.port);
    const request = `POST / HTTP/1.1\r\nHost: test\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const answer = await client.ask(request, "xok");
    assert.equal(answer.slice(answer.indexOf("\r\n\r\n") + 4), `${body}ok`);
    assert.equal(origin.requests[0]?.body, body);
  });

  it("says that it ends", async (t) => {
    const client = await TlsTestClient.open(t, gateway.port);
    await client.ask("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    await client.untilEnd();
    assert.equal(client.error, null);
  });

  it("says so too when nothing more was asked in time", async (t) => {
    const idle = await TestGateway.start(configuration(), { server: "keep_alive_timeout: 1s" });
    t.after(() => idle.stop("SIGKILL"));
    const openssl = spawn("openssl", ["s_client", "-quiet", "-connect", `127.0.0.1:${idle.port}`]);
    openssl.stdin.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    let said = "";
    for (const output of [openssl.stdout, openssl.stderr])
      output.on("data", (text: Buffer) => {
        said += text.toString("latin1");
      });
    await once(openssl, "close");
    assert.match(said, /HTTP\/1\.1 200 OK/);
    // OpenSSL: "unexpected eof while reading", where a connection just ends.
    assert.doesNotMatch(said, /unexpected eof/);
  });

  it("gives up a handshake that does not go on", async () => {
    const client = await RawConnection.connect(gateway.port);
    client.write("\x16\x03\x01");
    await client.untilGone();
    const { msg } = await gateway.logged(({ msg }) =>
      msg.startsWith("TLS handshake failed: it was not over"),
    );
    assert.equal(msg, "TLS handshake failed: it was not over within 1000 ms");
  });
});

describe("a TLS listener behind a proxy", { timeout: 120_000 }, () => {
  let behind: TestGateway;
  before(async () => {
    behind = await TestGateway.start(configuration(), { server: "proxy_protocol: true" });
  });
  after(() => behind.stop("SIGKILL"));

  it("reads the PROXY protocol header before the handshake", async (t) => {
    const client = await TlsTestClient.open(t, behind.port, { before: V1 });
    await client.ask();
    assert.deepEqual(origin.valuesOf("x-forwarded-for"), ["192.0.2.1"]);
  });

  it("takes both in one piece", async (t) => {
    const hello = await clientHello();
    const client = await RawConnection.connect(behind.port);
    t.after(() => client.destroy());
    client.write(Buffer.concat([Buffer.from(V1), hello]));
    // A record of a handshake, and in it a ServerHello.
    const answer = await client.untilBytes(6);
    assert.deepEqual([answer[0], answer[5]], [22, 2]);
  });

  it("takes no header over TLS", async (t) => {
    await assert.rejects(TlsTestClient.open(t, behind.port));
    await behind.logged(({ msg }) => msg.startsWith("connection closed: no PROXY protocol header"));
  });
});

describe("a TLS listener with limits", { timeout: 120_000 }, () => {
  it("turns those away that are too many, without a word", async (t) => {
    const limited = await TestGateway.start(configuration(), {
      server: "max_conn: 3, max_conn_per_client: 2",
    });
    t.after(() => limited.stop("SIGKILL"));
    const [first] = [await TlsTestClient.open(t, limited.port), await TlsTestClient.open(t, limited.port)];
    await assert.rejects(TlsTestClient.open(t, limited.port));
    await limited.logged(({ msg }) => msg === "connection refused: max_conn_per_client is reached");
    await first.ask();
    first.destroy();
    for (let isIn = false; !isIn; ) {
      isIn = await TlsTestClient.open(t, limited.port).then(
        () => true,
        () => false,
      );
    }
  });

  it("counts a client behind a proxy by the address in the header", async (t) => {
    const limited = await TestGateway.start(configuration(), {
      server: "proxy_protocol: true, max_conn_per_client: 1",
    });
    t.after(() => limited.stop("SIGKILL"));
    const client = await TlsTestClient.open(t, limited.port, { before: V1 });
    await client.ask();
    await assert.rejects(TlsTestClient.open(t, limited.port, { before: V1 }));
    await TlsTestClient.open(t, limited.port, { before: V1.replace("192.0.2.1", "192.0.2.9") });
  });

  it("cuts a handshake that is under way when it stops, and ends at once", async (t) => {
    const stopping = await TestGateway.start(configuration());
    const client = await RawConnection.connect(stopping.port);
    t.after(() => client.destroy());
    client.write("\x16\x03\x01");
    const other = await TlsTestClient.open(t, stopping.port);
    await other.ask();
    assert.equal(await stopping.stop(), 0);
    await client.untilGone();
  });
});

/** What a client sends first. */
async function clientHello(): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const server = await RawBackend.start(async (connection) => resolve(await connection.untilBytes(100)));
  const socket = connect({ port: server.port, host: "127.0.0.1" }).on("error", () => {});
  const hello = await promise;
  socket.destroy();
  await server.stop();
  return hello;
}
