// The order of `round_robin`, also while backends come and go. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { backendsOf, exchangeOf, picks, settingOf } from "./candidates.test.ts";
import { RoundRobin } from "./round-robin.ts";

const TABLE: ReadonlyArray<readonly [weights: readonly number[], offset: number, order: string]> = [
  [[1, 1, 1], 0, "abcabca"],
  [[5, 1, 1], 0, "abcabca"],
  [[1, 1, 1], 1, "bcabcab"],
  [[1, 1], 5, "bababab"],
];

describe("the order of round_robin", () => {
  for (const [weights, offset, order] of TABLE) {
    it(`is ${order} for the weights ${weights} from ${offset}`, () => {
      const backends = backendsOf(weights);
      const balancer = new RoundRobin(settingOf(backends, { offset }));
      assert.equal(picks(balancer, backends, order.length), order);
    });
  }

  it("leaves out who is gone, and has it in its old place again", () => {
    const backends = backendsOf([1, 1, 1, 1]);
    const balancer = new RoundRobin(settingOf(backends));
    const without = backends.filter(({ spec }) => spec.id !== "b");
    assert.equal(picks(balancer, backends, 1), "a");
    assert.equal(picks(balancer, without, 5), "cdacd");
    assert.equal(picks(balancer, backends, 5), "abcda");
  });

  it("has nobody twice before a backend that is always there has had its turn", () => {
    const steps = fc.array(fc.nat(2 ** 10 - 1), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 }), fc.nat(9), steps, (size, constant, presents) => {
        const backends = backendsOf(new Array<number>(size).fill(1));
        const always = backends[constant % size]!;
        const balancer = new RoundRobin(settingOf(backends));
        const since = new Set<string>();
        for (const present of presents) {
          const candidates = backends.filter(
            (backend) => backend === always || (present & (1 << backend.index)) !== 0,
          );
          const picked = balancer.pick(exchangeOf(), candidates);
          assert.ok(!since.has(picked.spec.id));
          if (picked === always) since.clear();
          else since.add(picked.spec.id);
        }
      }),
    );
  });
});
