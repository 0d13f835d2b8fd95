// Which protocol is spoken on a connection, and who serves it. Runs in data threads.

import type { Arrival } from "./arrival.ts";
import { serveConnection } from "./http1/server.ts";
import type { ThreadContext } from "./thread-context.ts";

/** What a TLS listener offers by ALPN, the preferred one first. */
export const PROTOCOLS: readonly string[] = ["http/1.1"];

/** Called at the very end of a TLS handshake: what comes now is read by whoever takes it. */
export function serve(arrival: Arrival, thread: ThreadContext): void {
  serveConnection(arrival, thread);
}
