// What of TLS towards clients works, but maybe not as it was meant: certificates that end soon, or are for other hosts.
// Runs anywhere.

import { covers, expiryWarning, leafOf, namesOf } from "./certificates.ts";
import { atKey, type Finding } from "./finding.ts";
import type { PemFiles } from "./pem-files.ts";
import { entriesOf, textOf } from "./settings.ts";
import { pairsInUse, tlsListeners } from "./tls-listeners.ts";
import type { SourceNode } from "./tree.ts";

/** HSTS lists take no less (hstspreload.org). */
const PRELOAD_SECONDS = 31_536_000;
const SHOWN_NAMES = 5;

/** Of a file without problems. */
export function* tlsWarnings(root: SourceNode, files: PemFiles, nowMs: number): Generator<Finding> {
  const hosts = hostsOf(root);
  const seen = new Set<string>();
  for (const pair of pairsInUse(root)) {
    const file = textOf(pair, "cert_file")!;
    if (seen.has(file)) continue;
    seen.add(file);
    const node = pair.children.get("cert_file")!;
    const leaf = leafOf(files.text(file))!;
    const expiry = expiryWarning(leaf, nowMs);
    if (expiry !== null) yield atKey(node, expiry);
    const names = namesOf(leaf);
    if (hosts === null || hosts.some((host) => names.some((name) => fits(name, host)))) continue;
    const shown = names.length === 0 ? "no name" : names.slice(0, SHOWN_NAMES).join(", ");
    yield atKey(node, `no route is for a host of this certificate (${shown})`);
  }
  const hsts = root.children.get("ssl")?.children.get("hsts");
  if (hsts === undefined || hsts.children.get("enabled")?.value === false) return;
  if (tlsListeners(root).length === 0) yield atKey(hsts, "not used: no listener speaks TLS");
  const settings = hsts.children;
  const maxAge = settings.get("max_age")?.value ?? PRELOAD_SECONDS;
  if (settings.get("preload")?.value !== true) return;
  if (settings.get("include_subdomains")?.value !== true || Number(maxAge) < PRELOAD_SECONDS)
    yield atKey(
      settings.get("preload")!,
      'the lists take no host without "include_subdomains: true" and a "max_age" of at least 31536000',
    );
}

/** Those that routes are for; null where one is for every host. */
function hostsOf(root: SourceNode): readonly string[] | null {
  const hosts: string[] = [];
  for (const [, route] of entriesOf(root.children.get("routing"))) {
    const setting = route.children.get("hosts");
    const values = Array.isArray(setting?.value) ? setting.value : [setting?.value];
    if (values.length === 0 || values.some((value) => typeof value !== "string")) return null;
    for (const value of values) hosts.push(String(value).toLowerCase());
  }
  return hosts.length === 0 ? null : hosts;
}

/** A route for `*.example.com` has use for a certificate of any name below. */
function fits(name: string, host: string): boolean {
  return covers(name, host) || (host.startsWith("*.") && name.endsWith(host.slice(1)));
}
