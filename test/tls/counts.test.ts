// Handshakes are counted: those that were accepted, resumed, failed, and failed for the certificate of the client. Real
// gateway process, numbers of its admin API.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ask } from "../http/client.ts";
import { makeCertificates } from "../support/certificates.ts";
import { TestGateway } from "../support/gateway.ts";
import { TlsTestClient } from "./tls-client.ts";

test("handshakes are counted, each for what became of it", { timeout: 60_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "sluice-counts-"));
  t.after(() => rm(folder, { recursive: true }));
  const { server, ca, client: mine, otherClient } = await makeCertificates(folder);
  const gateway = await TestGateway.start(
    `ssl: { enabled: true, cert_file: ${server.certFile}, key_file: ${server.keyFile}, client_ca: ${ca.certFile} }
admin: { port: 0 }
routing: { all: { respond: { body: ok } } }
`,
  );
  t.after(() => gateway.stop("SIGKILL"));
  const { msg } = await gateway.logged((line) => line.msg.startsWith("admin API on "));
  const admin = Number(/:(\d+)$/.exec(msg)?.[1]);

  const known = { cert: mine.cert, key: mine.key, maxVersion: "TLSv1.2" } as const;
  const first = await TlsTestClient.open(t, gateway.port, known);
  await first.ask();
  const again = await TlsTestClient.open(t, gateway.port, { ...known, session: first.socket.getSession() });
  await again.ask();
  const stranger = { cert: otherClient.cert, key: otherClient.key };
  for (const options of [{}, stranger, { ...known, ciphers: "AES128-SHA" }]) {
    await assert.rejects(TlsTestClient.open(t, gateway.port, options).then((client) => client.ask()));
  }

  const { answer } = await ask(admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const counts = ["handshakes", "resumptions", "handshakes_failed", "client_certificates_refused"].map(
    (name) => {
      return Number(new RegExp(`^sluice_tls_${name}_total (\\d+)$`, "m").exec(answer.body)?.[1]);
    },
  );
  assert.deepEqual(counts, [2, 1, 3, 2]);
});
