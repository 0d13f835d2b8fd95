// What tests of `run_as` need: root, another user, and a port that only root may bind. Runs in tests.

import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

/** A user of every system, and of none of its files. */
export const NOBODY = identityOf("nobody");

export const IS_ROOT = process.getuid?.() === 0;

/** A command to run another one as nobody. */
export const AS_NOBODY = ["setpriv", `--reuid=${NOBODY.uid}`, `--regid=${NOBODY.gid}`, "--clear-groups"];

export const needsRoot = { skip: IS_ROOT ? false : "only root can become another user" };

/** For what nobody reads: Node, and the source of the gateway in a data thread that starts later. */
export const needsReadableSource = { skip: needsRoot.skip || whyUnreadable() };

function whyUnreadable(): string | false {
  const source = new URL("../../src/data/thread.ts", import.meta.url).pathname;
  const [command = "", ...args] = [...AS_NOBODY, "test", "-x", process.execPath, "-a", "-r", source];
  return spawnSync(command, args).status === 0 ? false : "nobody may not read this copy of the repository";
}

export interface User {
  readonly uid: number;
  readonly gid: number;
}

function identityOf(name: string): User {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((text) => text.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(":") ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

/**
 * Below the first one that everybody may bind. In containers that is often 0: then there is none. Files of tests run
 * side by side: each looks below a port of its own.
 */
export async function freePrivilegedPorts(count: number, below: number): Promise<number[]> {
  const first = Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8"));
  const ports: number[] = [];
  for (let port = Math.min(first, below) - 1; port > 0 && ports.length < count; port--) {
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  const [event] = await Promise.race([
    once(server, "listening").then(() => ["listening"]),
    once(server, "error").then(() => ["error"]),
  ]);
  server.close();
  return event === "listening";
}
