// What goes before everything else to a backend that wants to be told of the client: a PROXY protocol header. Runs in
// data threads.

import type { BackendSpec } from "../../config/snapshot.ts";
import type { Exchange } from "../../core/exchange.ts";
import type { ConnectionEnds } from "../../core/ip.ts";
import { proxyHeader } from "../proxy-protocol.ts";

/** Between whom the exchange is. What a trusted peer says of the client has no port: 0. */
export function clientEnds({ client, clientAddress }: Exchange): ConnectionEnds {
  const { source, destination } = client.ends;
  return source.address === clientAddress
    ? { source, destination }
    : { source: { address: clientAddress, port: 0 }, destination };
}

export function prefaceFor(
  { proxyProtocol }: BackendSpec,
  { source, destination }: ConnectionEnds,
): Buffer | null {
  if (proxyProtocol === null) return null;
  return Buffer.from(proxyHeader(proxyProtocol, source, destination), "latin1");
}
