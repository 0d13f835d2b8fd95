// `least_connections` and `least_connections_weight`: who has least, and who is next of those that have as little. Runs
// in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { BalancerName } from "../../../config/snapshot.ts";
import { createBalancer } from "./balancer.ts";
import { backendsOf, exchangeOf, fill, picks, settingOf } from "./candidates.test.ts";

type Row = readonly [weights: readonly number[], inFlight: readonly number[], order: string];

const TABLES: Readonly<Partial<Record<BalancerName, readonly Row[]>>> = {
  least_connections: [
    [[1, 1, 1], [2, 1, 3], "bbbb"],
    [[9, 1, 1], [2, 1, 3], "bbbb"],
    [[1, 1, 1], [0, 0, 0], "abcabc"],
    [[9, 1, 1], [0, 0, 0], "abcabc"],
    [[1, 1, 1, 1], [4, 3, 4, 3], "bdbd"],
    [[1, 1, 1, 1], [0, 5, 0, 0], "acdacd"],
  ],
  least_connections_weight: [
    [[1, 1, 1], [2, 1, 3], "bbbb"],
    [[100, 200, 300], [1, 2, 2], "cccc"],
    [[100, 200, 300], [0, 1, 1], "aaaa"],
    [[1, 1, 1], [0, 0, 0], "abcabc"],
    // 2 ÷ 1 = 4 ÷ 2 < 6 ÷ 2: turns by weight.
    [[1, 2, 2], [2, 4, 6], "babbab"],
    [[5, 1, 1], [0, 0, 0], "aabacaa"],
  ],
};

for (const [name, rows] of Object.entries(TABLES) as Array<[BalancerName, readonly Row[]]>) {
  describe(`the order of ${name}`, () => {
    for (const [weights, inFlight, order] of rows) {
      it(`is ${order} for the weights ${weights} with ${inFlight} in flight`, () => {
        const backends = backendsOf(weights);
        inFlight.forEach((count, i) => void fill(backends[i]!, count));
        assert.equal(picks(createBalancer(name, settingOf(backends)), backends, order.length), order);
      });
    }
  });
}

const anyLoads = fc.array(fc.record({ weight: fc.integer({ min: 1, max: 1000 }), inFlight: fc.nat(20) }), {
  minLength: 1,
  maxLength: 20,
});

describe("a pick", () => {
  it("of least_connections is one that nobody has less in flight than", () => {
    fc.assert(
      fc.property(anyLoads, (loads) => {
        const backends = backendsOf(loads.map(({ weight }) => weight));
        loads.forEach(({ inFlight }, i) => void fill(backends[i]!, inFlight));
        const picked = createBalancer("least_connections", settingOf(backends)).pick(exchangeOf(), backends);
        assert.equal(picked.state.inFlight, Math.min(...loads.map(({ inFlight }) => inFlight)));
      }),
    );
  });

  it("of least_connections_weight is one that nobody has less in flight than, for its weight", () => {
    fc.assert(
      fc.property(anyLoads, (loads) => {
        const backends = backendsOf(loads.map(({ weight }) => weight));
        loads.forEach(({ inFlight }, i) => void fill(backends[i]!, inFlight));
        const setting = settingOf(backends);
        const { spec, state } = createBalancer("least_connections_weight", setting).pick(
          exchangeOf(),
          backends,
        );
        const least = Math.min(...loads.map(({ weight, inFlight }) => inFlight / weight));
        assert.equal(state.inFlight / spec.weight, least);
      }),
    );
  });

  it("of least_connections keeps exchanges that last even to one", () => {
    const backends = backendsOf([1, 2, 3, 4, 5]);
    const balancer = createBalancer("least_connections", settingOf(backends));
    for (let i = 1; i <= 200; i++) {
      balancer.pick(exchangeOf(), backends).state.beginExchange();
      const inFlight = backends.map(({ state }) => state.inFlight);
      assert.ok(Math.max(...inFlight) - Math.min(...inFlight) <= 1, `${inFlight}`);
    }
  });

  it("of least_connections_weight keeps exchanges that last even for their weight", () => {
    const backends = backendsOf([1, 2, 3, 4]);
    const balancer = createBalancer("least_connections_weight", settingOf(backends));
    for (let i = 0; i < 200; i++) balancer.pick(exchangeOf(), backends).state.beginExchange();
    assert.deepEqual(
      backends.map(({ state }) => state.inFlight),
      [20, 40, 60, 80],
    );
  });
});
