// What is said of a client's certificate: its subject as text that may stand in a header field, and why one is not taken.
// Runs in data threads.

/** By the word of OpenSSL for it. */
const FAULTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "has expired",
  CERT_NOT_YET_VALID: "is not valid yet",
  CERT_REVOKED: "was revoked",
  DEPTH_ZERO_SELF_SIGNED_CERT: "is self-signed, and none of client_ca",
  INVALID_PURPOSE: "is not one for clients",
  SELF_SIGNED_CERT_IN_CHAIN: "is of an authority that is not in client_ca",
  UNABLE_TO_GET_ISSUER_CERT: "is of an authority that is not in client_ca",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "is of an authority that is not in client_ca",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "is of an authority that is not in client_ca",
};

/** `code` is what `SSL_get_verify_result` says, as Node names it. */
export function clientFault(code: string): string {
  return `the certificate of the client ${FAULTS[code] ?? `was not accepted: ${code}`}`;
}

/**
 * The subject as RFC 4514 writes it, in visible ASCII and spaces. Node gives it with each part on its own line, the
 * outermost first, escaped, but for what is not ASCII.
 */
export function nameOfSubject(subject: string): string {
  const parts = subject.split("\n").reverse();
  return parts.map((part) => part.replaceAll(" + ", "+").replace(/[^\x20-\x7e]+/g, hexPairs)).join(",");
}

function hexPairs(text: string): string {
  return Buffer.from(text).toString("hex").toUpperCase().replace(/../g, "\\$&");
}
