// The file servers that are compared: one worker each, the same files, no access log, nginx with its files held open and
// sent by the kernel.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Cores } from "../lib/cores.ts";
import { startNginx } from "../lib/nginx.ts";
import { freePort, type Server } from "../lib/server.ts";
import { startSluice } from "../lib/sluice.ts";

type Start = (folder: string, root: string, launch: Launch) => Promise<Server>;

interface Launch {
  readonly name: string;
  readonly port: number;
  readonly cores: string;
}

/** Name in tables → how to start it. The control is nginx once more: its ratio to itself shows the noise. */
const STARTS: Readonly<Record<string, Start>> = {
  sluice: startSluiceFiles,
  nginx: startNginxFiles,
  "nginx again": startNginxFiles,
};

export const CONTESTANTS = Object.keys(STARTS);

export const FILES: Readonly<Record<string, number>> = {
  "13b.txt": 13,
  "64kb.bin": 65_536,
  "10mb.bin": 10_485_760,
};

export function writeFiles(root: string): void {
  for (const [name, bytes] of Object.entries(FILES))
    writeFileSync(join(root, name), Buffer.alloc(bytes, "x"));
}

export async function startContestant(
  name: string,
  folder: string,
  root: string,
  cores: Cores,
): Promise<Server> {
  const start = STARTS[name];
  if (start === undefined) throw new Error(`Cannot start "${name}": expected ${CONTESTANTS.join(", ")}`);
  const launch = { name: name.replaceAll(" ", "-"), port: await freePort(), cores: cores.server };
  return { ...(await start(folder, root, launch)), name };
}

export function startSluiceFiles(
  folder: string,
  root: string,
  launch: Launch,
  nodeOptions: readonly string[] = [],
): Promise<Server> {
  const config = `server: { host: 127.0.0.1, port: ${launch.port}, workers: 1, max_conn: 9000, keep_alive_timeout: 1h }
routing:
  files: { static: { root: ${root} } }
`;
  return startSluice(folder, config, launch, nodeOptions);
}

function startNginxFiles(folder: string, root: string, launch: Launch): Promise<Server> {
  const http = `
  access_log off;
  default_type application/octet-stream;
  types { text/plain txt; }
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  open_file_cache max=1000 inactive=1h;
  open_file_cache_valid 1s;
  server {
    listen 127.0.0.1:${launch.port} backlog=4096;
    location / { root ${root}; }
  }`;
  return startNginx(folder, http, launch);
}
