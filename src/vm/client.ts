// The client of a request, as the gateway tells of it (data/apps/request-head.ts). Runs in VMs.

export interface Client {
  /** Of the client itself, where trusted proxies say who that is. */
  readonly address: string;
  /** As in `HTTP/1.1`. */
  readonly protocol: string;
  readonly scheme: "http" | "https";
  /** Of its connection to the gateway; null for a plain one. */
  readonly tls: ClientTls | null;
}

export interface ClientTls {
  /** As in `TLSv1.3`. */
  readonly version: string;
  readonly cipher: string;
  /** What the client asked for by SNI, or empty. */
  readonly serverName: string;
  /** Null where it has sent none. */
  readonly clientCertificate: {
    /** RFC 4514. */
    readonly subject: string;
    /** SHA-256, hexadecimal. */
    readonly fingerprint: string;
    /** It is of an authority that the gateway was told to ask for. */
    readonly verified: boolean;
  } | null;
}

export function clientOf(line: string, url: string): Client {
  const [connection = "", version, cipher = "", serverName = "", subject = "", fingerprint = "", verified] =
    line.split("\t");
  const space = connection.indexOf(" ");
  const hasCertificate = fingerprint !== "";
  return {
    address: connection.slice(0, space),
    protocol: connection.slice(space + 1),
    scheme: url.startsWith("https:") ? "https" : "http",
    tls:
      version === undefined
        ? null
        : {
            version,
            cipher,
            serverName,
            clientCertificate: hasCertificate ? { subject, fingerprint, verified: verified === "1" } : null,
          },
  };
}
