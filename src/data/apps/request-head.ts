// The head of a request as a VM gets it. Runs in data threads.
//
//   METHOD SP URL LF  client address SP TLS version or - SP protocol LF  *( name ": " value CRLF )

import type { Exchange } from "../../core/exchange.ts";
import { withoutPrefix } from "../actions/forwarded-head.ts";
import { forwardedLines } from "../forwarded.ts";

/** Takes fields out of the request that only the client's connection is concerned with. */
export function requestHeadFor(exchange: Exchange, stripPrefix: string | null, realIpHeader: string): string {
  const { request, client, scheme, clientAddress } = exchange;
  const { method, query, headers, authority, bodyLength } = request;
  const path = stripPrefix === null ? request.path : withoutPrefix(request.path, stripPrefix);
  const forwarded = forwardedLines(exchange, realIpHeader);
  const upgrade = request.upgrade === null ? "" : `upgrade: ${request.upgrade}\r\n`;
  const length = bodyLength > 0 ? `content-length: ${bodyLength}\r\n` : "";
  const target = path === "*" ? "/" : path;
  const tls = client.tls === null ? "-" : client.tls.version;
  return `${method} ${scheme}://${authority || "localhost"}${target}${query}\n${clientAddress} ${tls} ${request.protocol}\n${headers.forwardLines()}${forwarded}${upgrade}${length}`;
}
