// What the counts of rate limits outlive. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadConfigText } from "../config/load.ts";
import type { PolicySpecs, SnapshotPlan } from "../config/snapshot.ts";
import { RateLimits } from "./rate-limits.ts";

const FIRST = `
policies: { rate_limit: { rate: 10/s } }
routing:
  shared: { path: /shared, respond: {} }
  too: { path: /too, respond: {} }
  own: { path: /own, respond: {}, policies: { rate_limit: { rate: 10/s, and: [{ rate: 5/m, by: all }] } } }
  none: { path: /none, respond: {}, policies: { rate_limit: { enabled: false, rate: 10/s } } }
`;

describe("the counts of rate limits", () => {
  it("are one for the routes that the limit of the file is for, another one for a route's own", () => {
    const [file, shared, too, own, none] = go(new RateLimits(), FIRST);
    assert.equal(file?.length, 1);
    assert.equal(shared?.[0], file?.[0]);
    assert.equal(too?.[0], file?.[0]);
    assert.equal(own?.length, 2);
    assert.equal(new Set([...(file ?? []), ...(own ?? [])]).size, 3);
    assert.equal(none, undefined);
  });

  it("go on over a reload where the limit stays", () => {
    const limits = new RateLimits();
    const before = go(limits, FIRST);
    const renamed = FIRST.replace("rate: 10/s }", "rate: 10/s, name: x, headers: false, dry_run: true }");
    assert.deepEqual(go(limits, renamed).map(idsAmong(before)), before.map(idsAmong(before)));
  });

  for (const [what, from, to] of [
    ["rate", "rate: 10/s }", "rate: 11/s }"],
    ["burst", "rate: 10/s }", "rate: 10/s, burst: 11 }"],
    ["key", "rate: 10/s }", "rate: 10/s, by: path }"],
    ["network", "rate: 10/s }", "rate: 10/s, ipv6_prefix: 48 }"],
    ["number of keys", "rate: 10/s }", "rate: 10/s, keys: 1000 }"],
  ] as const) {
    it(`begin anew with another ${what}, and those of others go on`, () => {
      const limits = new RateLimits();
      const before = go(limits, FIRST);
      const after = go(limits, FIRST.replace(from, to));
      assert.notEqual(after[0]?.[0], before[0]?.[0]);
      assert.deepEqual(after[3], before[3]);
    });
  }

  it("stay as they are where a snapshot is not gone over to", () => {
    const limits = new RateLimits();
    const before = go(limits, FIRST);
    limits.draft(planOf(FIRST.replaceAll("10/s", "11/s")));
    assert.equal(go(limits, FIRST)[0]?.[0], before[0]?.[0]);
  });

  it("end with their limit", () => {
    const limits = new RateLimits();
    const before = go(limits, FIRST);
    go(limits, "routing: { a: { respond: {} } }");
    assert.notEqual(go(limits, FIRST)[0]?.[0], before[0]?.[0]);
  });
});

function planOf(text: string): SnapshotPlan {
  const result = loadConfigText(text, "x.yaml", {});
  assert.ok(result.ok);
  return result.snapshot;
}

/** The memory of the limits of the file and of each route. */
function go(limits: RateLimits, text: string): Array<Array<SharedArrayBuffer | null> | undefined> {
  const drafted = limits.draft(planOf(text));
  limits.adopt(drafted);
  const tablesOf = (specs: PolicySpecs | null) => specs?.rate_limit?.rules.map(({ shared }) => shared);
  return [drafted.specs.policies, ...drafted.specs.routes.map(({ policies }) => policies)].map(tablesOf);
}

/** Says which of the pieces of memory each one is: two of them compare as equal, whatever they are. */
function idsAmong(known: ReturnType<typeof go>) {
  const all = known.flatMap((tables) => tables ?? []);
  return (tables: Array<SharedArrayBuffer | null> | undefined) => tables?.map((table) => all.indexOf(table));
}
