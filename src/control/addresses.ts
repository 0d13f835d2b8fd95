// Finds out whether the addresses of the listeners are free. With SO_REUSEPORT a port that another gateway holds
// would be shared with it in silence, so each is bound once exclusively before the data threads open theirs.

import { createServer } from "node:net";
import type { ListenerSpec } from "../config/snapshot.ts";

export class AddressError extends Error {}

/** Resolves with the listener as it will be opened: port 0 becomes the port that the system chose. */
export function claimAddress(spec: ListenerSpec): Promise<ListenerSpec> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => reject(new AddressError(reasonOf(error, spec))));
    server.listen({ host: spec.host, port: spec.port, exclusive: true }, () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : spec.port;
      server.close(() => resolve({ ...spec, port }));
    });
  });
}

function reasonOf(error: NodeJS.ErrnoException, { host, port }: ListenerSpec): string {
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  switch (error.code) {
    case "EADDRINUSE":
      return `Cannot listen on ${address}: another process holds it. Stop it, or use another port (server.port, or --port of "sluice serve")`;
    case "EACCES":
      return `Cannot listen on ${address}: ports below 1024 need root or CAP_NET_BIND_SERVICE (with server.run_as: a restart)`;
    case "EADDRNOTAVAIL":
      return `Cannot listen on ${address}: this machine has no such address`;
    default:
      return `Cannot listen on ${address}: ${error.message}`;
  }
}
