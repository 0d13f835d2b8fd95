// The folder that one benchmark run keeps its configurations and logs in.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** It goes when the process does, also when somebody interrupts it. */
export function createScratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  return folder;
}
