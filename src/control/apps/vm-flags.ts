// The flags of Node that a VM is started with: its heap, and what it is permitted. Control thread.

import type { AppPlan } from "../../config/snapshot.ts";

/** `files` are those that the VM itself is made of. */
export function vmFlags({ permissions, memoryBytes, inspect }: AppPlan, files: readonly string[]): string[] {
  const flags = [
    `--max-old-space-size=${Math.floor(memoryBytes / 1_048_576)}`,
    // V8 begins with 1 MB for young objects, which a VM under load fills some thirty times a second: an eighth of its CPU.
    "--min-semi-space-size=4",
    // Each of V8's threads is woken for every collection, and so small a heap has work for one.
    "--v8-pool-size=1",
    "--disable-sigusr1",
    "--enable-source-maps",
    "--permission",
    ...[...files, ...permissions.read, ...permissions.write].map((path) => `--allow-fs-read=${path}`),
    ...permissions.write.map((path) => `--allow-fs-write=${path}`),
  ];
  if (permissions.net) flags.push("--allow-net");
  // What Node has to say against it, docs/apps.md says.
  if (inspect !== null) flags.push("--allow-inspector", "--disable-warning=PERM0004");
  if (permissions.run) flags.push("--allow-child-process");
  if (permissions.threads) flags.push("--allow-worker");
  if (!permissions.sqlite) flags.push("--no-experimental-sqlite");
  return flags;
}
