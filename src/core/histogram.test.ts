// Counting durations: tables, and agreement with sorted lists. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HISTOGRAM_CELLS, HISTOGRAM_MAX_US, Histogram } from "./histogram.ts";

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

/** As many short durations as long ones. */
const anyDuration = fc
  .tuple(fc.nat(31), fc.double({ min: 1, max: 2, maxExcluded: true, noNaN: true }))
  .map(([exponent, mantissa]) => Math.floor(mantissa * 2 ** exponent));

describe("Histogram", () => {
  it("is empty at first", () => {
    const { count, sum, max } = new Histogram();
    assert.deepEqual({ count, sum, max }, { count: 0, sum: 0, max: 0 });
    assert.equal(new Histogram().quantile(0.5), 0);
  });

  for (const [title, value, counted] of [
    ["nothing", 0, 0],
    ["one microsecond", 1, 1],
    ["the cut-off of a fraction", 31.9, 31],
    ["an hour and some", 3.7e9, 3_700_000_000],
    ["the longest", HISTOGRAM_MAX_US, HISTOGRAM_MAX_US],
    ["more than the longest as the longest", 1e12, HISTOGRAM_MAX_US],
    ["no end as the longest", Number.POSITIVE_INFINITY, HISTOGRAM_MAX_US],
    ["less than nothing as nothing", -5, 0],
    ["no number as nothing", Number.NaN, 0],
  ] as const) {
    it(`counts ${title}`, () => {
      const { count, sum, max } = histogramOf([value]);
      assert.deepEqual({ count, sum, max }, { count: 1, sum: counted, max: counted });
      assert.equal(histogramOf([value]).quantile(0.5), counted);
    });
  }

  it("tells every microsecond below 64 apart", () => {
    const histogram = histogramOf(Array.from({ length: 64 }, (_, i) => i));
    for (let i = 0; i < 64; i++) assert.equal(histogram.quantile((i + 1) / 64), i);
  });

  it("gives quantiles that are never below the exact ones and at most 1/32 above", () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(anyDuration, { minLength: 1, maxLength: 200 }), share, (values, q) => {
        const sorted = values.toSorted((a, b) => a - b);
        const exact = sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]!;
        const quantile = histogramOf(values).quantile(q);
        assert.ok(quantile >= exact, `${quantile} is below ${exact}`);
        assert.ok(quantile <= exact * (1 + 1 / 32), `${quantile} is too far above ${exact}`);
      }),
    );
  });

  it("merges into what one histogram of all durations holds", () => {
    fc.assert(
      fc.property(fc.array(anyDuration), fc.array(anyDuration), (left, right) => {
        const merged = histogramOf(left);
        merged.merge(histogramOf(right));
        const whole = histogramOf([...left, ...right]);
        assert.deepEqual(
          [merged.count, merged.sum, merged.max, merged.quantile(0.9)],
          [whole.count, whole.sum, whole.max, whole.quantile(0.9)],
        );
      }),
    );
  });

  it("tells what came after a copy was made of it", () => {
    fc.assert(
      fc.property(fc.array(anyDuration), fc.array(anyDuration), (before, after) => {
        const histogram = histogramOf(before);
        const earlier = new Histogram();
        earlier.merge(histogram);
        for (const value of after) histogram.record(value);
        const [recent, exact] = [histogram.since(earlier), histogramOf(after)];
        assert.deepEqual([recent.count, recent.sum], [exact.count, exact.sum]);
        assert.ok(
          recent.max >= exact.max && recent.max <= exact.max * (1 + 1 / 32),
          `${recent.max}, ${exact.max}`,
        );
        for (const q of [0, 0.5, 0.99]) assert.ok(recent.quantile(q) >= exact.quantile(q));
      }),
    );
  });

  it("counts up to each bound what is not longer, and misses at most what is within 1/32 of it", () => {
    const someBounds = fc.uniqueArray(anyDuration, { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(anyDuration), someBounds, (values, unsorted) => {
        const bounds = unsorted.toSorted((a, b) => a - b);
        const cumulative = histogramOf(values).cumulative(bounds);
        for (const [i, bound] of bounds.entries()) {
          const most = values.filter((value) => value <= bound).length;
          const least = values.filter((value) => value * (1 + 1 / 32) < bound).length;
          const count = cumulative[i]!;
          assert.ok(count >= least && count <= most, `${count} up to ${bound}, expected ${least} to ${most}`);
          assert.ok(i === 0 || count >= cumulative[i - 1]!);
        }
        assert.deepEqual(histogramOf(values).cumulative([HISTOGRAM_MAX_US]), [values.length]);
      }),
    );
  });

  it("shares its cells with every view of the region, and touches no others", () => {
    const memory = new SharedArrayBuffer((HISTOGRAM_CELLS + 2) * 8);
    const around = new Float64Array(memory);
    const region = (): Float64Array => new Float64Array(memory, 8, HISTOGRAM_CELLS);
    const writer = new Histogram(region());
    for (const value of [0, 5, 1e12]) writer.record(value);
    assert.equal(new Histogram(region()).count, 3);
    assert.deepEqual([around[0], around[HISTOGRAM_CELLS + 1]], [0, 0]);
  });
});
