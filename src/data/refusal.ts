// Connections that are not let in, because there are too many of them: each is told so, as far as that costs little, and
// closed. Runs in data threads.

import type { Socket } from "node:net";
import { matchesAny } from "../core/ip.ts";
import { Counter } from "../core/metrics.ts";
import type { Admission } from "../core/shared/client-counts.ts";
import type { ThreadContext } from "./thread-context.ts";

/** What a refused client is told. */
export const TOO_MANY_CLIENTS = "too many clients";
export const TOO_MANY_OF_CLIENT = "too many connections of one client";

/** A refused connection is told why; it may take this long to listen. */
const REFUSAL_TIMEOUT_MS = 1000;
/** So many may do so at once, over all listeners of a data thread (control/file-limit.ts has files for them). */
const MAX_REFUSALS = 32;

/**
 * Counts one more connection of a client; a refused one is reported. Trusted proxies may have any number: theirs are the
 * connections of many clients.
 */
export function admitClient(thread: ThreadContext, client: string, most: number): Admission {
  const { clients, active, metrics, reporter } = thread;
  if (matchesAny(active.server.trustedProxies, client)) return "uncounted";
  const admission = clients.tryAcquire(thread.index, client, most);
  if (admission === "refused") {
    metrics.add(Counter.refusedAtClientLimit);
    reporter.report("warn", "refused clients", "connection refused: max_conn_per_client is reached", {
      max_conn_per_client: most,
      client,
    });
  }
  return admission;
}

/** Somebody else reads what the client still sends, or closing would reset the connection before the answer is read. */
export function refuse(socket: Socket, thread: ThreadContext, message: string): void {
  socket.on("error", () => socket.destroy());
  if (thread.refusals >= MAX_REFUSALS) {
    socket.destroy();
    return;
  }
  thread.refusals++;
  socket.on("close", () => {
    thread.refusals--;
  });
  socket.on("end", () => socket.destroy());
  socket.setTimeout(REFUSAL_TIMEOUT_MS, () => socket.destroy());
  socket.end(refusalText(message), "latin1");
}

function refusalText(message: string): string {
  const body = `{"error":{"code":"too_many_connections","status":503,"message":"${message}"}}\n`;
  return `HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}
