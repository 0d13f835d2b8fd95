// What the checks of one backend are made with, worked out once. Control thread.

import { isIP } from "node:net";
import { type ConnectionOptions, createSecureContext } from "node:tls";
import type { BackendSpec, BackendTls, HealthCheckSpec } from "../../config/snapshot.ts";
import { authorityOf } from "../../core/authority.ts";
import { trustSystem } from "../../wire/authorities.ts";

/** "PROXY UNKNOWN", and a header of version 2 with the command LOCAL: a connection of the gateway's own (proxy-protocol.txt). */
const PROXY_HEADERS = {
  1: Buffer.from("PROXY UNKNOWN\r\n", "latin1"),
  2: Buffer.from("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", "latin1"),
} as const;

export class CheckTarget {
  readonly check: HealthCheckSpec;
  readonly protocol: BackendSpec["protocol"];
  readonly place: { readonly host: string; readonly port: number } | { readonly path: string };
  /** What goes out before anything else, or null. */
  readonly proxyHeader: Buffer | null;
  /** The Host field. */
  readonly authority: string;
  /** Statuses that pass, in words. */
  readonly expectedStatus: string;
  readonly #tls: BackendTls | null;
  readonly #name: string;
  #tlsOptions: ConnectionOptions | null = null;

  constructor(backend: BackendSpec, check: HealthCheckSpec) {
    const port = check.port ?? backend.port;
    const { tls, proxyProtocol, socketPath, hostName } = backend;
    this.check = check;
    this.protocol = backend.protocol;
    this.place = socketPath === null ? { host: backend.host, port } : { path: socketPath };
    this.proxyHeader = proxyProtocol === null ? null : PROXY_HEADERS[proxyProtocol];
    const standardPort = socketPath !== null || port === (tls === null ? 80 : 443);
    const withPort = authorityOf(check.host ?? hostName, port);
    const isPortNamed = check.host === null && !standardPort;
    this.authority = isPortNamed ? withPort : withPort.slice(0, withPort.lastIndexOf(":"));
    this.expectedStatus = describeRanges(check.statuses);
    this.#tls = tls;
    this.#name = tls?.serverName ?? hostName;
  }

  /** Null for a backend without TLS. Throws on certificates that cannot be read. */
  get tlsOptions(): ConnectionOptions | null {
    if (this.#tls === null) return null;
    if (this.#tls.ca === null && this.#tls.verify) trustSystem();
    this.#tlsOptions ??= {
      secureContext: createSecureContext({
        ca: this.#tls.ca ?? undefined,
        cert: this.#tls.cert ?? undefined,
        key: this.#tls.key ?? undefined,
        minVersion: "TLSv1.2",
      }),
      rejectUnauthorized: this.#tls.verify,
      // The name that the certificate must have. SNI is for names only (RFC 6066 section 3).
      host: this.#name,
      ...(isIP(this.#name) === 0 ? { servername: this.#name } : {}),
      ALPNProtocols: [this.protocol === "h2" ? "h2" : "http/1.1"],
    };
    return this.#tlsOptions;
  }
}

/** `200-399, 418` */
function describeRanges(ranges: HealthCheckSpec["statuses"]): string {
  const merged: Array<[from: number, to: number]> = [];
  for (const [from, to] of [...ranges].sort(([a], [b]) => a - b)) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(", ");
}
