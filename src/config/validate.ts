// Holds a configuration against the schema and says what is wrong in the words of its file. Runs anywhere.

import type { z } from "zod";
import { atKey, atValue, type Finding } from "./finding.ts";
import { quote } from "./problem.ts";
import { type Config, configSchema } from "./schema/config.ts";
import { keysAt } from "./schema-at.ts";
import { nearest } from "./suggest.ts";
import { nodeAt, type SourceNode } from "./tree.ts";

export interface Validation {
  /** Null when there is any problem. */
  readonly config: Config | null;
  readonly problems: readonly Finding[];
}

export function validate(root: SourceNode): Validation {
  const result = configSchema.safeParse(root.value, { error: expectedShape });
  if (result.success) return { config: result.data, problems: [] };
  return { config: null, problems: result.error.issues.flatMap((issue) => explain(root, issue)) };
}

/** Messages for what the schema itself has none for: mappings and lists. */
function expectedShape(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== "invalid_type") return undefined;
  return issue.expected === "array" ? "expected a list" : "expected a mapping";
}

function explain(root: SourceNode, issue: z.core.$ZodIssue): Finding[] {
  const node = nodeAt(root, issue.path);
  if (node.broken) return [];
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(issue.path);
    return issue.keys.map((key) => {
      const hint = suggestion(key, known) ?? `expected one of ${known.join(", ")}`;
      return atKey(node.children.get(key) ?? node, `unknown key ${quote(key)}: ${hint}`);
    });
  }
  if (issue.code === "invalid_union") {
    const branch = issue.errors.find((issues) => !issues.some(isOtherKind));
    if (branch !== undefined) {
      return branch.flatMap((inner) => explain(root, { ...inner, path: [...issue.path, ...inner.path] }));
    }
  }
  if (issue.code === "invalid_key") {
    const message = issue.issues[0]?.message ?? issue.message;
    return [atKey(node, `cannot use ${quote(node.path.at(-1))} as a key: ${message}`)];
  }
  if (node.path.length < issue.path.length) {
    const key = issue.path[node.path.length];
    return [atKey(node, `missing key ${quote(key)}: ${issue.message}`)];
  }
  const values = issue.code === "invalid_value" ? issue.values.map(String) : [];
  const hint = suggestion(node.value, values);
  return [
    atValue(node, `cannot use ${quote(node.value)}: ${issue.message}${hint === null ? "" : `: ${hint}`}`),
  ];
}

/** The branch of a union is for another kind of value altogether, so that its message would only confuse. */
function isOtherKind(issue: z.core.$ZodIssue): boolean {
  if (issue.path.length > 0) return false;
  if (issue.code === "invalid_union") return issue.errors.every((issues) => issues.some(isOtherKind));
  return issue.code === "invalid_type" || issue.code === "invalid_value";
}

function suggestion(word: unknown, candidates: readonly string[]): string | null {
  const meant = typeof word === "string" ? nearest(word, candidates) : null;
  return meant === null ? null : `did you mean ${quote(meant)}?`;
}
