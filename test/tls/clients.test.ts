// Client certificates: who is let in, what is said of them to policies and backends, and that no session opens a door that a
// certificate would not. Real gateway process.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it, type TestContext } from "node:test";
import type { ConnectionOptions } from "node:tls";
import { Origin } from "../http/origin.ts";
import {
  makeCertificate,
  makeCertificates,
  type TestCertificate,
  type TestCertificates,
} from "../support/certificates.ts";
import { TestGateway } from "../support/gateway.ts";
import { TlsTestClient } from "./tls-client.ts";

const FAILED = "TLS handshake failed: ";
const VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;

let folder: string;
let certificates: TestCertificates;
let expired: TestCertificate;
let strange: TestCertificate;
let origin: Origin;
let gateway: TestGateway;
let [required, optional, open] = [0, 0, 0];
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-clients-"));
  certificates = await makeCertificates(folder);
  const { ca, server } = certificates;
  const extensions = "extendedKeyUsage=clientAuth";
  expired = await makeCertificate(ca, folder, "expired", { extensions, days: -1 });
  strange = await makeCertificate(ca, folder, "strange", {
    extensions,
    subject: '/C=DE/O=Ünï, "Co"/CN=a\\+b',
  });
  origin = await Origin.start();
  gateway = await TestGateway.start(
    `ssl: { enabled: true, cert_file: ${server.certFile}, key_file: ${server.keyFile} }
backends: { origin: [{ host: 127.0.0.1, port: ${origin.port} }] }
routing:
  all:
    upstream: origin
    policies:
      headers:
        request:
          set:
            X-Tls: "{tls_version} {tls_cipher}"
            X-Client-Subject: "{client_cert_subject}"
            X-Client-Verified: "{client_cert_verified}"
            X-Client-Fingerprint: "{client_cert_fingerprint}"
`,
    {
      server: `listeners: [
        { host: 127.0.0.1, port: 0, ssl: { client_ca: ${ca.certFile} } },
        { host: 127.0.0.1, port: 0, ssl: { client_ca: ${ca.certFile}, client_auth: optional } },
        { host: 127.0.0.1, port: 0 }]`,
    },
  );
  const { msg } = await gateway.logged((line) => line.msg.startsWith("listening on "));
  [required, optional, open] = [...msg.matchAll(/:(\d+)(?=,|$)/g)].map(([, port]) => Number(port)) as [
    number,
    number,
    number,
  ];
});
beforeEach(() => origin.reset());
after(async () => {
  await gateway.stop("SIGKILL");
  await origin.stop();
  await rm(folder, { recursive: true });
});

/** Connects and asks; what TLS 1.3 has against a client comes with the answer only. */
async function ask(t: TestContext, port: number, options: ConnectionOptions): Promise<TlsTestClient> {
  const client = await TlsTestClient.open(t, port, options);
  await client.ask();
  return client;
}

function with_({ cert, key }: TestCertificate): ConnectionOptions {
  return { cert, key };
}

async function refused(what: string, from: number): Promise<void> {
  await gateway.logged(({ msg }, at) => at >= from && msg === FAILED + what);
}

for (const version of VERSIONS) {
  const only = { minVersion: version, maxVersion: version };

  describe(`a listener that requires a certificate, over ${version}`, { timeout: 60_000 }, () => {
    it("lets in who has one, and says who it is", async (t) => {
      const client = await ask(t, required, { ...only, ...with_(certificates.client) });
      assert.deepEqual(origin.valuesOf("x-client-subject"), ["CN=client"]);
      assert.deepEqual(origin.valuesOf("x-client-verified"), ["true"]);
      assert.match(origin.valuesOf("x-client-fingerprint")[0]!, /^[0-9a-f]{64}$/);
      assert.deepEqual(origin.valuesOf("x-tls"), [`${version} ${client.socket.getCipher().name}`]);
    });

    const REFUSED: ReadonlyArray<readonly [who: string, options: () => ConnectionOptions, fault: string]> = [
      ["who has none", () => ({}), "the client sent no certificate"],
      [
        "one of another authority",
        () => with_(certificates.otherClient),
        "the certificate of the client is of an authority that is not in client_ca",
      ],
      ["one that has expired", () => with_(expired), "the certificate of the client has expired"],
      [
        "one for servers",
        () => with_(certificates.server),
        "the certificate of the client is not one for clients",
      ],
    ];
    for (const [who, options, fault] of REFUSED) {
      it(`refuses ${who}`, async (t) => {
        const from = gateway.log.length;
        await assert.rejects(ask(t, required, { ...only, ...options() }));
        await refused(fault, from);
        assert.equal(origin.requests.length, 0);
      });
    }
  });
}

describe("a subject", { timeout: 60_000 }, () => {
  it("that is not ASCII is told as RFC 4514 writes it, escaped", async (t) => {
    await ask(t, required, with_(strange));
    assert.deepEqual(origin.valuesOf("x-client-subject"), ['CN=a\\+b,O=\\C3\\9Cn\\C3\\AF\\, \\"Co\\",C=DE']);
  });
});

describe("a listener that asks for a certificate", { timeout: 60_000 }, () => {
  it("lets in who has none, and says so", async (t) => {
    await ask(t, optional, {});
    assert.deepEqual(origin.valuesOf("x-client-subject"), []);
    assert.deepEqual(origin.valuesOf("x-client-verified"), ["false"]);
    assert.deepEqual(origin.valuesOf("x-client-fingerprint"), []);
  });

  it("lets in who has one", async (t) => {
    await ask(t, optional, with_(certificates.client));
    assert.deepEqual(origin.valuesOf("x-client-subject"), ["CN=client"]);
  });

  it("refuses one of another authority", async (t) => {
    const from = gateway.log.length;
    await assert.rejects(ask(t, optional, with_(certificates.otherClient)));
    await refused("the certificate of the client is of an authority that is not in client_ca", from);
  });
});

describe("a client's own word", { timeout: 60_000 }, () => {
  it("for who it is reaches no backend", async (t) => {
    const client = await TlsTestClient.open(t, open);
    await client.ask(
      "GET / HTTP/1.1\r\nHost: a\r\nX-Client-Subject: CN=root\r\nX-Client-Verified: true\r\n\r\n",
    );
    assert.deepEqual(origin.valuesOf("x-client-subject"), []);
    assert.deepEqual(origin.valuesOf("x-client-verified"), ["false"]);
  });
});

describe("a session", { timeout: 60_000 }, () => {
  it("of one who showed a certificate is that one's when it is resumed", async (t) => {
    const first = await ask(t, required, { ...with_(certificates.client), maxVersion: "TLSv1.2" });
    const session = first.socket.getSession();
    origin.reset();
    const again = await ask(t, required, { session, maxVersion: "TLSv1.2" });
    assert.equal(again.socket.isSessionReused(), true);
    assert.deepEqual(origin.valuesOf("x-client-subject"), ["CN=client"]);
  });

  it("of a listener that asks nobody opens none that does", async (t) => {
    const first = await ask(t, open, { maxVersion: "TLSv1.2" });
    const session = first.socket.getSession();
    const same = await ask(t, open, { session, maxVersion: "TLSv1.2" });
    assert.equal(same.socket.isSessionReused(), true);
    const from = gateway.log.length;
    await assert.rejects(ask(t, required, { session, maxVersion: "TLSv1.2" }));
    await refused("the client sent no certificate", from);
    // Where a certificate may be missing, whoever it was is unknown.
    origin.reset();
    const other = await ask(t, optional, { session, maxVersion: "TLSv1.2" });
    assert.equal(other.socket.isSessionReused(), false);
  });
});
