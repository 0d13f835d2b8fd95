// Writes the entry of an app into a folder of its own, for tests.

import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** Returns the path of the entry. The system takes the folder away with the other temporary ones. */
export function writeApp(code: string, name = "handler.ts"): string {
  return join(writeFiles({ [name]: code }), name);
}

/** Files by path within a folder, a new one where none is given. Returns the folder. */
export function writeFiles(
  files: Readonly<Record<string, string>>,
  folder = mkdtempSync(join(tmpdir(), "sluice-app-")),
): string {
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  return folder;
}
