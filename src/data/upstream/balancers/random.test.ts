// `random`: picks that know nothing of each other. (Shares by weight: balancer.test.ts.) Runs in the test process.

import { it } from "node:test";
import { assertShares, backendsOf, exchangeOf } from "./candidates.test.ts";
import { Random } from "./random.ts";

it("random picks each pair in a row as often as chance has it", () => {
  const weights = [1, 2, 5];
  const backends = backendsOf(weights);
  const balancer = new Random();
  const pairs = new Array<number>(9).fill(0);
  for (let i = 0; i < 20_000; i++) {
    const first = balancer.pick(exchangeOf(), backends).index;
    pairs[3 * first + balancer.pick(exchangeOf(), backends).index]! += 1;
  }
  assertShares(
    pairs,
    weights.flatMap((first) => weights.map((second) => first * second)),
  );
});
