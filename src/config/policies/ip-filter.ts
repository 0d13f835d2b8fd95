// The policy `ip_filter`: which addresses may come in. Runs anywhere.

import { z } from "zod";
import type { Cidr } from "../../core/ip.ts";
import { atKey, type Findings } from "../finding.ts";
import { hasMisspelt } from "../settings.ts";
import type { SourceNode } from "../tree.ts";
import { cidr, oneOrMore, truth } from "../values.ts";

export interface IpFilterSpec {
  /** Null for everybody. */
  readonly allow: readonly Cidr[] | null;
  readonly deny: readonly Cidr[];
}

function ranges() {
  return oneOrMore(cidr(), "expected an address, a range or a list of them").optional();
}

export const ipFilterSchema = z
  .strictObject({
    enabled: truth().prefault(true).describe("`false` turns it off and keeps the section."),
    allow: ranges().describe("Addresses and ranges that may come in, and no others. Without it, everybody."),
    deny: ranges().describe("Addresses and ranges that may not come in, also where `allow` has them."),
  })
  .describe("Answers 403 to clients by their address (docs/policies/ip-filter.md).");

export function compileIpFilter({ allow, deny }: z.output<typeof ipFilterSchema>): IpFilterSpec {
  return { allow: allow ?? null, deny: deny ?? [] };
}

const LISTS = ["allow", "deny"];

export function* ipFilterProblems(policy: SourceNode): Findings {
  const { children } = policy;
  if (children.get("enabled")?.value === false || hasMisspelt(policy, LISTS)) return;
  if (!LISTS.some((name) => children.has(name)))
    yield atKey(policy, 'cannot filter without addresses: expected "allow", "deny" or both');
}
