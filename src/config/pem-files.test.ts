// Files with certificates and keys: which of them can be used, and why others cannot. Runs in the test process.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { PemFiles, type PemKind } from "./pem-files.ts";

describe("a PEM file", () => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-pem-"));
  after(() => rmSync(folder, { recursive: true }));

  function openssl(...args: string[]): string {
    return execFileSync("openssl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  }

  const parameters = openssl("ecparam", "-name", "prime256v1");
  const ecKey = openssl("ecparam", "-name", "prime256v1", "-genkey");
  const file = (text: string) => {
    const path = join(folder, `${++files}.pem`);
    writeFileSync(path, text);
    return path;
  };
  let files = 0;
  const ecFile = file(ecKey);
  const cert = openssl("req", "-x509", "-key", ecFile, "-subj", "/CN=a", "-days", "2");
  const plainKey = openssl("pkcs8", "-topk8", "-nocrypt", "-in", ecFile);
  const locked = openssl("pkcs8", "-topk8", "-passout", "pass:secret", "-in", ecFile);
  const lockedOld = openssl("ec", "-aes256", "-passout", "pass:secret", "-in", ecFile);
  const broken = cert.replace(/\n.{40}/, "\n");

  const TABLE: ReadonlyArray<readonly [what: string, kind: PemKind, text: string, fault: string | null]> = [
    ["a certificate", "CERTIFICATE", cert, null],
    ["a chain", "CERTIFICATE", cert + cert, null],
    ["a certificate with lines of Windows and words around it", "CERTIFICATE", `a\r\n${cert}b`, null],
    ["a certificate beside its key", "CERTIFICATE", plainKey + cert, null],
    ["a key", "PRIVATE KEY", plainKey, null],
    ["an EC key behind its parameters", "PRIVATE KEY", ecKey, null],
    ["a key beside its certificate", "PRIVATE KEY", cert + plainKey, null],
    ["a key as a certificate", "CERTIFICATE", plainKey, "expected a PEM file with a CERTIFICATE"],
    ["a certificate as a key", "PRIVATE KEY", cert, "expected a PEM file with a PRIVATE KEY"],
    ["the parameters of a key", "PRIVATE KEY", parameters, "expected a PEM file with a PRIVATE KEY"],
    ["nothing", "CERTIFICATE", "", "expected a PEM file with a CERTIFICATE"],
    [
      "a certificate without its end",
      "CERTIFICATE",
      cert.slice(0, -30),
      "expected a PEM file with a CERTIFICATE",
    ],
    ["a certificate that lacks a piece", "CERTIFICATE", broken, "expected a whole CERTIFICATE in the file"],
    [
      "a chain of which one lacks a piece",
      "CERTIFICATE",
      cert + broken,
      "expected a whole CERTIFICATE in the file",
    ],
    [
      "an empty certificate",
      "CERTIFICATE",
      "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
      "expected a whole CERTIFICATE in the file",
    ],
    ["a key with a passphrase", "PRIVATE KEY", locked, "expected a key without a passphrase"],
    ["an older key with a passphrase", "PRIVATE KEY", lockedOld, "expected a key without a passphrase"],
  ];
  for (const [what, kind, text, fault] of TABLE) {
    it(`with ${what} ${fault === null ? "can be used" : `is refused: ${fault}`}`, () => {
      const path = file(text);
      const pems = new PemFiles();
      assert.equal(pems.fault(path, kind), fault);
      if (fault === null) assert.equal(pems.text(path), text);
    });
  }

  it("is read once, so that what was checked is what is used", () => {
    const path = file(cert);
    const pems = new PemFiles();
    assert.equal(pems.fault(path, "CERTIFICATE"), null);
    rmSync(path);
    assert.equal(pems.text(path), cert);
    assert.equal(
      new PemFiles().fault(path, "CERTIFICATE"),
      "cannot read the file: there is none of this name",
    );
  });
});
