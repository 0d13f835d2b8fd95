// Why a TLS handshake failed, in words for the log: of the errors of Node and OpenSSL. Runs in data threads.

/** An error of OpenSSL has more than a code, and a message that is no sentence. */
interface TlsError extends NodeJS.ErrnoException {
  readonly reason?: string;
}

/** By code of the verification. What is not here says it well enough itself. */
const CERTIFICATE_FAULTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
  CERT_REVOKED: "its certificate was revoked",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed, and none of the authorities that are trusted",
  INVALID_PURPOSE: "its certificate is not one for servers",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is of an unknown authority",
  UNABLE_TO_GET_ISSUER_CERT: "its certificate is of an unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is of an unknown authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "its certificate is of an unknown authority, or it does not send those in between",
};

/** By number of the alert (RFC 8446 section 6.2). */
const ALERTS: Readonly<Record<number, string>> = {
  40: "it refused the handshake: it wants a client certificate, or other ciphers",
  42: "it refused the client certificate as broken",
  43: "it refused the kind of the client certificate",
  44: "it refused the client certificate as revoked",
  45: "it refused the client certificate as expired",
  46: "it refused the client certificate",
  48: "it refused the client certificate: it does not know the authority",
  49: "it refused the client certificate: access denied",
  70: "it speaks no version of TLS from 1.2 on",
  112: "it does not know the name that it was asked for",
  116: "it wants a client certificate",
  120: "it speaks none of the protocols that were offered (ALPN)",
};

const OF_CLIENT_CERTIFICATE = [42, 43, 44, 45, 46, 48, 49, 116];

/** What the first bytes of something else than TLS are taken for. */
const NOT_TLS = new Set([
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_SSL_PACKET_LENGTH_TOO_LONG",
  "ERR_SSL_HTTP_REQUEST",
  "ERR_SSL_UNEXPECTED_MESSAGE",
]);

/** "It" is the backend. `error` is null where the connection just ended. */
export function handshakeFault(error: TlsError | null): string {
  if (error === null || error.code === "ECONNRESET") return "it closed the connection in the handshake";
  const { code = "" } = error;
  if (NOT_TLS.has(code)) return "it does not speak TLS";
  if (code === "ERR_SSL_UNSUPPORTED_PROTOCOL") return ALERTS[70]!;
  return CERTIFICATE_FAULTS[code] ?? ALERTS[alertOf(error)] ?? faultText(error);
}

/**
 * With TLS 1.3 a backend looks at the certificate of its client when that has begun to send already: it has read
 * nothing of what was sent.
 */
export function refusesCertificate(error: TlsError | null): boolean {
  return error !== null && OF_CLIENT_CERTIFICATE.includes(alertOf(error));
}

/** One line of an error of a connection. */
export function faultText({ message, reason, code = "" }: TlsError): string {
  return code.startsWith("ERR_SSL_") ? (reason ?? message) : message;
}

/** 0 where it is none. */
function alertOf({ message }: TlsError): number {
  return Number(/SSL alert number (\d+)/.exec(message)?.[1] ?? 0);
}
