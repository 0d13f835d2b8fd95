// What the kernel knows of the sockets of this machine (Linux). Runs in tests.

import { readFileSync } from "node:fs";

const LISTENING = "0A";

/** How many sockets listen on a port of any IPv4 address: with SO_REUSEPORT, one for each data thread. */
export function listeningSockets(port: number): number {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  const rows = readFileSync("/proc/net/tcp", "utf8").trim().split("\n").slice(1);
  return rows.filter((row) => {
    const [, local, , state] = row.trim().split(/\s+/);
    return state === LISTENING && local!.endsWith(`:${wanted}`);
  }).length;
}
