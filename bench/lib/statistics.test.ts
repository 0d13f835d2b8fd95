// Unit tests of statistics.ts, against values worked out by hand.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fitLine, lowerQuartile, median, pairedRatios, quantile } from "./statistics.ts";

const QUANTILES: ReadonlyArray<[values: number[], share: number, expected: number]> = [
  [[7], 0.25, 7],
  [[10, 2], 0.25, 4],
  [[10, 2], 0.5, 6],
  [[3, 1, 2], 0.5, 2],
  [[5, 4, 3, 2, 1], 0.25, 2],
  [[5, 4, 3, 2, 1], 0, 1],
  [[5, 4, 3, 2, 1], 1, 5],
  [[100, 9, 20], 0.5, 20],
];

for (const [values, share, expected] of QUANTILES) {
  test(`the ${share} quantile of ${values} is ${expected}`, () => {
    assert.equal(quantile(values, share), expected);
  });
}

test("a quantile of nothing is not a number", () => {
  assert.ok(Number.isNaN(median([])));
});

test("quantiles leave the order of the samples alone", () => {
  const rounds = [3, 1, 2];
  lowerQuartile(rounds);
  assert.deepEqual(rounds, [3, 1, 2]);
});

test("a round that is slow for both sides does not move the paired ratio", () => {
  assert.equal(median(pairedRatios([10, 90, 11], [5, 45, 5.5])), 2);
});

test("rounds that do not pair up are refused", () => {
  assert.throws(() => pairedRatios([1, 2], [1]), /Cannot pair 2 rounds with 1/);
});

test("a line through exact points is found exactly", () => {
  const line = fitLine([
    [0, 50],
    [2, 56],
    [4, 62],
  ]);
  assert.deepEqual(line, { slope: 3, intercept: 50 });
});

test("a line through scattered points is the one of least squares", () => {
  const line = fitLine([
    [0, 1],
    [1, 1],
    [2, 4],
  ]);
  assert.equal(line.slope, 1.5);
  assert.equal(line.intercept, 0.5);
});
