import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FrameBudget } from "./frame-budget.ts";

describe("a budget of frames", () => {
  it("is so many at once, and no more", () => {
    const budget = new FrameBudget(3);
    assert.deepEqual(
      [1, 2, 3, 4].map(() => budget.take(0)),
      [true, true, true, false],
    );
  });

  it("comes back over ten seconds, and never is more than at the start", () => {
    const budget = new FrameBudget(2);
    budget.take(0);
    budget.take(0);
    assert.equal(budget.take(4_900), false);
    assert.equal(budget.take(5_100), true);
    assert.equal(budget.take(5_100), false);
    assert.deepEqual(
      [1, 2, 3].map(() => budget.take(1e9)),
      [true, true, false],
    );
  });
});
