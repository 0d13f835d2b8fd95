// The pauses before VMs are started again. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HEALTHY_MS, Restarts } from "./restarts.ts";

describe("the pause before the next start", () => {
  it("is none at first, and doubles up to half a minute", () => {
    const restarts = new Restarts();
    const pauses = Array.from({ length: 12 }, () => restarts.ended(0));
    assert.deepEqual(pauses, [0, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
    assert.equal(restarts.inARow, 12);
  });

  it("begins anew after one that was healthy", () => {
    const restarts = new Restarts();
    for (let i = 0; i < 5; i++) restarts.ended(HEALTHY_MS - 1);
    assert.equal(restarts.ended(HEALTHY_MS), 0);
    assert.equal(restarts.inARow, 1);
  });
});
