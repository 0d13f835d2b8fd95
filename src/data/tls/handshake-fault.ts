// Why the handshake of a client failed, in words for the log. Runs in data threads.

import { faultText } from "../tls-failure.ts";

type TlsError = Error & { readonly code?: string; readonly reason?: string };

/** By code of the error. What is not here says it well enough itself. */
const FAULTS: Readonly<Record<string, string>> = {
  ECONNRESET: "the client closed the connection",
  ERR_SSL_HTTP_REQUEST: "the client speaks plain HTTP",
  ERR_SSL_HTTPS_PROXY_REQUEST: "the client speaks plain HTTP, as to a proxy",
  ERR_SSL_WRONG_VERSION_NUMBER: "the client does not speak TLS",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "the client does not speak TLS",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "the client speaks no version of TLS that is allowed here",
  ERR_SSL_NO_SHARED_CIPHER: "the client has no cipher, or no kind of signature, that is allowed here",
  ERR_SSL_NO_SUITABLE_KEY_SHARE: "the client has no curve that is allowed here",
  ERR_SSL_NO_SHARED_GROUP: "the client has no curve that is allowed here",
  ERR_SSL_NO_APPLICATION_PROTOCOL: "the client speaks no protocol that is offered (ALPN)",
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: "the client sent no certificate",
};

/** By number of the alert that the client sent (RFC 8446 section 6.2). */
const ALERTS: Readonly<Record<number, string>> = {
  42: "the client refused the certificate as broken",
  43: "the client refused the kind of the certificate",
  44: "the client refused the certificate as revoked",
  45: "the client refused the certificate as expired",
  46: "the client refused the certificate",
  48: "the client does not know the authority of the certificate",
  70: "the client speaks no version of TLS that is allowed here",
};

export function handshakeFault(error: TlsError): string {
  const alert = Number(/SSL alert number (\d+)/.exec(error.message)?.[1] ?? 0);
  return FAULTS[error.code ?? ""] ?? ALERTS[alert] ?? faultText(error);
}

/** It asks for something over plain HTTP, and can be told. */
export function speaksHttp({ code }: TlsError): boolean {
  return code === "ERR_SSL_HTTP_REQUEST";
}

/** It failed for want of a certificate of the client. */
export function wantsCertificate({ code }: TlsError): boolean {
  return code === "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE";
}

const BODY = `{"error":{"code":"plain_http","status":400,"message":"a plain HTTP request was sent to a port for https"}}\n`;

/** What it is told. */
export const PLAIN_HTTP_ANSWER = `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
