// What bench/package.json and Debian's modules of nginx bring: where the programs are, and which versions.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Programs } from "../lib/machine.ts";

const MODULES = join(import.meta.dirname, "../node_modules");
const ARM = process.arch === "arm64";

/** The programs themselves: the packages' own commands are scripts that start them. */
export const RUNTIMES = {
  bun: join(MODULES, `@oven/bun-linux-${ARM ? "aarch64" : "x64"}/bin/bun`),
  deno: join(MODULES, `@deno/linux-${ARM ? "arm64" : "x64"}-glibc/deno`),
  workerd: join(MODULES, `@cloudflare/workerd-linux-${ARM ? "arm64" : "64"}/bin/workerd`),
} as const;

/** Throws unless the programs of bench/package.json are there. */
export function requireInstalled(): void {
  for (const file of Object.values(RUNTIMES)) {
    if (!existsSync(file))
      throw new Error(`Cannot find ${file}: expected \`npm ci --prefix bench\` to bring it`);
  }
}

export function programs(): Programs {
  const packages = ["bun", "deno", "workerd", "fastify", "express", "hono", "@hono/node-server"];
  return {
    nginx: ["nginx", "-v"],
    "its Lua module": debianVersion("libnginx-mod-http-lua"),
    njs: debianVersion("libnginx-mod-http-js"),
    ...Object.fromEntries(packages.map((name) => [name, npmVersion(name)])),
    wrk: ["wrk", "--version"],
  };
}

function debianVersion(name: string): readonly string[] {
  return ["dpkg-query", "--show", name];
}

function npmVersion(name: string): string {
  return JSON.parse(readFileSync(join(MODULES, name, "package.json"), "utf8")).version;
}
