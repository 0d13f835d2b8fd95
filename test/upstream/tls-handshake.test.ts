// Handshakes with backends over TLS: which are good enough, and what is said of those that are not. Real gateway
// process, real TLS servers.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { TLSSocket, TlsOptions } from "node:tls";
import { ask } from "../http/client.ts";
import { makeCertificates, type TestCertificates } from "../support/certificates.ts";
import { TestGateway } from "../support/gateway.ts";
import { answering, RawBackend, type RawConnection } from "../support/raw.ts";
import { expiredCertificate, OK, TlsBackend } from "./tls-backend.ts";

const CONNECT_TIMEOUT_MS = 500;

let folder: string;
let certificates: TestCertificates;
let expired: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-tls-"));
  certificates = await makeCertificates(folder);
  expired = await expiredCertificate(folder, certificates);
});
after(() => rm(folder, { recursive: true }));

/** A case: its backend, and the inside of the backend's `tls` section, as YAML flow. */
interface Case {
  readonly title: string;
  /** Options of a TLS server, or a plain one. */
  readonly server: () => TlsOptions | ((connection: RawConnection) => unknown);
  readonly tls?: () => string;
  readonly host?: string;
}

/** Gateways with an upstream and a route for each case: `/0`, `/1`, … */
class Cases {
  readonly backends: Array<TlsBackend | RawBackend> = [];
  readonly #gateways: TestGateway[] = [];

  /** So many share a gateway: it logs no more than ten lines of a kind. */
  static readonly #together = 8;

  gatewayOf(index: number): TestGateway {
    return this.#gateways[Math.floor(index / Cases.#together)]!;
  }

  async start(cases: readonly Case[]): Promise<void> {
    for (let i = 0; i < cases.length; i += Cases.#together)
      await this.#startSome(cases.slice(i, i + Cases.#together));
  }

  async #startSome(cases: readonly Case[]): Promise<void> {
    const first = this.backends.length;
    const upstreams: string[] = [];
    const routes: string[] = [];
    for (const [at, { server, tls, host = "127.0.0.1" }] of cases.entries()) {
      const i = first + at;
      const kind = server();
      const backend =
        typeof kind === "function"
          ? await RawBackend.start(kind)
          : await TlsBackend.start({ ...own(), ...kind }, answering(OK));
      this.backends.push(backend);
      const settings = tls?.() ?? `${trusted()}, server_name: backend.test`;
      upstreams.push(
        `u${i}: [{ host: ${host}, port: ${backend.port}, scheme: https, tls: { ${settings} } }]`,
      );
      routes.push(`r${i}: { path: /${i}, upstream: u${i} }`);
    }
    const gateway = await TestGateway.start(`timeouts: { connect: ${CONNECT_TIMEOUT_MS}ms }
backends: { ${upstreams.join(", ")} }
routing: { ${routes.join(", ")} }
`);
    this.#gateways.push(gateway);
  }

