// Whether what a setting names is an upstream of the file. Runs anywhere.

import { quote } from "./problem.ts";
import { nearest } from "./suggest.ts";
import type { SourceNode } from "./tree.ts";

/** Null where there is an upstream of this name. */
export function unknownUpstream(root: SourceNode, name: string): string | null {
  const names = [...(root.children.get("backends")?.children.keys() ?? [])].map(String);
  if (names.includes(name)) return null;
  const meant = nearest(name, names);
  const hint = meant === null ? "" : `: did you mean ${quote(meant)}?`;
  return `cannot use ${quote(name)}: expected the name of an upstream in "backends"${hint}`;
}
