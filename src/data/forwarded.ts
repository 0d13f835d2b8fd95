// Who the client is, and what the gateway tells a backend about it: X-Forwarded-*, the real-IP field and Via.

import type { Snapshot } from "../config/snapshot.ts";
import type { Exchange } from "../core/exchange.ts";
import { Field } from "../core/headers.ts";
import { isAddress, matchesAny } from "../core/ip.ts";

/** Finds the client behind a trusted peer. Without trusted proxies this does nothing. */
export function identifyClient(exchange: Exchange, server: Snapshot["server"]): void {
  if (server.trustedProxies.length === 0 || !matchesAny(server.trustedProxies, exchange.peerAddress)) return;
  exchange.peerTrusted = true;
  // Of two, one may be the client's own, passed on by a proxy that adds instead of replacing.
  const claimed = exchange.request.headers.findOnly(server.realIpHeader);
  if (claimed !== null && isAddress(claimed)) exchange.clientAddress = claimed;
}

/**
 * Takes out what the client itself says of its origin unless its peer is trusted, and returns the gateway's own
 * lines. Call it once per exchange, after the fields of one hop were removed.
 */
export function forwardedLines(exchange: Exchange, realIpHeader: string): string {
  const { request, peerAddress } = exchange;
  const { headers, authority, protocol } = request;
  let forwardedFor = peerAddress;
  let proto = "http";
  let host = authority;
  let via = protocol === "HTTP/1.1" ? "1.1 sluice" : "1.0 sluice";
  const ids = headers.ids;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (id < Field.xForwardedFor || id > Field.via) continue;
    if (id === Field.via) {
      via = `${headers.join(Field.via)!}, ${via}`;
      headers.remove(Field.via);
    } else if (!exchange.peerTrusted) {
      ids[i] = Field.removed;
    } else if (id === Field.xForwardedFor) {
      forwardedFor = `${headers.join(Field.xForwardedFor)!}, ${peerAddress}`;
      headers.remove(Field.xForwardedFor);
    } else if (id === Field.xForwardedProto) {
      proto = headers.valueAt(i);
      headers.remove(Field.xForwardedProto);
    } else if (id === Field.xForwardedHost) {
      host = headers.valueAt(i);
      headers.remove(Field.xForwardedHost);
    }
  }
  headers.removeVariable(realIpHeader);
  const hostLine = host === "" ? "" : `X-Forwarded-Host: ${host}\r\n`;
  return `X-Forwarded-For: ${forwardedFor}\r\nX-Forwarded-Proto: ${proto}\r\n${hostLine}${realIpHeader}: ${exchange.clientAddress}\r\nVia: ${via}\r\n`;
}
