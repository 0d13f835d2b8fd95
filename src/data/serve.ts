// Which protocol is spoken on a connection, and who serves it. Runs in data threads.

import type { TLSSocket } from "node:tls";
import type { Arrival } from "./arrival.ts";
import { serveConnection } from "./http1/server.ts";
import { serveHttp2 } from "./http2/connection.ts";
import { awaitPreface } from "./http2/preface.ts";
import type { ThreadContext } from "./thread-context.ts";

/** What a TLS listener offers by ALPN, the preferred one first. */
export function tlsProtocols(http2: boolean): readonly string[] {
  return http2 ? ["h2", "http/1.1"] : ["http/1.1"];
}

/**
 * Called at the very end of a TLS handshake: what comes now is read by whoever takes it. With `h2c` a plain connection
 * may begin with HTTP/2.
 */
export function serve(arrival: Arrival, thread: ThreadContext, h2c: boolean): void {
  if (arrival.tls !== null) {
    const socket = arrival.socket as TLSSocket;
    // One that is gone already is nothing for a session.
    if (socket.alpnProtocol === "h2" && !socket.destroyed) serveHttp2(arrival, thread, null);
    else serveConnection(arrival, thread);
  } else if (h2c) awaitPreface(arrival, thread);
  else serveConnection(arrival, thread);
}
