// Looks into the certificates and keys that a configuration names: whether they belong together, whom they are for, and how
// long. Runs in the control thread and the CLI.

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";

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
    // What OpenSSL says of it names no more, and may quote it.
    return { at: "key", fault: "expected a private key" };
  }
  if (leaf.checkPrivateKey(privateKey)) return null;
  return { at: "key", fault: "expected the key of the certificate: it belongs to another one" };
}
