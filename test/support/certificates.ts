// Throwaway certificates for tests, made by the `openssl` program: an authority, what it signed, and another authority.

import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** PEM, and the files that it is in. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export interface TestCertificates {
  readonly ca: TestCertificate;
  /** For `localhost`, `127.0.0.1`, `::1` and the name that was asked for. */
  readonly server: TestCertificate;
  /** For clients alone; its subject is `CN=client`. */
  readonly client: TestCertificate;
  /** An authority that signed none of these. */
  readonly otherCa: TestCertificate;
  /** As `server`, of `otherCa`. */
  readonly otherServer: TestCertificate;
  /** As `client`, of `otherCa`. */
  readonly otherClient: TestCertificate;
}

/** Writes the files into `folder`, which the caller takes away. `name` is one more name of the servers. */
export async function makeCertificates(folder: string, name = "backend.test"): Promise<TestCertificates> {
  const [ca, otherCa] = await Promise.all([makeAuthority(folder, "ca"), makeAuthority(folder, "other-ca")]);
  const forServer = `extendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost,DNS:${name},IP:127.0.0.1,IP:::1`;
  const ofName = { subject: `/CN=${name}` };
  const forClient = "extendedKeyUsage=clientAuth";
  const [server, client, otherServer, otherClient] = await Promise.all([
    makeCertificate(ca, folder, "server", { ...ofName, extensions: forServer }),
    makeCertificate(ca, folder, "client", { extensions: forClient }),
    makeCertificate(otherCa, folder, "other-server", { ...ofName, extensions: forServer }),
    makeCertificate(otherCa, folder, "other-client", { subject: "/CN=client", extensions: forClient }),
  ]);
  return { ca, server, client, otherCa, otherServer, otherClient };
}

export interface CertificateWishes {
  /** As `openssl req -subj` wants it, in UTF-8. */
  readonly subject?: string;
  /** Lines of an extension file of OpenSSL. */
  readonly extensions?: string;
  /** Until when it is good, from now; below 0 for one that has expired. */
  readonly days?: number;
  /** Arguments of `openssl req` for its key. */
  readonly key?: readonly string[];
}

/** A certificate of `ca` in `folder`, in files of that name. */
export function makeCertificate(
  ca: TestCertificate,
  folder: string,
  name: string,
  { subject = `/CN=${name}`, extensions = "", days = 60, key = NEW_KEY }: CertificateWishes,
): Promise<TestCertificate> {
  return sign(ca, join(folder, name), { subject, extensions, days, key });
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

async function makeAuthority(folder: string, name: string): Promise<TestCertificate> {
  const base = join(folder, name);
  const files = ["-keyout", `${base}.key`, "-out", `${base}.pem`];
  await run("openssl", ["req", "-x509", ...NEW_KEY, "-days", "60", "-subj", `/CN=${name}`, ...files]);
  return await read(base);
}

async function sign(
  ca: TestCertificate,
  base: string,
  { subject, extensions, days, key }: Required<CertificateWishes>,
): Promise<TestCertificate> {
  await Promise.all([
    run("openssl", [
      "req",
      ...key,
      "-utf8",
      "-subj",
      subject,
      "-keyout",
      `${base}.key`,
      "-out",
      `${base}.csr`,
    ]),
    writeFile(`${base}.ext`, extensions),
  ]);
  const authority = ["-CA", ca.certFile, "-CAkey", ca.keyFile, "-set_serial", `${++serial}`];
  const files = ["-in", `${base}.csr`, "-extfile", `${base}.ext`, "-out", `${base}.pem`];
  await run("openssl", ["x509", "-req", "-days", `${days}`, ...authority, ...files]);
  return await read(base);
}

let serial = 0;

async function read(base: string): Promise<TestCertificate> {
  const [certFile, keyFile] = [`${base}.pem`, `${base}.key`];
  const [cert, key] = await Promise.all([readFile(certFile, "utf8"), readFile(keyFile, "utf8")]);
  return { cert, key, certFile, keyFile };
}
