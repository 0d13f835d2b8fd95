// The programs that run the handler, each with one thread or process for it and no log: Sluice with one data thread and one
// VM, nginx with one worker, everything else as its users start it.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Cores } from "../lib/cores.ts";
import { freePort, type Launch, type Server, startServer } from "../lib/server.ts";
import { PINNED_NODE, startSluice } from "../lib/sluice.ts";
import { RUNTIMES } from "./installed.ts";
import { startLua, startNjs } from "./nginx-apps.ts";

type Place = Pick<Launch, "name" | "port" | "cores">;
type Start = (folder: string, place: Place) => Promise<Server>;

const HANDLER = join(import.meta.dirname, "handler.ts");
const PEERS = join(import.meta.dirname, "peers");

/** Name in tables → how to start it. The control is a reference once more: its ratio to itself shows the noise. */
const STARTS: Readonly<Record<string, Start>> = {
  sluice: startSluiceApp,
  openresty: startLua,
  njs: startNjs,
  bun: (folder, place) => startScript(folder, place, [RUNTIMES.bun], "bun.ts"),
  deno: startDeno,
  workerd: startWorkerd,
  "node:http": (folder, place) => startScript(folder, place, [PINNED_NODE], "node-http.ts"),
  fastify: (folder, place) => startScript(folder, place, [PINNED_NODE], "fastify.ts"),
  express: (folder, place) => startScript(folder, place, [PINNED_NODE], "express.ts"),
  hono: (folder, place) => startScript(folder, place, [PINNED_NODE], "hono.ts"),
  "openresty again": startLua,
};

export const CONTESTANTS = Object.keys(STARTS);

export async function startContestant(name: string, folder: string, { server }: Cores): Promise<Server> {
  const start = STARTS[name];
  if (start === undefined) throw new Error(`Cannot start "${name}": expected ${CONTESTANTS.join(", ")}`);
  const place = { name: name.replaceAll(/[ :]/g, "-"), port: await freePort(), cores: server };
  return { ...(await start(folder, place)), name };
}

function startSluiceApp(folder: string, place: Place): Promise<Server> {
  const config = `server: { host: 127.0.0.1, port: ${place.port}, workers: 1, max_conn: 9000, keep_alive_timeout: 1h }
apps:
  bench: { entry: ${HANDLER}, instances: 1 }
routing:
  bench: { path: /, app: bench }
admin: { port: 0, open: true }
access_log: { enabled: false }
`;
  return startSluice(folder, config, place);
}

/** `runtime` is the command in front of the script; the port is the script's argument. */
function startScript(
  folder: string,
  place: Place,
  runtime: readonly string[],
  script: string,
): Promise<Server> {
  const command = ["env", "NODE_ENV=production", ...runtime, join(PEERS, script), String(place.port)];
  return startServer({ ...place, command, outputPath: join(folder, `${place.name}.log`) });
}

function startDeno(folder: string, place: Place): Promise<Server> {
  const environment = ["env", `DENO_DIR=${folder}/deno`, "DENO_NO_UPDATE_CHECK=1"];
  const run = ["run", "--no-config", "--no-lock", "--allow-net=127.0.0.1"];
  return startScript(folder, place, [...environment, RUNTIMES.deno, ...run], "deno.ts");
}

function startWorkerd(folder: string, place: Place): Promise<Server> {
  // workerd takes JavaScript only.
  const source = execFileSync(RUNTIMES.bun, ["build", "--no-bundle", HANDLER]);
  writeFileSync(join(folder, "handler.js"), source);
  const file = join(folder, `${place.name}.capnp`);
  writeFileSync(
    file,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main)],
  sockets = [(name = "http", address = "127.0.0.1:${place.port}", http = (), service = "main")]
);
const main :Workerd.Worker = (
  modules = [(name = "handler.js", esModule = embed "handler.js")],
  compatibilityDate = "2026-11-01"
);
`,
  );
  const command = [RUNTIMES.workerd, "serve", file];
  return startServer({ ...place, command, outputPath: join(folder, `${place.name}.log`) });
}
