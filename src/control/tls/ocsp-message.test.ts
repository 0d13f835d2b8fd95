// What is asked of OCSP responders and made of their answers, which OpenSSL gives. Runs in the test process.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  makeCertificate,
  makeCertificates,
  type TestCertificate,
} from "../../../test/support/certificates.ts";
import { OcspSubject } from "./ocsp-message.ts";

let folder: string;
let ca: TestCertificate;
let good: OcspSubject;
let revoked: OcspSubject;
let unknown: OcspSubject;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-ocsp-"));
  ({ ca } = await makeCertificates(folder));
  good = await subjectOf("good", "authorityInfoAccess=caIssuers;URI:http://a/,OCSP;URI:http://ocsp.test/x");
  revoked = await subjectOf("revoked");
  unknown = await subjectOf("unknown");
  writeFileSync(
    join(folder, "index"),
    `V\t351231235959Z\t\t${serialOf("good")}\tunknown\t/CN=a\nR\t351231235959Z\t260101000000Z\t${serialOf("revoked")}\tunknown\t/CN=b\n`,
  );
});
after(() => rmSync(folder, { recursive: true }));

async function subjectOf(name: string, extensions = ""): Promise<OcspSubject> {
  const { cert } = await makeCertificate(ca, folder, name, { extensions });
  const subject = OcspSubject.of(cert + ca.cert);
  assert.ok(subject !== null);
  return subject;
}

function serialOf(name: string): string {
  const args = ["x509", "-in", join(folder, `${name}.pem`), "-noout", "-serial"];
  return execFileSync("openssl", args, { encoding: "utf8" }).trim().replace("serial=", "");
}

function answerTo({ request }: OcspSubject): Buffer {
  const [asked, answered] = [join(folder, "request"), join(folder, "answer")];
  writeFileSync(asked, request);
  const own = [
    "-index",
    join(folder, "index"),
    "-rsigner",
    ca.certFile,
    "-rkey",
    ca.keyFile,
    "-CA",
    ca.certFile,
  ];
  execFileSync("openssl", ["ocsp", ...own, "-nmin", "60", "-reqin", asked, "-respout", answered], {
    stdio: "pipe",
  });
  return readFileSync(answered);
}

describe("an answer", () => {
  it("that a certificate is good holds to its end", () => {
    const answer = answerTo(good);
    const now = Date.now();
    const read = good.read(answer, now);
    assert.ok("untilMs" in read);
    assert.ok(Math.abs(read.untilMs - now - 3_600_000) < 60_000, `${read.untilMs - now}`);
    assert.deepEqual(good.read(answer, read.untilMs - 1), read);
    assert.deepEqual(good.read(answer, read.untilMs), { fault: "its answer is not of this time" });
    assert.deepEqual(good.read(answer, now - 600_000), { fault: "its answer is not of this time" });
  });

  it("that says anything else is not for clients", () => {
    const now = Date.now();
    assert.deepEqual(revoked.read(answerTo(revoked), now), { fault: "the certificate was revoked" });
    assert.deepEqual(unknown.read(answerTo(unknown), now), { fault: "it does not know the certificate" });
    assert.deepEqual(revoked.read(answerTo(good), now), { fault: "its answer is about another certificate" });
  });

  it("that is none is said to be none", () => {
    for (const answer of ["", "<html>", "0\x03\n\x01\x06"].map((text) => Buffer.from(text, "latin1"))) {
      assert.ok("fault" in good.read(answer, Date.now()));
    }
    const refused = good.read(Buffer.from("30030a0106", "hex"), Date.now());
    assert.deepEqual(refused, { fault: "it answers unauthorized" });
  });
});

describe("a certificate", () => {
  it("may name its responder", () => {
    assert.deepEqual([good.responder, revoked.responder], ["http://ocsp.test/x", null]);
  });

  it("without its authority cannot be asked about", async () => {
    const { cert } = await makeCertificate(ca, folder, "alone", {});
    assert.equal(OcspSubject.of(cert), null);
    assert.equal(OcspSubject.of(cert + cert), null);
  });
});
