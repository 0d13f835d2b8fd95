// Looks into the certificates and keys that a configuration names: whether they belong together, whom they are for, and how
// long. Runs in the control thread and the CLI.

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";

const DAY_MS = 86_400_000;
const WARN_BEFORE_MS = 30 * DAY_MS;
/** One value of a subjectAltName as Node writes it: in quotes, as JSON, where it has characters that could mislead. */
const ALTERNATIVE = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/y;

/** The leaf of a chain in PEM, whose first certificate it is; null where it cannot be read. */
export function leafOf(chain: string): X509Certificate | null {
  try {
    return new X509Certificate(chain);
  } catch {
    return null;
  }
}

/** Why the two cannot be used together, or null. */
export function pairFault(
  chain: string,
  key: string,
): { readonly at: "cert" | "key"; readonly fault: string } | null {
  const leaf = leafOf(chain);
  if (leaf === null) return { at: "cert", fault: "expected a certificate as its first" };
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(key);
  } catch {
    // OpenSSL says no more than that, either.
    return { at: "key", fault: "expected a private key" };
  }
  if (leaf.checkPrivateKey(privateKey)) return null;
  return { at: "key", fault: "expected the key of the certificate: it belongs to another one" };
}

/** DNS names that the certificate is for, in lower case; `*.example.com` for a wildcard. */
export function namesOf(leaf: X509Certificate): string[] {
  const { subjectAltName } = leaf;
  if (subjectAltName === undefined) {
    const commonName = /^CN=([^\s+\\]+)$/m.exec(leaf.subject)?.[1];
    return commonName === undefined ? [] : [commonName.toLowerCase()];
  }
  const names: string[] = [];
  for (const [, kind, value = ""] of subjectAltName.matchAll(new RegExp(ALTERNATIVE, "gy"))) {
    if (kind === "DNS" && !value.startsWith('"')) names.push(value.toLowerCase());
  }
  return names;
}

/** What is to be said about the time in which the certificate is good, or null. */
export function expiryWarning({ validFromDate, validToDate }: X509Certificate, nowMs: number): string | null {
  const [from, to] = [validFromDate.getTime(), validToDate.getTime()];
  if (nowMs < from) return `this certificate is not valid before ${validFromDate.toISOString()}`;
  if (nowMs >= to) return `this certificate expired on ${validToDate.toISOString()}`;
  if (to - nowMs > WARN_BEFORE_MS) return null;
  return `this certificate expires on ${validToDate.toISOString()}, in ${days(to - nowMs)}`;
}

function days(ms: number): string {
  const count = Math.floor(ms / DAY_MS);
  return count === 0 ? "less than a day" : count === 1 ? "1 day" : `${count} days`;
}

/** Whether a certificate with this name is good for the host: a wildcard is for one label. */
export function covers(name: string, host: string): boolean {
  if (name === host) return true;
  return name.startsWith("*.") && host.slice(host.indexOf(".")) === name.slice(1) && host.indexOf(".") > 0;
}
