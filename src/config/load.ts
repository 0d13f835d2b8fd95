// From the text of a configuration to a snapshot, or to every problem at once. Runs in the control thread and the CLI.

import { readFileSync } from "node:fs";
import { compile, type GatewaySpec, type NameOrder } from "./compile.ts";
import type { Environment } from "./environment.ts";
import { PemFiles, readFault } from "./pem-files.ts";
import { byPlace, type Problem } from "./problem.ts";
import { relationProblems } from "./relations.ts";
import { schemaAt } from "./schema-at.ts";
import { entriesOf } from "./settings.ts";
import type { SnapshotPlan } from "./snapshot.ts";
import { parseSource } from "./source.ts";
import type { SourceNode } from "./tree.ts";
import { validate } from "./validate.ts";
import { collectWarnings } from "./warnings.ts";

export type LoadResult =
  | {
      readonly ok: true;
      readonly snapshot: SnapshotPlan;
      readonly gateway: GatewaySpec;
      readonly warnings: readonly Problem[];
      /** The same text once more, with the files that it names as they are then. */
      readonly again: () => LoadResult;
    }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** `file` appears in the problems as it is given. */
export function loadConfig(file: string, environment: Environment): LoadResult {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const message = `cannot read the file: ${readFault(error)}`;
    return { ok: false, problems: [{ file, line: 0, column: 0, path: "", message }] };
  }
  return loadConfigText(text, file, environment);
}

export function loadConfigText(text: string, file: string, environment: Environment): LoadResult {
  const source = parseSource(text, file, {
    environment,
    accepts: (path, value) => schemaAt(path)?.safeParse(value).success === true,
  });
  const { root } = source;
  if (root === null) return { ok: false, problems: source.problems };
  const { config, problems: ofSchema } = validate(root);
  const files = new PemFiles();
  const findings = [...ofSchema, ...relationProblems(root, files)];
  const problems = [...source.problems, ...findings.map(source.problemOf)].sort(byPlace);
  if (config === null || problems.length > 0) return { ok: false, problems };
  const warnings = collectWarnings(root, files, Date.now()).map(source.problemOf).sort(byPlace);
  const again = () => loadConfigText(text, file, environment);
  return { ok: true, ...compile(config, orderOf(root), files), warnings, again };
}

function orderOf(root: SourceNode): NameOrder {
  const splits = new Map<string, readonly string[]>();
  for (const [name, route] of entriesOf(root.children.get("routing")))
    splits.set(String(name), namesIn(route.children.get("split")?.children.get("to")));
  return {
    upstreams: namesIn(root.children.get("backends")),
    apps: namesIn(root.children.get("apps")),
    routes: namesIn(root.children.get("routing")),
    splits,
  };
}

function namesIn(mapping: SourceNode | undefined): string[] {
  return [...entriesOf(mapping)].map(([name]) => String(name));
}
