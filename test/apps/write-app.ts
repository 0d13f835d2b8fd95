// Writes the entry of an app into a folder of its own, for tests.

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Returns the path of the entry. The system takes the folder away with the other temporary ones. */
export function writeApp(code: string, name = "handler.ts"): string {
  const entry = join(mkdtempSync(join(tmpdir(), "sluice-app-")), name);
  writeFileSync(entry, code);
  return entry;
}
