// The authorities that a thread trusts where a backend has none of its own: those of the system. Data threads, and the
// control thread for its health checks.

import * as tls from "node:tls";

let trusted = false;

/**
 * From now on connections and contexts without a `ca` trust the authorities of the system, and NODE_EXTRA_CA_CERTS; only
 * where a system has none, those that come with Node. Takes 0.1 s once per thread, and nothing more for each context.
 */
export function trustSystem(): void {
  if (trusted) return;
  trusted = true;
  // Node 24 has had it since 24.5: before, it trusts its own only.
  if (tls.setDefaultCACertificates === undefined) return;
  const system = tls.getCACertificates("system");
  const base = system.length > 0 ? system : tls.getCACertificates("bundled");
  // Debian has each one twice: in a file of its own, and in that of all.
  tls.setDefaultCACertificates([...new Set([...base, ...tls.getCACertificates("extra")])]);
}
