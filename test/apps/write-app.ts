// Writes the entry of an app into a folder of its own, for tests.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { newFolder } from "../support/folder.ts";

/** Returns the path of the entry. */
export function writeApp(code: string, name = "handler.ts"): string {
  return join(writeFiles({ [name]: code }), name);
}

/** Files by path within a folder, a new one where none is given, which goes with the process. Returns the folder. */
export function writeFiles(files: Readonly<Record<string, string>>, folder = newFolder()): string {
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  return folder;
}
