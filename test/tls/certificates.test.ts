// Which certificate a client is shown, by the name it asks for, and what listeners may have of their own. Real gateway
// process; clients are those of Node, OpenSSL and curl.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { makeCertificate, makeCertificates, type TestCertificates } from "../support/certificates.ts";
import { TestGateway } from "../support/gateway.ts";
import { RawConnection } from "../support/raw.ts";
import { TlsTestClient } from "./tls-client.ts";

const run = promisify(execFile);
const RSA = ["-newkey", "rsa:2048", "-nodes"];

let folder: string;
let certificates: TestCertificates;
let gateway: TestGateway;
/** Of the listeners: as `ssl` says, with TLS 1.3 only, with another certificate and TLS 1.2 only, plain. */
let ports: readonly number[];
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-sni-"));
  certificates = await makeCertificates(folder, "default.test");
  const { ca, server, otherServer } = certificates;
  const exact = await makeCertificate(ca, folder, "exact", {
    extensions: "subjectAltName=DNS:www.example.test",
  });
  const wild = await makeCertificate(ca, folder, "wild", {
    extensions: "subjectAltName=DNS:*.example.test,DNS:example.test",
    key: RSA,
  });
  const pairs = [wild, exact].map(
    ({ certFile, keyFile }) => `{ cert_file: ${certFile}, key_file: ${keyFile} }`,
  );
  gateway = await TestGateway.start(
    `ssl: { enabled: true, cert_file: ${server.certFile}, key_file: ${server.keyFile}, certificates: [${pairs}] }
routing: { all: { respond: { body: "ok" } } }
`,
    {
      server: `listeners: [
        { host: 127.0.0.1, port: 0 },
        { host: 127.0.0.1, port: 0, ssl: { min_version: 1.3, curves: P-256 } },
        { host: 127.0.0.1, port: 0, ssl: { cert_file: ${otherServer.certFile}, key_file: ${otherServer.keyFile},
            max_version: 1.2, ciphers: ECDHE-ECDSA-AES256-GCM-SHA384 } },
        { host: 127.0.0.1, port: 0, tls: false }]`,
    },
  );
  const { msg } = await gateway.logged((line) => line.msg.startsWith("listening on "));
  assert.match(msg, /^listening on https:\S+, https:\S+, https:\S+, http:\S+$/);
  ports = [...msg.matchAll(/:(\d+)(?=,|$)/g)].map(([, port]) => Number(port));
});
after(async () => {
  await gateway.stop("SIGKILL");
  await rm(folder, { recursive: true });
});

describe("a client that asks for", { timeout: 60_000 }, () => {
  const NAMES: ReadonlyArray<readonly [name: string, shown: string]> = [
    ["default.test", "default.test"],
    ["unknown.test", "default.test"],
    ["example.test", "wild"],
    ["a.example.test", "wild"],
    ["A.EXAMPLE.TEST", "wild"],
    ["www.example.test", "exact"],
    ["b.a.example.test", "default.test"],
    ["notexample.test", "default.test"],
  ];
  for (const [name, shown] of NAMES) {
    it(`${name} is shown ${shown}`, async (t) => {
      const { socket } = await TlsTestClient.open(t, ports[0]!, { servername: name });
      assert.equal(socket.getPeerCertificate().subject.CN, shown);
    });
  }

  it("nothing is shown the default", async (t) => {
    const { socket } = await TlsTestClient.open(t, ports[0]!);
    assert.equal(socket.getPeerCertificate().subject.CN, "default.test");
  });
});

