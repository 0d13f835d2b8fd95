// Says what a result was measured on: without it, no number means anything.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { PINNED_NODE, REPOSITORY } from "./sluice.ts";

/** Name → its version, or the command that prints it. */
export type Programs = Readonly<Record<string, string | readonly string[]>>;

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly kernel: string;
  /** Name → version, for whatever of it is installed. */
  readonly versions: Readonly<Record<string, string>>;
}

const PROXIES: Programs = {
  nginx: ["nginx", "-v"],
  haproxy: ["haproxy", "-v"],
  wrk: ["wrk", "--version"],
  h2load: ["h2load", "--version"],
};

export function describeMachine(programs: Programs = PROXIES): Machine {
  return {
    processor: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: /^PRETTY_NAME="(.*)"$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "unknown",
    kernel: release(),
    versions: {
      sluice: describeCommit(),
      node: versionOf([PINNED_NODE, "--version"]),
      ...Object.fromEntries(
        Object.entries(programs).map(([name, told]) => [
          name,
          typeof told === "string" ? told : versionOf(told),
        ]),
      ),
    },
  };
}

function describeCommit(): string {
  const git = (...args: string[]) => spawnSync("git", ["-C", REPOSITORY, ...args], { encoding: "utf8" });
  const commit = git("rev-parse", "--short", "HEAD");
  if (commit.status !== 0) return "outside its repository";
  const changed = git("status", "--porcelain", "--", "src").stdout !== "";
  return `${commit.stdout.trim()}${changed ? " with uncommitted changes" : ""}`;
}

/** The first thing that looks like a version; programs disagree about where to print it, and wrk exits with 1. */
function versionOf([command = "", ...args]: readonly string[]): string {
  const { stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  return /\d+\.\d+[\w.+~-]*/.exec(`${stdout}${stderr}`)?.[0] ?? "not found";
}