  async stop(): Promise<void> {
    for (const gateway of this.#gateways) await gateway.stop("SIGKILL");
    for (const backend of this.backends) await backend.stop();
  }
}

/** The server's certificate and key. */
function own(): TlsOptions {
  const { cert, key } = certificates.server;
  return { cert, key };
}

function trusted(): string {
  return `ca_file: ${certificates.ca.certFile}`;
}

function withClientCertificate(of: "client" | "otherClient"): string {
  const { certFile, keyFile } = certificates[of];
  return `${trusted()}, server_name: backend.test, cert_file: ${certFile}, key_file: ${keyFile}`;
}

function wantsClientCertificate(version: "TLSv1.2" | "TLSv1.3"): TlsOptions {
  return { requestCert: true, ca: certificates.ca.cert, maxVersion: version };
}

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`;
}

describe("a handshake with a backend", { timeout: 120_000 }, () => {
  interface Failure extends Case {
    readonly says: RegExp;
    readonly code?: string;
  }
  const ofOther = () => ({ cert: certificates.otherServer.cert, key: certificates.otherServer.key });
  const FAILURES: readonly Failure[] = [
    {
      title: "whose certificate is of another authority",
      server: ofOther,
      says: /its certificate is of an unknown authority/,
    },
    {
      title: "whose chain ends at another authority",
      server: () => ({ ...ofOther(), cert: certificates.otherServer.cert + certificates.otherCa.cert }),
      says: /its certificate is of an unknown authority/,
    },
    {
      title: "whose certificate signed itself",
      server: () => ({ cert: certificates.otherCa.cert, key: certificates.otherCa.key }),
      says: /its certificate is self-signed/,
    },
    {
      title: "whose certificate is of no authority of the system",
      server: () => ({}),
      tls: () => "server_name: backend.test",
      says: /its certificate is of an unknown authority/,
    },
    {
      title: "whose certificate has expired",
      server: () => ({ cert: expired }),
      says: /its certificate has expired/,
    },
    {
      title: "whose certificate is for another name",
      server: () => ({}),
      tls: () => `${trusted()}, server_name: other.test`,
      says: /its certificate is for DNS:localhost, DNS:backend\.test, .+: expected "other\.test"/,
    },
    {
      title: "whose certificate is for another address",
      server: () => ({}),
      tls: () => `${trusted()}, server_name: 192.0.2.1`,
      says: /IP Address:127\.0\.0\.1.+: expected "192\.0\.2\.1"/,
    },
    {
      title: "whose certificate is that of a client",
      server: () => ({ cert: certificates.client.cert, key: certificates.client.key }),
      tls: () => `${trusted()}, server_name: client`,
      says: /its certificate is not one for servers/,
    },
    {
      title: "that wants a client certificate and gets none (TLS 1.2)",
      server: () => wantsClientCertificate("TLSv1.2"),
      says: /it wants a client certificate/,
    },
    {
      title: "that wants a client certificate and gets none (TLS 1.3)",
      server: () => wantsClientCertificate("TLSv1.3"),
      says: /it wants a client certificate/,
    },
    {
      title: "that wants a client certificate and gets one of another authority",
      server: () => wantsClientCertificate("TLSv1.2"),
      tls: () => withClientCertificate("otherClient"),
      says: /it closed the connection in the handshake/,
    },
    {
      title: "that speaks no newer TLS than 1.1",
      server: () => ({ minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" }),
      says: /it speaks no version of TLS from 1\.2 on/,
    },
    {
      title: "that speaks HTTP/2 only",
      server: () => ({ ALPNProtocols: ["h2"] }),
      says: /it speaks none of the protocols that were offered \(ALPN\)/,
    },
    {
      title: "that speaks plain HTTP",
      server: () => (connection) => connection.socket.once("data", () => connection.write(OK)),
      says: /it does not speak TLS/,
    },
    {
      title: "that speaks first, and something else",
      server: () => (connection) => connection.write("220 mail.test ready\r\n"),
      says: /it does not speak TLS/,
    },
    {
      title: "that ends in it",
      server: () => (connection) => connection.socket.once("data", () => connection.socket.end()),
      says: /it closed the connection in the handshake/,
    },
    {
      title: "that is reset in it",
      server: () => (connection) => connection.socket.once("data", () => connection.socket.resetAndDestroy()),
      says: /it closed the connection in the handshake/,
    },
    {
      title: "that goes nowhere",
      server: () => () => {},
      says: /did not finish the TLS handshake in time/,
      code: "connect_timeout",
    },
  ];

  const failures = new Cases();
  before(() => failures.start(FAILURES));
  after(() => failures.stop());

  for (const [i, { title, says, code = "connect_failed" }] of FAILURES.entries()) {
    it(`${title} fails, and the log says why`, async () => {
      const gateway = failures.gatewayOf(i);
      const startedAt = performance.now();
      const { answer } = await ask(gateway.port, get(`/${i}`));
      const tookMs = performance.now() - startedAt;
      assert.equal(answer.status, code === "connect_failed" ? 502 : 504);
      assert.doesNotMatch(answer.body, /certificate|TLS/);
      const line = await gateway.logged((entry) => entry["path"] === `/${i}`);
      assert.equal(line["code"], code);
      assert.match(line.msg, says);
      assert.ok(!line.msg.includes("\n"), line.msg);
      if (code === "connect_timeout") assert.ok(tookMs >= CONNECT_TIMEOUT_MS, `${tookMs} ms`);
      assert.ok(tookMs < 10 * CONNECT_TIMEOUT_MS, `${tookMs} ms`);
      const [connection] = failures.backends[i]!.connections;
      if (connection !== undefined) assert.doesNotMatch(connection.text, /HTTP/);
    });
  }

  interface Success extends Case {
    readonly check?: (socket: TLSSocket) => void;
  }
  const SUCCESSES: readonly Success[] = [
    {
      title: "names the backend, offers HTTP/1.1 alone, and takes the newest TLS",
      server: () => ({ ALPNProtocols: ["h2", "http/1.1"] }),
      check: (socket) => {
        const { servername, alpnProtocol } = socket as TLSSocket & { servername: string };
        assert.deepEqual(
          [servername, alpnProtocol, socket.getProtocol()],
          ["backend.test", "http/1.1", "TLSv1.3"],
        );
      },
    },
    {
      title: "names the host of the file, where nothing else is said",
      server: () => ({}),
      tls: trusted,
      host: "localhost",
      check: (socket) =>
        assert.equal((socket as TLSSocket & { servername: unknown }).servername, "localhost"),
    },
    {
      title: "checks the certificate for an address, and names none",
      server: () => ({}),
      tls: trusted,
      check: (socket) => assert.equal((socket as TLSSocket & { servername: unknown }).servername, false),
    },
    {
      title: "works without ALPN and with TLS 1.2",
      server: () => ({ maxVersion: "TLSv1.2" }),
      check: (socket) => assert.deepEqual([socket.alpnProtocol, socket.getProtocol()], [false, "TLSv1.2"]),
    },
    {
      title: "shows the client certificate (TLS 1.2)",
      server: () => wantsClientCertificate("TLSv1.2"),
      tls: () => withClientCertificate("client"),
      check: (socket) => assert.equal(socket.getPeerCertificate().subject.CN, "client"),
    },
    {
      title: "shows the client certificate (TLS 1.3)",
      server: () => wantsClientCertificate("TLSv1.3"),
      tls: () => withClientCertificate("client"),
      check: (socket) => assert.equal(socket.getPeerCertificate().subject.CN, "client"),
    },
    {
      title: "takes a certificate that signed itself, where it is the one that is trusted",
      server: () => ({ cert: certificates.otherCa.cert, key: certificates.otherCa.key }),
      tls: () => "verify: false",
    },
    {
      title: "takes an expired certificate for another name, where none is verified",
      server: () => ({ cert: expired }),
      tls: () => "verify: false, server_name: other.test",
      check: (socket) =>
        assert.equal((socket as TLSSocket & { servername: unknown }).servername, "other.test"),
    },
  ];

  const successes = new Cases();
  before(() => successes.start(SUCCESSES));
  after(() => successes.stop());

  for (const [i, { title, check }] of SUCCESSES.entries()) {
    it(title, async () => {
      const { answer } = await ask(successes.gatewayOf(i).port, get(`/${i}`));
      assert.deepEqual([answer.status, answer.body], [200, "ok"]);
      const [socket] = (successes.backends[i] as TlsBackend).sockets;
      check?.(socket!);
    });
  }
});

describe("backends over TLS", { timeout: 120_000 }, () => {
  it("are trusted where the system trusts their authority", async (t) => {
    const backend = await TlsBackend.start(own(), answering(OK));
    t.after(() => backend.stop());
    const gateway = await TestGateway.start(
      `backends: { u: [{ host: 127.0.0.1, port: ${backend.port}, scheme: https }] }
routing: { all: { upstream: u } }`,
      { env: { SSL_CERT_FILE: certificates.ca.certFile, SSL_CERT_DIR: folder } },
    );
    t.after(() => gateway.stop("SIGKILL"));
    assert.equal((await ask(gateway.port, get("/"))).answer.status, 200);
  });

  it("are passed over when their handshake fails, whatever the request", async (t) => {
    const bad = await TlsBackend.start(
      { cert: certificates.otherServer.cert, key: certificates.otherServer.key },
      answering(OK),
    );
    t.after(() => bad.stop());
    const good = await TlsBackend.start(own(), answering(OK));
    t.after(() => good.stop());
    const [first, second] = [bad, good].map(
      ({ port }) => `{ host: 127.0.0.1, port: ${port}, scheme: https, tls: { ${trusted()} } }`,
    );
    const gateway = await TestGateway.start(`backends: { u: [${first}, ${second}] }
routing: { all: { upstream: u } }`);
    t.after(() => gateway.stop("SIGKILL"));
    for (let i = 0; i < 4; i++) {
      const post = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody";
      assert.equal((await ask(gateway.port, post)).answer.status, 200);
    }
    assert.deepEqual([bad.connections.map(({ length }) => length).some((length) => length > 0)], [false]);
    assert.equal(
      good.connections
        .map(({ text }) => text)
        .join("")
        .match(/POST/g)?.length,
      4,
    );
  });
});
