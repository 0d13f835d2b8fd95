// Who the client is, and what the gateway tells a backend about it: X-Forwarded-*, Forwarded, the real-IP field and Via.
// Runs in data threads.

import type { ServerSpec } from "../config/snapshot.ts";
import type { Exchange } from "../core/exchange.ts";
import { Field, type HeaderList } from "../core/headers.ts";
import { matchesAny } from "../core/ip.ts";
import { addressOfForwarded, addressOfNode, clientBehind, forwardedElement } from "./forwarding-chain.ts";

/** Finds the client behind a trusted peer. Without trusted proxies this does nothing. */
export function identifyClient(exchange: Exchange, server: ServerSpec): void {
  if (server.trustedProxies.length === 0 || !matchesAny(server.trustedProxies, exchange.peerAddress)) return;
  exchange.peerTrusted = true;
  exchange.clientAddress = clientOf(exchange, server);
  const scheme = exchange.request.headers.get(Field.xForwardedProto)?.toLowerCase();
  if (scheme === "http" || scheme === "https") exchange.scheme = scheme;
}

function clientOf({ request, peerAddress }: Exchange, server: ServerSpec): string {
  const { headers } = request;
  const { realIpHeader, realIpHeaderFirst, trustedProxies } = server;
  const first = realIpHeaderFirst ? realIpOf(headers, realIpHeader) : null;
  if (first !== null) return first;
  const list = headers.join(Field.xForwardedFor);
  if (list !== null) return clientBehind(peerAddress, trustedProxies, list, addressOfNode);
  const forwarded = headers.join(Field.forwarded);
  if (forwarded !== null) return clientBehind(peerAddress, trustedProxies, forwarded, addressOfForwarded);
  return realIpOf(headers, realIpHeader) ?? peerAddress;
}

function realIpOf(headers: HeaderList, realIpHeader: string): string | null {
  // Of two, one may be the client's own, passed on by a proxy that adds instead of replacing.
  const claimed = headers.findOnly(realIpHeader);
  return claimed === null ? null : addressOfNode(claimed);
}

/**
 * Takes out what the client itself says of its origin unless its peer is trusted, and returns the gateway's own
 * lines. Call it once per exchange, after the fields of one hop were removed.
 */
export function forwardedLines(exchange: Exchange, realIpHeader: string): string {
  const { request, peerAddress, client } = exchange;
  const { headers, authority, protocol } = request;
  const own = client.tls === null ? "http" : "https";
  let forwardedFor = peerAddress;
  let proto: string = own;
  let host = authority;
  let forwarded = "";
  let via = protocol === "HTTP/1.1" ? "1.1 sluice" : protocol === "HTTP/2.0" ? "2.0 sluice" : "1.0 sluice";
  for (let i = 0; i < headers.length; i++) {
    const id = headers.ids[i]!;
    if (id < Field.xForwardedFor || id > Field.via) continue;
    if (id === Field.via) {
      via = `${headers.join(Field.via)!}, ${via}`;
      headers.remove(Field.via);
    } else if (!exchange.peerTrusted) {
      headers.removeAt(i);
    } else if (id === Field.xForwardedFor) {
      forwardedFor = `${headers.join(Field.xForwardedFor)!}, ${peerAddress}`;
      headers.remove(Field.xForwardedFor);
    } else if (id === Field.xForwardedProto) {
      proto = headers.valueAt(i);
      headers.remove(Field.xForwardedProto);
    } else if (id === Field.xForwardedHost) {
      host = headers.valueAt(i);
      headers.remove(Field.xForwardedHost);
    } else if (id === Field.forwarded) {
      forwarded = `Forwarded: ${headers.join(Field.forwarded)!}, ${forwardedElement(peerAddress, own)}\r\n`;
      headers.remove(Field.forwarded);
    }
  }
  headers.removeVariable(realIpHeader);
  const { clientAddress } = exchange;
  const known = last;
  if (
    known.forwardedFor === forwardedFor &&
    known.host === host &&
    known.clientAddress === clientAddress &&
    known.proto === proto &&
    known.via === via &&
    known.forwarded === forwarded &&
    known.realIpHeader === realIpHeader
  )
    return known.lines;
  const hostLine = host === "" ? "" : `X-Forwarded-Host: ${host}\r\n`;
  const lines = `X-Forwarded-For: ${forwardedFor}\r\nX-Forwarded-Proto: ${proto}\r\n${hostLine}${forwarded}${realIpHeader}: ${clientAddress}\r\nVia: ${via}\r\n`;
  last = { forwardedFor, proto, host, forwarded, realIpHeader, clientAddress, via, lines };
  return lines;
}

/** Of the exchange before: a client that keeps its connection asks several times in a row. */
let last = {
  forwardedFor: "",
  proto: "",
  host: "",
  forwarded: "",
  realIpHeader: "",
  clientAddress: "",
  via: "",
  lines: "",
};
