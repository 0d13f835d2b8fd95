// What listeners keep of TLS from one snapshot to the next. Runs in the test process.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeCertificates, type TestCertificate } from "../../../test/support/certificates.ts";
import type { ListenerTls } from "../../config/snapshot.ts";
import { TlsServer } from "./server.ts";
import { TlsState } from "./state.ts";

const STATE = new TlsState({ ticketKeys: Buffer.alloc(48, 1), staples: [] });
const PROTOCOLS = ["h2", "http/1.1"];

function tlsOf({ certFile: file, cert, key }: TestCertificate): ListenerTls {
  return {
    certificates: [{ file, cert, key, names: ["a.test"], id: "a" }],
    minVersion: "TLSv1.2",
    maxVersion: "TLSv1.3",
    ciphers: "TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256",
    curves: "X25519",
    client: null,
  };
}

test("a server is for the same settings in another object, and for no others", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-server-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const { server: pair, otherServer, ca } = await makeCertificates(folder);
  const spec = tlsOf(pair);
  const server = new TlsServer(spec, PROTOCOLS, STATE);
  assert.equal(server.isFor(structuredClone(spec), [...PROTOCOLS]), true);
  assert.equal(server.isFor(spec, ["http/1.1"]), false);
  for (const other of [
    tlsOf(otherServer),
    { ...spec, minVersion: "TLSv1.3" } as const,
    { ...spec, client: { ca: ca.cert, required: true } },
    { ...spec, certificates: [...spec.certificates, ...spec.certificates] },
  ])
    assert.equal(server.isFor(other, PROTOCOLS), false);
});

test("a pair that OpenSSL does not take is named, without a word of the key", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-server-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const { server: pair, otherServer } = await makeCertificates(folder);
  const mixed = tlsOf({ ...pair, key: otherServer.key });
  assert.throws(
    () => new TlsServer(mixed, PROTOCOLS, STATE),
    /^Error: cannot use the certificate ".*server\.pem": /,
  );
});
