// The policy `body_limit`: the longest request body. No code of its own on a request's way: it is the limit of the route that
// `limits.body_size` sets, so a route has one limit, wherever it is written. Runs anywhere.

import { z } from "zod";
import { atKey, type Findings } from "../finding.ts";
import { lacks } from "../settings.ts";
import type { SourceNode } from "../tree.ts";
import { size, truth } from "../values.ts";

export const bodyLimitSchema = z
  .strictObject({
    enabled: truth().prefault(true).describe("`false` turns it off and keeps the section."),
    size: size(1).optional().describe("Longest request body."),
  })
  .describe(
    "Refuses longer request bodies with 413, as `limits.body_size` does (docs/policies/body-limit.md).",
  );

type BodyLimitConfig = z.output<typeof bodyLimitSchema> | undefined;

/** The nearest one counts: of the route before the file. Bytes; 0 for no limit. */
export function bodyBytesOf(
  route: { readonly policy: BodyLimitConfig; readonly limit: number | undefined },
  file: { readonly policy: BodyLimitConfig; readonly limit: number },
): number {
  if (route.policy?.enabled === true) return route.policy.size!;
  if (route.limit !== undefined) return route.limit;
  // One that the route turns off leaves what the file says in `limits`.
  if (route.policy === undefined && file.policy?.enabled === true) return file.policy.size!;
  return file.limit;
}

/** `owner` has `policies` and `limits`: the file, or a route. */
export function* bodyLimitProblems(owner: SourceNode): Findings {
  const policy = owner.children.get("policies")?.children.get("body_limit");
  const limit = owner.children.get("limits")?.children.get("body_size");
  if (policy === undefined) return;
  if (lacks(policy, ["size"]))
    yield atKey(policy, 'missing key "size": expected a size such as 512b, 64kb or 10mb, at least 1b');
  if (limit !== undefined)
    yield atKey(policy, 'cannot use "body_limit" beside "limits.body_size": expected one or the other');
}
