// `two_choices`: the emptier of two, and what that does to the fullest of many. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertShares, backendsOf, exchangeOf, fill, picks } from "./candidates.test.ts";
import { TwoChoices } from "./two-choices.ts";

const OF_TWO: ReadonlyArray<
  readonly [weights: readonly number[], inFlight: readonly number[], best: string]
> = [
  [[1, 1], [0, 1], "a"],
  [[1, 1], [8, 7], "b"],
  [[2, 1], [3, 2], "a"],
  [[2, 1], [5, 2], "b"],
  [[100, 300], [1, 2], "b"],
  [[100, 300], [1, 4], "a"],
];

describe("two_choices", () => {
  for (const [weights, inFlight, best] of OF_TWO) {
    it(`of two with weights ${weights} and ${inFlight} in flight always picks ${best}`, () => {
      const backends = backendsOf(weights);
      inFlight.forEach((count, i) => void fill(backends[i]!, count));
      assert.equal(picks(new TwoChoices(), backends, 50), best.repeat(50));
    });
  }

  it("draws two different ones, each pair as often: of 4, the k-th fullest wins its share of the 6 pairs", () => {
    const backends = backendsOf([1, 1, 1, 1]);
    [3, 1, 2, 0].forEach((count, i) => void fill(backends[i]!, count));
    const counts = [0, 0, 0, 0];
    const balancer = new TwoChoices();
    for (let i = 0; i < 12_000; i++) counts[balancer.pick(exchangeOf(), backends).index]! += 1;
    assertShares(counts, [0, 2, 1, 3]);
  });

  it("keeps the fullest of 100 near the average, where one choice would be 35 or so above it", () => {
    const backends = backendsOf(new Array<number>(100).fill(1));
    const balancer = new TwoChoices();
    for (let i = 0; i < 20_000; i++) balancer.pick(exchangeOf(), backends).state.beginExchange();
    // Expected are log2 log2 100 = 2.7 above it; how likely more is falls with every one of them doubly exponentially.
    const fullest = Math.max(...backends.map(({ state }) => state.inFlight));
    assert.ok(fullest <= 200 + 10, `${fullest} in flight on one, expected about 203`);
  });
});
