// Starts nginx with one worker, everything it writes kept in the benchmark's own folder.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Launch, type Server, startServer } from "./server.ts";

/** Where Debian's packages put the modules of nginx. */
const MODULES = "/usr/lib/nginx/modules";

/** `http` is the inside of the http block; `modules` are file names. */
export function startNginx(
  folder: string,
  http: string,
  launch: Pick<Launch, "name" | "port" | "cores">,
  modules: readonly string[] = [],
): Promise<Server> {
  const file = join(folder, `${launch.name}.conf`);
  writeFileSync(file, configure(folder, launch.name, http, modules));
  const outputPath = join(folder, `${launch.name}.log`);
  return startServer({ ...launch, command: ["nginx", "-e", outputPath, "-c", file], outputPath });
}

function configure(folder: string, name: string, http: string, modules: readonly string[]): string {
  // A worker of a master that runs as root would become nobody, and could not read the folder.
  const user = process.getuid?.() === 0 ? "user root;" : "";
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${folder}/${name}.${kind};`)
    .join("\n  ");
  const loads = modules.map((module) => `load_module ${MODULES}/${module};\n`).join("");
  return `${loads}${user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${folder}/${name}.pid;
error_log ${folder}/${name}.log warn;
events { worker_connections 20000; }
http {
  ${temporary}
  keepalive_timeout 3600s;
  keepalive_requests 1000000000;
  ${http}
}
`;
}
