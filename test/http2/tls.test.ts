// HTTP/2 on listeners with TLS: chosen by ALPN, and only where it is on. Runs in the test process.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { Origin } from "../http/origin.ts";
import { makeCertificates, type TestCertificates } from "../support/certificates.ts";
import { TestGateway } from "../support/gateway.ts";
import { TlsTestClient } from "../tls/tls-client.ts";
import { ask, openSession } from "./client.ts";

describe("a TLS listener", { timeout: 60_000 }, () => {
  let folder: string;
  let certificates: TestCertificates;
  let origin: Origin;
  let gateway: TestGateway;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "sluice-http2-"));
    certificates = await makeCertificates(folder);
    origin = await Origin.start();
    gateway = await TestGateway.start(configuration());
  });
  beforeEach(() => origin.reset());
  after(async () => {
    await gateway.stop();
    await origin.stop();
    await rm(folder, { recursive: true });
  });

  function configuration(): string {
    const { certFile, keyFile } = certificates.server;
    return `ssl: { enabled: true, cert_file: ${certFile}, key_file: ${keyFile} }
backends: { origin: [{ host: 127.0.0.1, port: ${origin.port} }] }
routing: { all: { upstream: origin } }
`;
  }

  it("speaks HTTP/2 where the client offers it", async () => {
    const session = await openSession(gateway.port, { ca: certificates.ca.cert });
    assert.equal(session.alpnProtocol, "h2");
    const [first, second] = await Promise.all([
      ask(session, { ":path": "/" }),
      ask(session, { ":path": "/", ":method": "POST" }, "x".repeat(100_000)),
    ]);
    assert.deepEqual([first.body, second.body], ["ok", "ok"]);
    assert.equal(origin.requests.find(({ method }) => method === "POST")?.body.length, 100_000);
    for (const { fields } of origin.requests)
      assert.ok(
        fields.some(([name, value]) => name.toLowerCase() === "x-forwarded-proto" && value === "https"),
      );
    session.destroy();
  });

  it("prefers HTTP/2, and speaks HTTP/1.1 to those that know no other", async (t) => {
    const options = { ca: certificates.ca.cert, servername: "localhost" };
    const both = await TlsTestClient.open(t, gateway.port, { ...options, ALPNProtocols: ["http/1.1", "h2"] });
    assert.equal(both.socket.alpnProtocol, "h2");
    both.socket.destroy();
    const old = await TlsTestClient.open(t, gateway.port, { ...options, ALPNProtocols: ["http/1.1"] });
    assert.match(await old.ask(), /^HTTP\/1\.1 200 OK\r\n/);
    const silent = await TlsTestClient.open(t, gateway.port, options);
    assert.match(await silent.ask(), /^HTTP\/1\.1 200 OK\r\n/);
  });

  it("does not offer HTTP/2 where that is off", async (t) => {
    const other = await TestGateway.start(configuration(), { server: "http2: { enabled: false }" });
    const options = { ca: certificates.ca.cert, servername: "localhost", ALPNProtocols: ["h2", "http/1.1"] };
    const client = await TlsTestClient.open(t, other.port, options);
    assert.equal(client.socket.alpnProtocol, "http/1.1");
    await other.stop();
  });
});
