// The counts of rate limits as the control thread holds them: makes the shared memory of each, and keeps it from one snapshot
// to the next where the limit stays what it is.

import type { PolicySpecs, RateRule, SnapshotPlan } from "../config/snapshot.ts";
import { createRateTable } from "../core/shared/rate-table.ts";

type Specs = Pick<SnapshotPlan, "routes" | "policies">;

export interface DraftedLimits {
  readonly specs: Specs;
  /** By the id of the rule. */
  readonly tables: ReadonlyMap<string, SharedArrayBuffer>;
}

export class RateLimits {
  #tables: ReadonlyMap<string, SharedArrayBuffer> = new Map();

  /** Puts the memory into the rules of a plan; nothing changes before `adopt`. Rules of one id share theirs. */
  draft({ routes, policies }: Specs): DraftedLimits {
    const tables = new Map<string, SharedArrayBuffer>();
    const withTable = (rule: RateRule): RateRule => {
      const shared = tables.get(rule.id) ?? this.#tables.get(rule.id) ?? createRateTable(rule.keys);
      tables.set(rule.id, shared);
      return { ...rule, shared };
    };
    const withTables = (specs: PolicySpecs | null): PolicySpecs | null => {
      if (specs?.rate_limit === undefined) return specs;
      return {
        ...specs,
        rate_limit: { ...specs.rate_limit, rules: specs.rate_limit.rules.map(withTable) },
      };
    };
    const specs = {
      routes: routes.map((route) => ({ ...route, policies: withTables(route.policies) })),
      policies: withTables(policies),
    };
    return { specs, tables };
  }

  /** A snapshot with these limits serves from now on. */
  adopt({ tables }: DraftedLimits): void {
    this.#tables = tables;
  }
}
