// Clients of plain HTTP are sent to https, and the others are told to stay there. Real gateway processes.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ask } from "../http/client.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { makeCertificates, type TestCertificates } from "../support/certificates.ts";
import { TestGateway } from "../support/gateway.ts";
import { TlsTestClient } from "./tls-client.ts";

const ROUTES = `routing:
  all: { respond: { body: "ok" } }
  own: { path: /own, respond: { body: "ok", headers: { Strict-Transport-Security: max-age=1 } } }
`;

let folder: string;
let certificates: TestCertificates;
let gateway: TestGateway;
let [plain, secure] = [0, 0];
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-https-"));
  certificates = await makeCertificates(folder);
  gateway = await TestGateway.start(configuration("hsts: { max_age: 600, include_subdomains: true }"), {
    server: `listeners: [{ host: 127.0.0.1, port: 0, tls: false }, { host: 127.0.0.1, port: 0 }], trusted_proxies: [127.0.0.2]`,
  });
  const { msg } = await gateway.logged((line) => line.msg.startsWith("listening on "));
  [plain, secure] = [...msg.matchAll(/:(\d+)(?=,|$)/g)].map(([, port]) => Number(port)) as [number, number];
});
after(async () => {
  await gateway.stop("SIGKILL");
  await rm(folder, { recursive: true });
});

function configuration(more: string): string {
  const { certFile, keyFile } = certificates.server;
  return `ssl: { enabled: true, cert_file: ${certFile}, key_file: ${keyFile}, redirect_http: true, ${more} }\n${ROUTES}`;
}

async function locationOf(request: string, port = plain): Promise<string | undefined> {
  const { answer } = await ask(port, request);
  assert.equal(answer.status, 308);
  return valuesOf(answer.fields, "location")[0];
}

describe("a plain listener", { timeout: 60_000 }, () => {
  const REQUESTS: ReadonlyArray<readonly [request: string, location: string]> = [
    ["GET /a/b?c=d HTTP/1.1\r\nHost: www.test\r\n\r\n", "https://www.test:PORT/a/b?c=d"],
    ["GET / HTTP/1.1\r\nHost: www.test:8080\r\n\r\n", "https://www.test:PORT/"],
    ["GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "https://[::1]:PORT/"],
    [
      "GET /.well-known/acme-challenge HTTP/1.1\r\nHost: a\r\n\r\n",
      "https://a:PORT/.well-known/acme-challenge",
    ],
    ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "https://a:PORT/"],
  ];
  for (const [request, location] of REQUESTS) {
    it(`sends ${JSON.stringify(request.split("\r\n\r\n")[0])} to https`, async () => {
      assert.equal(await locationOf(request), location.replace("PORT", `${secure}`));
    });
  }

  it("lets an authority look for its challenge", async () => {
    const { answer } = await ask(plain, "GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.equal(answer.status, 200);
    assert.deepEqual(valuesOf(answer.fields, "strict-transport-security"), []);
  });

  it("does not believe everybody that it was https", async () => {
    const claims = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n";
    assert.equal(await locationOf(claims), `https://a:${secure}/`);
  });
});

describe("a TLS listener", { timeout: 60_000 }, () => {
  it("tells clients to stay, also with an error", async (t) => {
    const client = await TlsTestClient.open(t, secure);
    for (const path of ["/", "/none"]) {
      const answer = await client.ask(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`, "ok");
      assert.match(answer, /\r\nStrict-Transport-Security: max-age=600; includeSubDomains\r\n/);
    }
  });

  it("leaves alone what is there", async (t) => {
    const client = await TlsTestClient.open(t, secure);
    const answer = await client.ask("GET /own HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.deepEqual(answer.match(/Strict-Transport-Security: [^\r]*/g), [
      "Strict-Transport-Security: max-age=1",
    ]);
  });
});

describe("a redirection", { timeout: 60_000 }, () => {
  it("may go to another port, of which 443 is not written; and a trusted proxy is believed", async () => {
    gateway.configure(configuration("redirect_port: 443"), {
      server: `listeners: [{ host: 127.0.0.1, port: 0, tls: false }, { host: 127.0.0.1, port: 0 }], trusted_proxies: [127.0.0.1]`,
    });
    await gateway.reload();
    assert.equal(await locationOf("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "https://a/");
    const { answer } = await ask(plain, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n");
    assert.equal(answer.status, 200);
  });
});
