// What the relations between settings ask of a value of the file before the schema has seen it: it may still be anything.
// Runs anywhere.

import type { PathSegment } from "./problem.ts";
import { nearest } from "./suggest.ts";
import type { SourceNode } from "./tree.ts";

export function isMapping({ value }: SourceNode): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What is in a mapping; nothing where it is missing or something else. */
export function entriesOf(node: SourceNode | undefined): Iterable<readonly [PathSegment, SourceNode]> {
  return node !== undefined && isMapping(node) ? node.children : [];
}

/** The text of a setting, or null where it is missing, something else, or reported already. */
export function textOf(node: SourceNode, name: string): string | null {
  const setting = node.children.get(name);
  return typeof setting?.value === "string" && !setting.broken ? setting.value : null;
}

/** Whether a policy that is not switched off has none of these settings, and nothing that may have been meant as one. */
export function lacks(policy: SourceNode, names: readonly string[]): boolean {
  if (!isMapping(policy) || policy.children.get("enabled")?.value === false) return false;
  return !names.some((name) => policy.children.has(name)) && !hasMisspelt(policy, names);
}

/** Whether one of the names is probably there, but misspelt: an unknown key was reported, so nothing is missing too. */
export function hasMisspelt(node: SourceNode, names: readonly string[]): boolean {
  return [...node.children.keys()].some((key) => nearest(String(key), names) !== null);
}
