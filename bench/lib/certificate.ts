// A certificate for the contestants of a benchmark, the same for all: P-256, for 127.0.0.1.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  /** Both in one, as HAProxy wants it. */
  readonly bothFile: string;
  /** PEM. It signed itself. */
  readonly cert: string;
}

export function makeCertificate(folder: string): Certificate {
  const [certFile, keyFile, bothFile] = ["cert.pem", "cert.key", "both.pem"].map((name) =>
    join(folder, name),
  );
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
      ...["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
      ...["-keyout", keyFile!, "-out", certFile!],
    ],
    { stdio: "ignore" },
  );
  const [cert, key] = [certFile!, keyFile!].map((file) => readFileSync(file, "utf8"));
  writeFileSync(bothFile!, `${cert}${key}`);
  return { certFile: certFile!, keyFile: keyFile!, bothFile: bothFile!, cert: cert! };
}
