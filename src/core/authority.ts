// Addresses as they stand in a URL, a Host field or a log.

/** RFC 3986 section 3.2: an IPv6 address goes in brackets. */
export function authorityOf(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Where a backend is. */
export function addressOf(place: {
  readonly host: string;
  readonly port: number;
  readonly socketPath: string | null;
}): string {
  return place.socketPath === null ? authorityOf(place.host, place.port) : `unix:${place.socketPath}`;
}
