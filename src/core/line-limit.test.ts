import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LineLimit } from "./line-limit.ts";

const RATE = { lines: 3, linesPerSecond: 2, bytes: 100, bytesPerSecond: 10 };

/** Lines that got through of so many that were tried. */
function through(limit: LineLimit, nowMs: number, tries: number, bytes = 1): number {
  let passed = 0;
  for (let i = 0; i < tries; i++) {
    if (limit.isOpen(nowMs)) {
      limit.take(bytes);
      passed++;
    } else limit.leaveOut(1);
  }
  return passed;
}

describe("a limit on lines", () => {
  it("lets so many through at once, then so many a second, and never saves up more", () => {
    const limit = new LineLimit(RATE);
    assert.equal(through(limit, 5000, 10), 3);
    assert.equal(through(limit, 6000, 10), 2);
    assert.equal(through(limit, 60_000, 10), 3);
  });

  it("counts bytes too", () => {
    const limit = new LineLimit(RATE);
    assert.equal(through(limit, 0, 3, 60), 2);
    assert.equal(through(limit, 1000, 3, 60), 0);
    assert.equal(through(limit, 2100, 3, 1), 1);
  });

  it("says how many were left out, once", () => {
    const limit = new LineLimit(RATE);
    through(limit, 0, 10);
    assert.equal(limit.told(), 7);
    assert.equal(limit.told(), 0);
  });

  it("goes on by fractions of a line", () => {
    const limit = new LineLimit(RATE);
    through(limit, 0, 3);
    let passed = 0;
    for (let ms = 1; ms <= 3000; ms++) passed += through(limit, ms, 1);
    assert.equal(passed, 6);
  });
});
