// examples/tls, run as it is.

import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { ask } from "../http/client.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { makeCertificates, type TestCertificates } from "../support/certificates.ts";
import { TestGateway } from "../support/gateway.ts";
import { TlsTestClient } from "../tls/tls-client.ts";

let folder: string;
let certificates: TestCertificates;
let gateway: TestGateway;
let [plain, secure, clients] = [0, 0, 0];
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-example-tls-"));
  certificates = await makeCertificates(folder);
  await copyFile(certificates.ca.certFile, join(folder, "clients.pem"));
  gateway = await TestGateway.startExample("tls", {
    CERTIFICATES: folder,
    HTTPS_PORT: "0",
    CLIENTS_PORT: "0",
  });
  const { msg } = await gateway.logged((line) => line.msg.startsWith("listening on "));
  const ports = [...msg.matchAll(/:(\d+)(?=,|$)/g)].map(([, port]) => Number(port));
  [plain, secure, clients] = ports as [number, number, number];
});
after(async () => {
  await gateway.stop();
  await rm(folder, { recursive: true });
});

it("sends plain HTTP to https", async () => {
  const { answer } = await ask(plain, "GET /a?b=c HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert.equal(answer.status, 308);
  assert.deepEqual(valuesOf(answer.fields, "location"), [`https://localhost:${secure}/a?b=c`]);
});

it("answers over TLS, and says to stay there", async (t) => {
  const { ca } = certificates;
  const trusting = { ca: ca.cert, servername: "localhost", rejectUnauthorized: true };
  const client = await TlsTestClient.open(t, secure, trusting);
  const answer = await client.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "hello\n");
  assert.match(answer, /\r\nStrict-Transport-Security: max-age=600\r\n/);
  assert.match(answer, /\r\nX-Tls: TLSv1\.3 TLS_/);
});

it("lets clients with a certificate in, and says who they are", async (t) => {
  const { cert, key } = certificates.client;
  const client = await TlsTestClient.open(t, clients, { cert, key });
  const answer = await client.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "hello\n");
  assert.match(answer, /\r\nX-You-Are: CN=client\r\n/);
  const stranger = await TlsTestClient.open(t, clients);
  await assert.rejects(stranger.ask());
});
