// The head of a request as it goes to the gateway for an upstream. Runs in VMs.

import type { RequestParts } from "./http/request-of.ts";

/** They are of one connection, or the gateway says what they say. */
const NOT_SENT =
  /^(?:connection|content-length|expect|host|http2-settings|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade):.*\r\n/gim;
const UPGRADE = /^upgrade:/im;
const WITH_BODY = /^(?:POST|PUT|PATCH)$/;
const URL_OF_HTTP = /^https?:\/\/([^/?#]+)([^#]*)/;

/** Of HTTP/1.1. `length` is that of the body; null where it is not known. Throws TypeError for what nobody can ask. */
export function askedHead({ method, url, headerLines, body }: RequestParts, length: number | null): string {
  const parts = URL_OF_HTTP.exec(url);
  if (parts === null)
    throw new TypeError(`Cannot ask an upstream for "${url}": expected an http or https URL`);
  if (UPGRADE.test(headerLines))
    throw new TypeError("Cannot ask an upstream for a WebSocket: expected a request without Upgrade");
  const [, host, target] = parts;
  let framing = "";
  if (length === null) framing = "Transfer-Encoding: chunked\r\n";
  // RFC 9110 section 8.6: that there is no body is said where one would be expected.
  else if (body !== null || WITH_BODY.test(method)) framing = `Content-Length: ${length}\r\n`;
  return `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${headerLines.replace(NOT_SENT, "")}${framing}\r\n`;
}
