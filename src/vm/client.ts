// The client of a request, as the gateway tells of it (data/apps/request-head.ts). Runs in VMs.

import type { Client } from "./api/handler.ts";

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
