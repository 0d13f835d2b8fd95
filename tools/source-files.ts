// Which files of a tree the checks of this folder read. Runs in development only.

import { globSync } from "node:fs";

/** Paths from `root`, with `/`, in alphabetical order. */
export function sourceFiles(root: string): string[] {
  const files = globSync("{bench,bin,dashboard,examples,src,test,tools}/**/*.{ts,tsx,js,mjs}", {
    cwd: root,
    exclude: ["**/node_modules/**", "**/dist/**"],
  });
  return files.map((file) => file.replaceAll("\\", "/")).sort();
}
