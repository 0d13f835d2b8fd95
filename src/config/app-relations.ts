// What the apps of a file must be like when it is read, and the routes that name them. Runs in the control thread and the CLI.

import { type Stats, statSync } from "node:fs";
import { atKey, atValue, type Findings } from "./finding.ts";
import { type PemFiles, readFault } from "./pem-files.ts";
import { quote } from "./problem.ts";
import { entriesOf, textOf } from "./settings.ts";
import { nearest } from "./suggest.ts";
import type { SourceNode } from "./tree.ts";
import { unknownUpstream } from "./upstream-names.ts";

export function* appProblems(root: SourceNode, app: SourceNode, files: PemFiles): Findings {
  const entry = textOf(app, "entry");
  if (entry !== null && entry !== "") {
    const fault = entryFault(entry);
    if (fault !== null) yield atValue(app.children.get("entry")!, `cannot use ${quote(entry)}: ${fault}`);
  }
  const variables = new Set([...entriesOf(app.children.get("env"))].map(([name]) => String(name)));
  for (const [name, file] of entriesOf(app.children.get("secrets"))) {
    if (variables.has(String(name))) yield atKey(file, `cannot use "${name}" twice: it is in "env" too`);
    variables.add(String(name));
    const path = typeof file.value === "string" && !file.broken ? file.value : "";
    const fault = path === "" ? null : files.unreadable(path);
    if (fault !== null) yield atValue(file, `cannot use ${quote(path)}: ${fault}`);
  }
  for (const [, upstream] of app.children.get("upstreams")?.children ?? []) {
    if (typeof upstream.value !== "string" || upstream.broken) continue;
    const problem = unknownUpstream(root, upstream.value);
    if (problem !== null) yield atValue(upstream, problem);
    else if (variables.has(upstream.value))
      yield atValue(
        upstream,
        `cannot use ${quote(upstream.value)}: a variable of this app has the same name`,
      );
  }
}

/** Null where a route names an app of the file, or none at all. */
export function unknownApp(root: SourceNode, name: string): string | null {
  const names = [...(root.children.get("apps")?.children.keys() ?? [])].map(String);
  if (names.includes(name)) return null;
  const meant = nearest(name, names);
  const hint = meant === null ? "" : `: did you mean ${quote(meant)}?`;
  return `cannot use ${quote(name)}: expected the name of an app in "apps"${hint}`;
}

function entryFault(entry: string): string | null {
  let found: Stats;
  try {
    found = statSync(entry);
  } catch (error) {
    return `cannot read the file: ${readFault(error)}`;
  }
  return found.isFile() ? null : "expected a file with the handler";
}
