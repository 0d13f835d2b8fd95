// The files that a configuration names and that become part of it: certificates, keys, pages. Each is read once, so that what
// was checked is what is used. Runs in the control thread and the CLI.

import { readFileSync, statSync } from "node:fs";

export type PemKind = "CERTIFICATE" | "PRIVATE KEY";

export interface ReadFile {
  readonly path: string;
  /** Of `stampOf`, before it was read. */
  readonly stamp: string;
}

type PemFile = { readonly text: string } | { readonly fault: string };

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----/gs;
/** A sequence, in DER: what certificates and keys are. */
const SEQUENCE = 0x30;

export class PemFiles {
  readonly #files = new Map<string, PemFile>();
  /** All that were asked for. */
  readonly read: ReadFile[] = [];

  /** Why the file cannot be used as one with such a thing in it, or null. `TEXT` is any that can be read. */
  fault(path: string, kind: PemKind | "TEXT"): string | null {
    const file = this.#file(path);
    if ("fault" in file) return file.fault;
    return kind === "TEXT" ? null : pemFault(file.text, kind);
  }

  /** Why a file of another kind cannot be read, or null. */
  unreadable(path: string): string | null {
    const file = this.#file(path);
    return "fault" in file ? file.fault : null;
  }

  /** Of a file without a fault. */
  text(path: string): string {
    const file = this.#file(path);
    if ("fault" in file) throw new Error(`Cannot use ${JSON.stringify(path)}: ${file.fault}`);
    return file.text;
  }

  #file(path: string): PemFile {
    let file = this.#files.get(path);
    if (file === undefined) {
      this.read.push({ path, stamp: stampOf(path) });
      file = readPem(path);
      this.#files.set(path, file);
    }
    return file;
  }
}

function readPem(path: string): PemFile {
  try {
    return { text: readFileSync(path, "utf8") };
  } catch (error) {
    return { fault: `cannot read the file: ${readFault(error)}` };
  }
}

/** Another text for each state of a file; empty where there is no such file. */
export function stampOf(path: string): string {
  try {
    const { mtimeNs, size, ino } = statSync(path, { bigint: true });
    return `${mtimeNs} ${size} ${ino}`;
  } catch {
    return "";
  }
}

/** Why a file could not be read, in words. */
export function readFault(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "there is none of this name";
  if (code === "EACCES") return "permission denied";
  if (code === "EISDIR") return "it is a directory";
  return message;
}

/** OpenSSL knows more of what may be wrong, but does not say so before a connection is made with it. */
function pemFault(text: string, kind: PemKind): string | null {
  const blocks = [...text.matchAll(BLOCK)].filter(([, label = ""]) => label.endsWith(kind));
  if (blocks.length === 0) return `expected a PEM file with a ${kind}`;
  for (const [, label = "", body = ""] of blocks) {
    if (label.startsWith("ENCRYPTED") || body.includes("ENCRYPTED"))
      return "expected a key without a passphrase";
    if (!isSequence(Buffer.from(body, "base64"))) return `expected a whole ${kind} in the file`;
  }
  return null;
}

/** Whether the bytes are a sequence that does not end before it is over. */
function isSequence(der: Buffer): boolean {
  const length = der[1];
  if (der[0] !== SEQUENCE || length === undefined) return false;
  if (length < 0x80) return der.length >= 2 + length;
  const lengthBytes = length & 0x7f;
  if (lengthBytes === 0 || lengthBytes > 4 || der.length < 2 + lengthBytes) return false;
  return der.length >= 2 + lengthBytes + der.readUIntBE(2, lengthBytes);
}
