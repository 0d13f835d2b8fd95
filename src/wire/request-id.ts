// The id of a request that a VM serves. Both sides of a link make it of what both know, so that no request carries it.
// Runs in data threads and in VMs.

import { randomBytes } from "node:crypto";

/** For the first frame on a link. */
export function newLinkName(): string {
  return randomBytes(6).toString("hex");
}

/** As clients see it in `X-Request-Id`, and logs have it in `request`. No other request of any gateway has the same. */
export function requestIdOf(linkName: string, stream: number): string {
  return `${linkName}-${stream}`;
}
