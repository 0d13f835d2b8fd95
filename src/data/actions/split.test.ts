// Who goes to which upstream of a split, and who moves when weights do. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { ProxySpec } from "../../config/snapshot.ts";
import { type ClientStream, Exchange, type RequestHead } from "../../core/exchange.ts";
import { HeaderList } from "../../core/headers.ts";
import { Split } from "./split.ts";

type Weights = ReadonlyArray<readonly [name: string, weight: number]>;

const BY_USER: ProxySpec["splitBy"] = { from: "header", name: "x-user" };

function splitOf(weights: Weights, by = BY_USER): Split<string> {
  return new Split(
    by,
    weights.map(([target, weight]) => ({ target, weight })),
  );
}

function exchangeOf(user: string | null, clientAddress = "192.0.2.1"): Exchange {
  const headers = new HeaderList();
  if (user !== null) headers.add("X-User", user);
  const request = { path: "/", query: "", headers } as RequestHead;
  return new Exchange(request, { tls: null } as ClientStream, clientAddress, 0);
}

const USERS = Array.from({ length: 100_000 }, (_, i) => exchangeOf(`user-${i}`));

/** Where each of `USERS` goes. */
function homes(weights: Weights): string[] {
  const split = splitOf(weights);
  return USERS.map((exchange) => split.choose(exchange));
}

/** How many went where, as `from>to`: only those that did not stay. */
function moves(before: readonly string[], after: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < before.length; i++) {
    const move = `${before[i]}>${after[i]}`;
    if (before[i] !== after[i]) counts[move] = (counts[move] ?? 0) + 1;
  }
  return counts;
}

/** Within six standard deviations of the share: a good split is outside of that twice in 10^9 times. */
function assertShare(count: number, of: number, share: number): void {
  const spread = 6 * Math.sqrt(of * share * (1 - share));
  assert.ok(Math.abs(count - of * share) <= spread, `${count} of ${of}: expected ${of * share} ± ${spread}`);
}

const anyWeights = fc
  .array(fc.integer({ min: 0, max: 1_000_000 }), { minLength: 1, maxLength: 8 })
  .filter((weights) => weights.some((weight) => weight > 0));

describe("a split by key", () => {
  const SHARES: readonly Weights[] = [
    [
      ["a", 1],
      ["b", 1],
    ],
    [
      ["a", 5],
      ["b", 95],
    ],
    [
      ["a", 1],
      ["b", 999_999],
    ],
    [
      ["a", 20],
      ["b", 0],
      ["c", 30],
      ["d", 50],
    ],
  ];
  for (const weights of SHARES) {
    it(`gives each upstream its share of the keys: ${weights.join(" ")}`, () => {
      const went = homes(weights);
      const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [name, weight] of weights) {
        assertShare(went.filter((home) => home === name).length, went.length, weight / total);
      }
    });
  }

  it("gives nothing to an upstream of weight 0", () => {
    fc.assert(
      fc.property(anyWeights, fc.string(), (weights, user) => {
        const split = splitOf(weights.map((weight, i) => [String(i), weight] as const));
        assert.ok(weights[Number(split.choose(exchangeOf(user)))]! > 0);
      }),
    );
  });

  it("gives a key the same upstream every time, on every thread and in every snapshot", () => {
    fc.assert(
      fc.property(anyWeights, fc.string(), (weights, user) => {
        const named = weights.map((weight, i) => [String(i), weight] as const);
        const home = splitOf(named).choose(exchangeOf(user));
        // Of the weights only their ratio counts.
        const doubled = named.map(([name, weight]) => [name, 2 * weight] as const);
        assert.equal(splitOf(named).choose(exchangeOf(user)), home);
        assert.equal(splitOf(doubled).choose(exchangeOf(user)), home);
      }),
    );
  });

  it("has the users that it had in every version of the gateway", () => {
    const split = splitOf([
      ["canary", 20],
      ["stable", 80],
    ]);
    const users = ["anna", "berta", "carla", "dora", "emma", "frieda", "gerda", "hanna", "ida", "jutta"];
    const canaries = users.filter((user) => split.choose(exchangeOf(user)) === "canary");
    assert.deepEqual(canaries, ["berta", "dora", "emma"]);
  });

  it("moves only who is between the borders when a canary grows", () => {
    const before = homes([
      ["canary", 5],
      ["stable", 95],
    ]);
    const after = homes([
      ["canary", 10],
      ["stable", 90],
    ]);
    const moved = moves(before, after);
    assert.deepEqual(Object.keys(moved), ["stable>canary"]);
    assertShare(moved["stable>canary"]!, USERS.length, 0.05);
  });

  it("moves users of whatever lies between two borders that move", () => {
    const before = homes([
      ["canary", 5],
      ["beta", 5],
      ["stable", 90],
    ]);
    const after = homes([
      ["canary", 10],
      ["beta", 5],
      ["stable", 85],
    ]);
    const moved = moves(before, after);
    assert.deepEqual(Object.keys(moved).sort(), ["beta>canary", "stable>beta"]);
    for (const count of Object.values(moved)) assertShare(count, USERS.length, 0.05);
  });

  it("moves nobody of what lies at the other end", () => {
    const before = homes([
      ["canary", 5],
      ["stable", 90],
      ["beta", 5],
    ]);
    const after = homes([
      ["canary", 10],
      ["stable", 85],
      ["beta", 5],
    ]);
    assert.deepEqual(Object.keys(moves(before, after)), ["stable>canary"]);
  });

  it("goes by the client's address where the key is missing", () => {
    const split = splitOf([
      ["a", 50],
      ["b", 50],
    ]);
    const byAddress = splitOf(
      [
        ["a", 50],
        ["b", 50],
      ],
      { from: "client" },
    );
    for (let i = 0; i < 100; i++) {
      const address = `10.0.0.${i}`;
      assert.equal(split.choose(exchangeOf(null, address)), byAddress.choose(exchangeOf("x", address)));
    }
  });
});

describe("a split at random", () => {
  it("gives each upstream its share of the requests", () => {
    const split = splitOf(
      [
        ["a", 5],
        ["none", 0],
        ["b", 95],
      ],
      { from: "random" },
    );
    const went = USERS.map(() => split.choose(USERS[0]!));
    assertShare(went.filter((home) => home === "a").length, went.length, 0.05);
    assert.equal(went.includes("none"), false);
  });
});
