// The id of a request that a VM serves. Both sides of a link make it of what both know, so that no request carries it.
// Runs in data threads and in VMs.

/**
 * As clients see it in `X-Request-Id`, and logs have it in `request`. The name of the link is random: no other request of
 * any gateway has the same id.
 */
export function requestIdOf(linkName: string, stream: number): string {
  return `${linkName}-${stream}`;
}
