// What a parsed response head means: framing and persistence (RFC 9112 sections 6.3 and 9.3). Every doubt is an error.

import { type ResponseHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { equalsIgnoreCase, Field } from "../../core/headers.ts";
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_CLOSE } from "./body-reader.ts";
import { hasToken, readContentLength, removeNamedByConnection } from "./fields.ts";
import type { HeadParser } from "./head-parser.ts";

/** A response head and what it says of its body and its connection. */
export interface IncomingResponse {
  readonly head: ResponseHead;
  /** BODY_* of body-reader.ts. */
  readonly bodyKind: number;
  readonly keepAlive: boolean;
  /** The protocol of a 101 in lower case, else null. */
  readonly upgrade: string | null;
}

/** Returns what is wrong as text. */
export function readResponseHead(parser: HeadParser, method: string): IncomingResponse | string {
  const { headers, status, minorVersion } = parser;
  if (status < 100 || status > 599) return `status ${status}: expected 100 to 599`;
  const connection = headers.join(Field.connection);
  let keepAlive =
    connection === null
      ? minorVersion === 1
      : !hasToken(connection, "close") && (minorVersion === 1 || hasToken(connection, "keep-alive"));
  const upgrade =
    status === 101 && connection !== null && hasToken(connection, "upgrade")
      ? oneProtocol(headers.join(Field.upgrade))
      : null;

  const coding = headers.join(Field.transferEncoding);
  const lengthText = headers.join(Field.contentLength);
  if (coding !== null && lengthText !== null) {
    return "both Content-Length and Transfer-Encoding: expected at most one of them";
  }
  const length = lengthText === null ? null : readContentLength(lengthText);
  if (lengthText !== null && length === null)
    return `Content-Length "${lengthText}": expected one number below 2^53`;
  if (coding !== null && minorVersion === 0)
    return "Transfer-Encoding in an HTTP/1.0 response: expected Content-Length";
  if (coding !== null && !equalsIgnoreCase(coding, "chunked"))
    return `Transfer-Encoding "${coding}": expected chunked`;
  // RFC 9110 section 8.6, RFC 9112 section 6.1: where there is no body, nothing may declare one.
  const declaresBody = coding !== null || (length !== null && length > 0);
  if (status < 200 && declaresBody) return `a body declared by status ${status}: expected none`;
  if (connection !== null) removeNamedByConnection(headers, connection);

  let bodyKind: number;
  let bodyLength: number;
  if (method === "HEAD" || status === 304) {
    // Content-Length tells what a GET would have got.
    bodyKind = BODY_NONE;
    bodyLength = length ?? UNKNOWN_LENGTH;
  } else if (status < 200 || status === 204) {
    bodyKind = BODY_NONE;
    bodyLength = 0;
    // Backends exist that send what they declared; it must not be the start of the next response.
    if (declaresBody) keepAlive = false;
  } else if (coding !== null) {
    bodyKind = BODY_CHUNKED;
    bodyLength = UNKNOWN_LENGTH;
  } else if (length !== null) {
    bodyKind = BODY_LENGTH;
    bodyLength = length;
  } else {
    bodyKind = BODY_UNTIL_CLOSE;
    bodyLength = UNKNOWN_LENGTH;
  }
  return {
    head: { status, reason: parser.reason, headers, bodyLength },
    bodyKind,
    keepAlive: keepAlive && bodyKind !== BODY_UNTIL_CLOSE,
    upgrade,
  };
}

const PROTOCOL = /^[!#$%&'*+\-.^_`|~0-9a-z]+(?:\/[!#$%&'*+\-.^_`|~0-9a-z]+)?$/i;

/** The one protocol that an Upgrade field names, in lower case, or null. */
function oneProtocol(upgrade: string | null): string | null {
  return upgrade !== null && PROTOCOL.test(upgrade) ? upgrade.toLowerCase() : null;
}
