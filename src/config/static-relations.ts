// What the files that a route serves must be like when a configuration is read. Runs in the control thread and the CLI.

import { type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { atValue, type Findings } from "./finding.ts";
import { readFault } from "./pem-files.ts";
import { quote } from "./problem.ts";
import { staticFiles } from "./schema/static.ts";
import { textOf } from "./settings.ts";
import type { SourceNode } from "./tree.ts";

/** `files` is the section `static` of a route. */
export function* staticProblems(files: SourceNode): Findings {
  const root = textOf(files, "root");
  if (root === null || root === "") return;
  const folder = looked(root);
  if (typeof folder === "string" || !folder.isDirectory()) {
    const fault = typeof folder === "string" ? folder : "it is none";
    yield atValue(files.children.get("root")!, `cannot use ${quote(root)}: expected a folder: ${fault}`);
    return;
  }
  const fallback = textOf(files, "spa_fallback");
  if (fallback === null || !staticFiles.shape.spa_fallback.safeParse(fallback).success) return;
  const file = looked(join(root, fallback));
  if (typeof file !== "string" && file.isFile()) return;
  const fault = typeof file === "string" ? file : "it is none";
  const message = `cannot use ${quote(fallback)}: expected a file below ${quote(root)}: ${fault}`;
  yield atValue(files.children.get("spa_fallback")!, message);
}

/** What is at the path, or why that is not known. */
function looked(path: string): Stats | string {
  try {
    return statSync(path);
  } catch (error) {
    return readFault(error);
  }
}
