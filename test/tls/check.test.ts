// What `sluice check` says of certificates: those that cannot be used, that end soon, or are for other hosts. Runs in the
// test process and, once, in the real program.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { expiryWarning, namesOf } from "../../src/config/certificates.ts";
import {
  makeCertificate,
  makeCertificates,
  type TestCertificate,
  type TestCertificates,
} from "../support/certificates.ts";
import { problemsOf, warningsOf } from "../support/loading.ts";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;
const DAY_MS = 86_400_000;
const ROUTES = "routing: { all: { respond: { body: ok } } }";

let folder: string;
let certificates: TestCertificates;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-check-"));
  certificates = await makeCertificates(folder, "www.example.test");
});
after(() => rm(folder, { recursive: true }));

function sslOf(cert: string, key: string, more = ""): string {
  return `ssl: { enabled: true, cert_file: ${cert}, key_file: ${key}, ${more} }\n`;
}

function sslWith({ certFile, keyFile }: TestCertificate): string {
  return sslOf(certFile, keyFile);
}

describe("a pair", () => {
  it("that fits is used", () => {
    assert.deepEqual(problemsOf(sslWith(certificates.server)), []);
    assert.deepEqual(warningsOf(sslWith(certificates.server) + ROUTES), []);
  });

  it("that does not fit is refused", () => {
    const { server, otherServer } = certificates;
    assert.match(
      problemsOf(sslOf(server.certFile, otherServer.keyFile)).join("\n"),
      /^x\.yaml:1:\d+: ssl\.key_file: cannot use ".*": expected the key of the certificate: it belongs to another one$/,
    );
  });

  it("whose key is none is refused, and the key not quoted", async () => {
    const file = join(folder, "broken.key");
    await writeFile(file, "-----BEGIN PRIVATE KEY-----\nMAhzZWNyZXQhIQ==\n-----END PRIVATE KEY-----\n");
    const [problem = "", ...others] = problemsOf(sslOf(certificates.server.certFile, file));
    assert.deepEqual(others, []);
    assert.match(problem, /ssl\.key_file: cannot use ".*broken\.key": expected a private key$/);
  });

  it("in a list is looked at too, and that of a listener", () => {
    const { server, otherServer } = certificates;
    const wrong = `cert_file: ${server.certFile}, key_file: ${otherServer.keyFile}`;
    const list = sslOf(server.certFile, server.keyFile, `certificates: [{ ${wrong} }]`);
    assert.match(problemsOf(list).join("\n"), /: ssl\.certificates\[0\]\.key_file: /);
    const listener = `server: { listeners: [{ host: a, port: 1, ssl: { ${wrong} } }] }`;
    assert.match(problemsOf(listener).join("\n"), /: server\.listeners\[0\]\.ssl\.key_file: /);
  });
});

describe("a warning", () => {
  it("is about a certificate that has expired", async () => {
    const old = await makeCertificate(certificates.ca, folder, "old", { days: -1 });
    assert.match(
      warningsOf(sslWith(old) + ROUTES).join("\n"),
      /ssl\.cert_file: this certificate expired on 20/,
    );
  });

  it("is about one that ends soon", async () => {
    const soon = await makeCertificate(certificates.ca, folder, "soon", { days: 3 });
    assert.match(
      warningsOf(sslWith(soon) + ROUTES).join("\n"),
      /this certificate expires on .*, in [23] days$/,
    );
  });

  it("is about the time of a certificate, to the moment", () => {
    const leaf = new X509Certificate(certificates.server.cert);
    const [from, to] = [leaf.validFromDate.getTime(), leaf.validToDate.getTime()];
    const CASES: ReadonlyArray<readonly [nowMs: number, warning: RegExp | null]> = [
      [from - 1, /is not valid before/],
      [from, null],
      [to - 30 * DAY_MS - 1, null],
      [to - 30 * DAY_MS, /expires on .*, in 30 days$/],
      [to - DAY_MS, /, in 1 day$/],
      [to - 1, /, in less than a day$/],
      [to, /expired on/],
    ];
    for (const [nowMs, warning] of CASES) {
      const found = expiryWarning(leaf, nowMs);
      if (warning === null) assert.equal(found, null);
      else assert.match(found ?? "", warning);
    }
  });

  it("is about one that no route has a host for", () => {
    const ssl = sslWith(certificates.server);
    const CASES: ReadonlyArray<readonly [hosts: string, warned: boolean]> = [
      ["www.example.test", false],
      ["WWW.EXAMPLE.TEST", false],
      ['"*.example.test"', false],
      ["[other.test, localhost]", false],
      ["[other.test, example.test]", true],
      ['"*.other.test"', true],
    ];
    for (const [hosts, warned] of CASES) {
      const found = warningsOf(`${ssl}routing: { all: { hosts: ${hosts}, respond: { body: ok } } }`);
      assert.equal(found.length, warned ? 1 : 0, hosts);
    }
    const names = "localhost, www.example.test";
    const [warning = ""] = warningsOf(`${ssl}routing: { all: { hosts: a.test, respond: { body: ok } } }`);
    assert.match(warning, new RegExp(`: no route is for a host of this certificate \\(${names}\\)$`));
  });

  it("is about HSTS that nobody sees, and that no list takes", () => {
    const unseen = `ssl: { hsts: {} }\n${ROUTES}`;
    assert.deepEqual(warningsOf(unseen), ["x.yaml:1:8: ssl.hsts: not used: no listener speaks TLS"]);
    const { certFile, keyFile } = certificates.server;
    const listed = sslOf(
      certFile,
      keyFile,
      "hsts: { preload: true, max_age: 600, include_subdomains: true }",
    );
    assert.match(
      warningsOf(listed + ROUTES).join("\n"),
      /ssl\.hsts\.preload: the lists take no host without/,
    );
  });
});

describe("the names of a certificate", () => {
  it("are those that it is for, however they are written", async () => {
    const extensions = "subjectAltName=DNS:A.test,DNS:*.b.test,IP:127.0.0.1,email:x@y.test";
    const { cert } = await makeCertificate(certificates.ca, folder, "names", { extensions });
    assert.deepEqual(namesOf(new X509Certificate(cert)), ["a.test", "*.b.test"]);
  });

  it("are that of its subject where it has no others", async () => {
    const { cert } = await makeCertificate(certificates.ca, folder, "old-style", {
      subject: "/O=x/CN=Old.test",
    });
    assert.deepEqual(namesOf(new X509Certificate(cert)), ["old.test"]);
  });

  it("are none of what only looks like one", () => {
    const names = (subjectAltName: string) => namesOf({ subject: "", subjectAltName } as X509Certificate);
    assert.deepEqual(names('DNS:"a.test, DNS:evil.test, x", DNS:b.test'), ["b.test"]);
    assert.deepEqual(names("URI:DNS:evil.test"), []);
  });
});

it("the program says so, with its exit code", async () => {
  const file = join(folder, "sluice.yaml");
  const { server, otherServer } = certificates;
  await writeFile(file, sslOf(server.certFile, otherServer.keyFile));
  const { status, stderr } = spawnSync(process.execPath, [MAIN, "check", "-c", file], { encoding: "utf8" });
  assert.equal(status, 1);
  assert.match(stderr, /it belongs to another one/);
});
