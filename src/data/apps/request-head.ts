// The head of a request as a VM gets it. Runs in data threads.
//
//   METHOD SP URL LF  client LF  *( name ": " value CRLF )
//   client:  address SP protocol [ HTAB version HTAB cipher HTAB server name HTAB subject HTAB fingerprint HTAB 1 or 0 ]
//
// The part in brackets is what TLS told, its last three of the certificate of the client (vm/client.ts reads it).

import type { ClientTls, Exchange } from "../../core/exchange.ts";
import { withoutPrefix } from "../actions/forwarded-head.ts";
import { forwardedLines } from "../forwarded.ts";

/** Takes fields out of the request that only the client's connection is concerned with. */
export function requestHeadFor(exchange: Exchange, stripPrefix: string | null, realIpHeader: string): string {
  const { request, client, scheme, clientAddress } = exchange;
  const { method, query, headers, authority, bodyLength } = request;
  const path = stripPrefix === null ? request.path : withoutPrefix(request.path, stripPrefix);
  // Made once: it takes away what it is made of.
  exchange.forwarded ??= forwardedLines(exchange, realIpHeader);
  const { forwarded } = exchange;
  const upgrade = request.upgrade === null ? "" : `upgrade: ${request.upgrade}\r\n`;
  const length = bodyLength > 0 ? `content-length: ${bodyLength}\r\n` : "";
  const target = path === "*" ? "/" : path;
  const tls = client.tls === null ? "" : textOfTls(client.tls);
  return `${method} ${scheme}://${authority || "localhost"}${target}${query}\n${clientAddress} ${request.protocol}${tls}\n${headers.forwardLines()}${forwarded}${upgrade}${length}`;
}

function textOfTls({ version, cipher, serverName, subject, fingerprint, verified }: ClientTls): string {
  return `\t${version}\t${cipher}\t${serverName}\t${subject}\t${fingerprint}\t${verified ? 1 : 0}`;
}
