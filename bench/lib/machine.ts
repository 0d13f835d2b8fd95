// Says what a result was measured on: without it, no number means anything.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { PINNED_NODE, REPOSITORY } from "./sluice.ts";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly kernel: string;
  /** Name → version, for whatever of it is installed. */
  readonly versions: Readonly<Record<string, string>>;
}

export function describeMachine(): Machine {
  return {
    processor: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: /^PRETTY_NAME="(.*)"$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "unknown",
    kernel: release(),
    versions: {
      sluice: describeCommit(),
      node: versionOf([PINNED_NODE, "--version"]),
      nginx: versionOf(["nginx", "-v"]),
      haproxy: versionOf(["haproxy", "-v"]),
      wrk: versionOf(["wrk", "--version"]),
    },
  };
}

function describeCommit(): string {
  const commit = output(["git", "-C", REPOSITORY, "rev-parse", "--short", "HEAD"]).trim();
  const changed = output(["git", "-C", REPOSITORY, "status", "--porcelain", "--", "src"]) !== "";
  return changed ? `${commit} with uncommitted changes` : commit;
}

/** The first thing that looks like a version; programs disagree about where to print it, and wrk exits with 1. */
function versionOf(command: readonly string[]): string {
  return /\d+\.\d+[\w.+~-]*/.exec(output(command))?.[0] ?? "not found";
}

function output([command = "", ...args]: readonly string[]): string {
  const { stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  return `${stdout ?? ""}${stderr ?? ""}`;
}
