// What policies need beside the right kinds of value: files that can be read, settings that fit together. Runs anywhere.

import type { Findings } from "./finding.ts";
import type { PemFiles } from "./pem-files.ts";
import { bodyLimitProblems } from "./policies/body-limit.ts";
import { entriesOf } from "./settings.ts";
import type { SourceNode } from "./tree.ts";

/** Checks of a policy, by its name. */
const CHECKS: Readonly<Record<string, (policy: SourceNode, files: PemFiles) => Findings>> = {};

/** Of the file and of every route. One that is turned off is checked too: it may be turned on again. */
export function* policyProblems(root: SourceNode, files: PemFiles): Findings {
  yield* problemsOf(root, files);
  for (const [, route] of entriesOf(root.children.get("routing"))) yield* problemsOf(route, files);
}

/** `owner` has `policies`: the file, or a route. */
function* problemsOf(owner: SourceNode, files: PemFiles): Findings {
  yield* bodyLimitProblems(owner);
  for (const [name, policy] of entriesOf(owner.children.get("policies"))) {
    const check = Object.hasOwn(CHECKS, name) ? CHECKS[name] : undefined;
    if (check !== undefined) yield* check(policy, files);
  }
}