describe("a listener of its own", { timeout: 60_000 }, () => {
  it("may have other versions and curves", async (t) => {
    const client = await TlsTestClient.open(t, ports[1]!, { ecdhCurve: "X25519:P-256" });
    assert.equal(client.socket.getProtocol(), "TLSv1.3");
    assert.deepEqual(client.socket.getPeerCertificate().subject.CN, "default.test");
    await assert.rejects(
      TlsTestClient.open(t, ports[1]!, { maxVersion: "TLSv1.2" }),
      /alert protocol version/,
    );
    await assert.rejects(
      TlsTestClient.open(t, ports[1]!, { ecdhCurve: "X25519" }),
      /alert handshake failure/,
    );
  });

  it("may have another certificate, and ciphers", async (t) => {
    const client = await TlsTestClient.open(t, ports[2]!, { servername: "www.example.test" });
    const { socket } = client;
    assert.equal(socket.getProtocol(), "TLSv1.2");
    assert.equal(socket.getCipher().name, "ECDHE-ECDSA-AES256-GCM-SHA384");
    assert.equal(socket.getPeerX509Certificate()?.issuer, "CN=other-ca");
    assert.match(await client.ask(), /^HTTP\/1\.1 200 /);
    await assert.rejects(
      TlsTestClient.open(t, ports[2]!, { ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" }),
      /alert handshake failure/,
    );
  });

  it("may be plain", async (t) => {
    const client = await RawConnection.connect(ports[3]!);
    t.after(() => client.destroy());
    client.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    await client.until("\r\n\r\nok");
  });
});

describe("what clients of other makers see", { timeout: 60_000 }, () => {
  for (const [flag, fits] of [
    ["--tlsv1.2", true],
    ["--tlsv1.3", true],
  ] as const) {
    it(`curl ${flag}, which looks at the certificate`, async () => {
      const { certFile } = certificates.ca;
      const address = `https://www.example.test:${ports[0]}/`;
      const resolve = ["--resolve", `www.example.test:${ports[0]}:127.0.0.1`];
      const { stdout } = await run("curl", ["-sS", flag, "--cacert", certFile, ...resolve, address]);
      assert.equal(stdout === "ok", fits);
    });
  }

  it("curl does not take it for another name", async () => {
    const resolve = ["--resolve", `unknown.test:${ports[0]}:127.0.0.1`];
    const asked = run("curl", [
      "-sS",
      "--cacert",
      certificates.ca.certFile,
      ...resolve,
      `https://unknown.test:${ports[0]}/`,
    ]);
    await assert.rejects(asked, { code: 60 });
  });

  for (const version of ["tls1", "tls1_1"]) {
    it(`openssl does not get through with ${version}`, async () => {
      // Security level 0, or OpenSSL would not even try.
      const args = [
        "s_client",
        "-connect",
        `127.0.0.1:${ports[0]}`,
        `-${version}`,
        "-cipher",
        "DEFAULT@SECLEVEL=0",
      ];
      await assert.rejects(run("openssl", args), /alert protocol version/);
    });
  }
});

describe("what is no TLS", { timeout: 60_000 }, () => {
  it("gets an answer if it is HTTP", async (t) => {
    const client = await RawConnection.connect(ports[0]!);
    t.after(() => client.destroy());
    client.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert.match(await client.untilEnd(), /^HTTP\/1\.1 400 Bad Request\r\n.*"code":"plain_http"/s);
    await gateway.logged(({ msg }) => msg === "TLS handshake failed: the client speaks plain HTTP");
  });

  it("is closed if it is something else", async (t) => {
    const client = await RawConnection.connect(ports[0]!);
    t.after(() => client.destroy());
    client.write(Buffer.alloc(64, 0xff));
    await client.untilGone();
    await gateway.logged(({ msg }) => msg === "TLS handshake failed: the client does not speak TLS");
  });

  it("is not spoken of if it is nothing at all", async (t) => {
    const before = gateway.log.length;
    const client = await RawConnection.connect(ports[0]!);
    t.after(() => client.destroy());
    client.socket.end();
    await client.untilGone();
    const other = await TlsTestClient.open(t, ports[0]!);
    await other.ask();
    assert.deepEqual(gateway.log.slice(before), []);
  });
});
