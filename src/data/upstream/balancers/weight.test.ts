// The order of `weight`, and how far a backend may be from its share while others come and go. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { backendsOf, exchangeOf, picks, settingOf, sum } from "./candidates.test.ts";
import { SmoothWeight } from "./weight.ts";

const TABLE: ReadonlyArray<readonly [weights: readonly number[], order: string]> = [
  [[1, 1, 1], "abcabc"],
  [[100, 100], "abababab"],
  // The example of nginx: spread, not in a row.
  [[5, 1, 1], "aabacaaaabacaa"],
  [[4, 2, 1], "abacabaabacaba"],
  [[3, 1], "aabaaaba"],
  [[1, 3], "babbbabb"],
];

describe("the order of weight", () => {
  for (const [weights, order] of TABLE) {
    it(`is ${order} for the weights ${weights}`, () => {
      const backends = backendsOf(weights);
      assert.equal(picks(new SmoothWeight(settingOf(backends)), backends, order.length), order);
    });
  }

  it("gives each backend exactly its weight in every round", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 6 }), (weights) => {
        const backends = backendsOf(weights);
        const balancer = new SmoothWeight(settingOf(backends));
        for (let round = 0; round < 3; round++) {
          const order = picks(balancer, backends, sum(weights));
          const counts = backends.map(({ spec }) => order.split(spec.id).length - 1);
          assert.deepEqual(counts, weights);
        }
      }),
    );
  });
});

describe("a backend of weight", () => {
  /** Fails as soon as a backend is as many picks from its share as there are backends. */
  function assertNear(weights: readonly number[], presents: readonly number[]): void {
    const backends = backendsOf(weights);
    const balancer = new SmoothWeight(settingOf(backends));
    const apart = weights.map(() => 0);
    for (const present of presents) {
      const some = backends.filter(({ index }) => (present & (1 << index)) !== 0);
      const candidates = some.length === 0 ? backends : some;
      const total = sum(candidates.map(({ spec }) => spec.weight));
      for (const { index, spec } of candidates) apart[index]! -= spec.weight / total;
      apart[balancer.pick(exchangeOf(), candidates).index]! += 1;
      for (const picksApart of apart) assert.ok(Math.abs(picksApart) < weights.length, `${apart}`);
    }
  }

  it("is never further from its share than there are backends, whoever comes and goes", () => {
    const anyWeights = fc.array(fc.integer({ min: 1, max: 65_535 }), { minLength: 2, maxLength: 10 });
    const anyPresents = fc.array(fc.nat(2 ** 10 - 1), { minLength: 1, maxLength: 1000 });
    fc.assert(fc.property(anyWeights, anyPresents, assertNear));
  });

  const TURNS: ReadonlyArray<
    readonly [what: string, weights: readonly number[], presents: readonly number[]]
  > = [
    ["in turn", [1, 1, 1], [0b011, 0b111]],
    ["in pairs", [1, 1, 1, 1], [0b0011, 0b0110, 0b1100, 0b1001]],
    ["now and then", [3, 2, 1], [0b111, 0b011, 0b011, 0b011, 0b101]],
    ["one at a time", [5, 1, 1, 1, 1], [0b00001, 0b11111, 0b11110, 0b00011]],
  ];
  for (const [what, weights, presents] of TURNS) {
    it(`is near its share when the weights ${weights} come and go ${what}, for long`, () => {
      const many = Array.from({ length: 20_000 }, (_, i) => presents[i % presents.length]!);
      assertNear(weights, many);
    });
  }
});
