// One check over TLS against real servers, with throwaway certificates. Runs in the test process.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { createServer, type TlsOptions } from "node:tls";
import { makeCertificates, type TestCertificates } from "../../../test/support/certificates.ts";
import { backendSpec, healthCheck } from "../../../test/support/health.ts";
import { RawBackend } from "../../../test/support/raw.ts";
import type { BackendSpec, BackendTls, HealthCheckSpec } from "../../config/snapshot.ts";
import { CheckAttempt, type CheckOutcome } from "./check-attempt.ts";
import { CheckTarget } from "./check-target.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const SHORT_MS = 300;

function checkOf(backend: BackendSpec, settings: Partial<HealthCheckSpec> = {}): Promise<CheckOutcome> {
  const target = new CheckTarget(backend, healthCheck(settings));
  return new Promise((resolve) => new CheckAttempt(target, resolve));
}

describe("a check over TLS", () => {
  let folder: string;
  let made: TestCertificates;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "sluice-check-"));
    made = await makeCertificates(folder);
  });
  after(() => rmSync(folder, { recursive: true }));

  /** Answers 200 to whatever comes, and tells the SNI names and who the clients are. */
  async function tlsBackend(options: TlsOptions = {}) {
    const seen: Array<{
      name: string | false | null;
      client: string | undefined;
      alpn: string | false | null;
    }> = [];
    const server = createServer(
      { cert: made.server.cert, key: made.server.key, ALPNProtocols: ["h2", "http/1.1"], ...options },
      (socket) => {
        const client = socket.getPeerCertificate().subject?.CN;
        seen.push({ name: socket.servername, client: [client].flat()[0], alpn: socket.alpnProtocol });
        socket.on("data", () => socket.end(OK));
        socket.on("error", () => {});
      },
    ).listen(0, "127.0.0.1");
    const gone: Promise<unknown>[] = [];
    server.on("connection", (socket: Socket) => gone.push(once(socket, "close")));
    await once(server, "listening");
    return { server, seen, gone, port: (server.address() as AddressInfo).port };
  }

  type Who = "ca" | "otherCa";
  const TABLE: ReadonlyArray<{
    readonly title: string;
    readonly hostName: string;
    readonly tls?: Omit<Partial<BackendTls>, "ca" | "cert" | "key">;
    readonly ca?: Who | null;
    readonly name: string | false;
    readonly failure: RegExp | null;
  }> = [
    { title: "a name in the certificate", hostName: "backend.test", name: "backend.test", failure: null },
    { title: "an address in the certificate", hostName: "127.0.0.1", name: false, failure: null },
    {
      title: "another name",
      hostName: "shop.test",
      name: "shop.test",
      failure: /^TLS: Host: shop\.test\. is not in the cert's altnames: /,
    },
    {
      title: "another address",
      hostName: "127.0.0.7",
      name: false,
      failure: /^TLS: IP: 127\.0\.0\.7 is not in the cert's list: /,
    },
    {
      title: "the name of the setting",
      hostName: "shop.test",
      tls: { serverName: "backend.test" },
      name: "backend.test",
      failure: null,
    },
    {
      title: "another authority",
      hostName: "backend.test",
      ca: "otherCa",
      name: "backend.test",
      failure: /^TLS: unable to verify the first certificate|^TLS: unable to get local issuer certificate/,
    },
    {
      title: "the authorities of the system only",
      hostName: "backend.test",
      ca: null,
      name: "backend.test",
      failure: /^TLS: unable to/,
    },
    {
      title: "no verification",
      hostName: "shop.test",
      tls: { verify: false },
      ca: null,
      name: "shop.test",
      failure: null,
    },
  ];
  for (const { title, hostName, tls, ca = "ca", name, failure } of TABLE) {
    it(`with ${title} ${failure === null ? "passes" : "fails"}`, async (t) => {
      const { server, seen, gone, port } = await tlsBackend();
      t.after(() => server.close());
      const spec = backendSpec({ port, hostName, tls: tlsOf(ca, tls) });
      for (const path of ["/health", null]) {
        const outcome = await checkOf(spec, { path });
        if (failure === null) assert.equal(outcome.failure, null);
        else assert.match(outcome.failure ?? "", failure);
      }
      assert.equal(seen.length > 0 ? seen[0]!.name : name, name);
      for (const { alpn } of seen) assert.equal(alpn, "http/1.1");
      // No connection outlives its check.
      assert.equal((await Promise.all(gone)).length, 2);
    });
  }

  const CLIENTS: ReadonlyArray<{
    readonly who: "client" | "otherClient" | null;
    readonly failure: RegExp | null;
  }> = [
    { who: "client", failure: null },
    { who: null, failure: /certificate required|closed|hang up|ECONNRESET/ },
    { who: "otherClient", failure: /unknown ca|closed|hang up|ECONNRESET/ },
  ];
  for (const { who, failure } of CLIENTS) {
    it(`to a backend that asks for certificates ${failure === null ? "passes" : "fails"} with ${who}`, async (t) => {
      const { server, seen, port } = await tlsBackend({
        ca: made.ca.cert,
        requestCert: true,
        rejectUnauthorized: true,
      });
      t.after(() => server.close());
      const tls = tlsOf("ca", who === null ? {} : { cert: made[who].cert, key: made[who].key });
      const outcome = await checkOf(backendSpec({ port, hostName: "backend.test", tls }));
      if (failure === null) {
        assert.equal(outcome.failure, null);
        assert.deepEqual(seen, [{ name: "backend.test", client: "client", alpn: "http/1.1" }]);
      } else assert.match(outcome.failure ?? "", failure);
    });
  }

  it("sends the PROXY header before the handshake", async (t) => {
    const { server, port } = await tlsBackend();
    t.after(() => server.close());
    // Takes the header away and passes everything else on, as a backend that understands it does.
    const front = await RawBackend.start(async (connection) => {
      const header = await connection.until("\r\n");
      assert.ok(header.startsWith("PROXY UNKNOWN\r\n"), JSON.stringify(header));
      const rest = connection.received.subarray("PROXY UNKNOWN\r\n".length);
      const inner = connect(port, "127.0.0.1");
      inner.write(rest);
      connection.socket.pipe(inner).pipe(connection.socket);
      inner.on("error", () => connection.destroy());
    });
    t.after(() => front.stop());
    const tls = tlsOf("ca");
    const spec = backendSpec({ port: front.port, hostName: "backend.test", tls, proxyProtocol: 1 });
    assert.equal((await checkOf(spec)).failure, null);
  });

  it("fails on a backend that speaks no TLS, or nothing", async (t) => {
    const plain = await RawBackend.start((connection) => connection.write("HTTP/1.1 400 No\r\n\r\n"));
    const silent = await RawBackend.start(() => {});
    t.after(() => Promise.all([plain.stop(), silent.stop()]));
    const tls = tlsOf("ca");
    const wrong = await checkOf(backendSpec({ port: plain.port, tls }));
    assert.match(wrong.failure ?? "", /^TLS: (wrong version number|packet length too long)/);
    const slow = await checkOf(backendSpec({ port: silent.port, tls }), { timeoutMs: SHORT_MS });
    assert.equal(slow.failure, `no TLS handshake within ${SHORT_MS} ms`);
  });

  it("fails on certificates that cannot be read", async (t) => {
    const { server, port } = await tlsBackend();
    t.after(() => server.close());
    const broken = "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n";
    const tls = { ...tlsOf("ca"), cert: broken, key: made.client.key };
    const outcome = await checkOf(backendSpec({ port, tls }));
    assert.notEqual(outcome.failure, null);
  });

  function tlsOf(ca: Who | null, settings: Partial<BackendTls> = {}): BackendTls {
    const authority = ca === null ? null : made[ca].cert;
    return { ca: authority, cert: null, key: null, serverName: null, verify: true, ...settings };
  }
});
