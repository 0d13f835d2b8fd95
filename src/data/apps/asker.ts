// For whom a VM asks an upstream: the client of the exchange in whose handler it asks. Runs in data threads.

import type { ClientStream, Exchange, RequestHead } from "../../core/exchange.ts";

/** What is left of an exchange where it goes on to ask upstreams after its end. */
export interface Asker
  extends Pick<
    Exchange,
    "peerAddress" | "peerTrusted" | "clientAddress" | "scheme" | "user" | "personal" | "route" | "forwarded"
  > {
  readonly client: Pick<ClientStream, "ends" | "tls">;
  readonly request: Pick<RequestHead, "authority" | "host" | "protocol">;
}

export function askerOf(exchange: Exchange): Asker {
  const { client, request, peerAddress, peerTrusted, clientAddress, scheme } = exchange;
  const { user, personal, route, forwarded } = exchange;
  return {
    // The addresses of a socket are gone when that is.
    client: { ends: client.ends, tls: client.tls },
    request: { authority: request.authority, host: request.host, protocol: request.protocol },
    ...{ peerAddress, peerTrusted, clientAddress, scheme, user, personal, route, forwarded },
  };
}

const NO_END = { address: "", port: 0 };

/** The app itself: its exchange is over, and was not held. A backend hears of no client. */
export const NOBODY: Asker = {
  client: { ends: { source: NO_END, destination: NO_END }, tls: null },
  request: { authority: "", host: "", protocol: "HTTP/1.1" },
  peerAddress: "",
  peerTrusted: false,
  clientAddress: "",
  scheme: "http",
  user: "",
  personal: false,
  route: "",
  forwarded: "Via: 1.1 sluice\r\n",
};
