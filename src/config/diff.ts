// What a reload cannot change: it takes a restart. Runs in the control thread.

import type { GatewaySpec } from "./compile.ts";

/** One message for each setting whose new value stays without effect until a restart. */
export function restartNeeded(running: GatewaySpec, next: GatewaySpec): readonly string[] {
  const messages: string[] = [];
  const compare = (setting: string, before: unknown, after: unknown) => {
    if (before !== after) messages.push(`${setting}: ${after} instead of ${before} takes a restart`);
  };
  compare("server.workers", running.workers, next.workers);
  compare("server.reuse_port", running.reusePort, next.reusePort);
  return messages;
}
