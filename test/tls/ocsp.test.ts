// OCSP stapling: a responder of OpenSSL says of certificates that they are good, and clients of OpenSSL see it in the
// handshake. Real gateway process, real responder.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import {
  makeCertificate,
  makeCertificates,
  type TestCertificate,
  type TestCertificates,
} from "../support/certificates.ts";
import { TestGateway } from "../support/gateway.ts";

const run = promisify(execFile);

let folder: string;
let certificates: TestCertificates;
let responder: Server;
/** Requests that came to it. */
let asked = 0;
let gateway: TestGateway;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-ocsp-"));
  certificates = await makeCertificates(folder);
  responder = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
    response.end(await answer(Buffer.concat(pieces)));
  }).listen(0, "127.0.0.1");
  await once(responder, "listening");
});
after(async () => {
  responder.close();
  await rm(folder, { recursive: true });
});

/** A certificate for `name` that names the responder, with its authority behind it. */
async function certificateFor(
  name: string,
  more = "",
): Promise<TestCertificate & { readonly serial: string }> {
  const { ca } = certificates;
  const extensions = `subjectAltName=DNS:${name}\n${more}`;
  const made = await makeCertificate(ca, folder, name, { extensions });
  await writeFile(made.certFile, made.cert + ca.cert);
  const { stdout } = await run("openssl", ["x509", "-in", made.certFile, "-noout", "-serial"]);
  return { ...made, serial: stdout.trim().replace("serial=", "") };
}

/** Writes down what the authority knows: `V` for a good certificate, `R` for one that was revoked. */
async function writeIndex(known: ReadonlyArray<readonly [state: "V" | "R", serial: string]>): Promise<void> {
  const lines = known.map(([state, serial]) => {
    return `${state}\t351231235959Z\t${state === "R" ? "260101000000Z" : ""}\t${serial}\tunknown\t/CN=${serial}`;
  });
  await writeFile(join(folder, "index.txt"), `${lines.join("\n")}\n`);
}

/** That of OpenSSL listens on every address of the machine, so this one listens, and has OpenSSL answer. */
async function answer(body: Buffer): Promise<Buffer> {
  const base = join(folder, `request-${asked++}`);
  await writeFile(`${base}.der`, body);
  const { certFile, keyFile } = certificates.ca;
  const own = ["-index", join(folder, "index.txt"), "-rsigner", certFile, "-rkey", keyFile, "-CA", certFile];
  const answering = run("openssl", [
    "ocsp",
    ...own,
    "-nmin",
    "60",
    "-reqin",
    `${base}.der`,
    "-respout",
    `${base}.out`,
  ]);
  answering.child.stdin?.end();
  await answering;
  return await readFile(`${base}.out`);
}

/** What OpenSSL says of the OCSP response in a handshake. */
async function statusOf(name: string, version = "tls1_3"): Promise<string> {
  const args = ["-connect", `127.0.0.1:${gateway.port}`, "-servername", name, "-status", `-${version}`];
  const asking = run("openssl", ["s_client", ...args, "-CAfile", certificates.ca.certFile]);
  // It has nothing to say after the handshake.
  asking.child.stdin?.end();
  const { stdout } = await asking;
  return stdout;
}

/** Responses are asked for when the gateway serves already. */
async function untilStapled(name: string, version: string): Promise<string> {
  for (;;) {
    const status = await statusOf(name, version);
    if (status.includes("OCSP Response Status: successful")) return status;
  }
}

describe("OCSP stapling", { timeout: 60_000 }, () => {
  let good: TestCertificate;
  before(async () => {
    const { port } = responder.address() as AddressInfo;
    const aia = `authorityInfoAccess=OCSP;URI:http://127.0.0.1:${port}/ocsp`;
    const first = await certificateFor("good.test", aia);
    const second = await certificateFor("second.test", aia);
    const revoked = await certificateFor("revoked.test", aia);
    const unknown = await certificateFor("silent.test");
    good = first;
    await writeIndex([
      ["V", first.serial],
      ["V", second.serial],
      ["R", revoked.serial],
    ]);
    const pairs = [second, revoked, unknown].map(({ certFile, keyFile }) => {
      return `{ cert_file: ${certFile}, key_file: ${keyFile} }`;
    });
    gateway = await TestGateway.start(
      `ssl: { enabled: true, cert_file: ${first.certFile}, key_file: ${first.keyFile}, certificates: [${pairs}] }
routing: { all: { respond: { body: ok } } }
`,
    );
  });
  after(() => gateway.stop("SIGKILL"));

  for (const version of ["tls1_2", "tls1_3"]) {
    it(`gives clients of ${version} the response of their certificate`, async () => {
      for (const name of ["good.test", "second.test"]) {
        const status = await untilStapled(name, version);
        assert.match(status, /Cert Status: good/);
        assert.match(status, /Verify return code: 0 \(ok\)/);
      }
    });
  }

  it("gives none of a certificate that was revoked, and says so", async () => {
    const line = await gateway.logged(({ msg }) => msg.includes("revoked.test"));
    assert.match(line.msg, /^no OCSP response for ".*revoked\.test\.pem": the certificate was revoked$/);
    assert.match(await statusOf("revoked.test"), /OCSP response: no response sent/);
  });

  it("gives none of a certificate that names no responder", async () => {
    assert.match(await statusOf("silent.test"), /OCSP response: no response sent/);
  });

  it("keeps what is known when the responder has gone, also over a reload", async () => {
    responder.close();
    await gateway.reload();
    assert.match(await statusOf("good.test"), /Cert Status: good/);
  });

  it("can be turned off", async () => {
    const { certFile, keyFile } = good;
    await gateway.adopt(
      `ssl: { enabled: true, cert_file: ${certFile}, key_file: ${keyFile}, ocsp: { enabled: false } }
routing: { all: { respond: { body: ok } } }
`,
    );
    // The data threads hear of it by a message of its own.
    while (!/OCSP response: no response sent/.test(await statusOf("good.test")));
  });
});
