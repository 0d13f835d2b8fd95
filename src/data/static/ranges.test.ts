// Which bytes a Range field asks for. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { MAX_RANGES, parseRanges } from "./ranges.ts";

/** Of a file of 100 bytes: `start-end`, both included, as in Content-Range; null where the field is ignored. */
const CASES: ReadonlyArray<readonly [field: string, ranges: string | null]> = [
  ["bytes=0-0", "0-0"],
  ["bytes=0-99", "0-99"],
  ["bytes=10-19", "10-19"],
  ["bytes=99-99", "99-99"],
  ["bytes=90-", "90-99"],
  ["bytes=0-", "0-99"],
  ["bytes=90-1000", "90-99"],
  ["bytes=-1", "99-99"],
  ["bytes=-100", "0-99"],
  ["bytes=-1000", "0-99"],
  ["BYTES=1-2", "1-2"],
  ["bytes=0-0,-1", "0-0 99-99"],
  ["bytes=50-59, 10-19", "50-59 10-19"],
  ["bytes=0-9 ,\t20-29", "0-9 20-29"],
  ["bytes=,0-9,,20-29,", "0-9 20-29"],
  ["bytes=0-9,100-200", "0-9"],
  ["bytes=0-99999999999999999999999999", "0-99"],
  // It has none of these.
  ["bytes=100-", ""],
  ["bytes=100-200", ""],
  ["bytes=-0", ""],
  ["bytes=200-300,-0", ""],
  ["bytes=99999999999999999999999999-", ""],
  // Ignored: not well formed.
  ["bytes=", null],
  ["bytes=,", null],
  ["bytes", null],
  ["bytes=-", null],
  ["bytes=a-b", null],
  ["bytes=1", null],
  ["bytes=1-2-3", null],
  ["bytes=+1-2", null],
  ["bytes=1 -2", null],
  ["bytes=0x1-2", null],
  ["bytes=1e1-20", null],
  ["bytes=2-1", null],
  ["bytes=0-9,5-1", null],
  ["bytes=0-9,x", null],
  ["bytes =0-9", null],
  ["bytes= 0-9", "0-9"],
  ["items=0-9", null],
  ["", null],
  // Ignored: more bytes than there are, so some of them twice.
  ["bytes=0-99,0-0", null],
  ["bytes=0-,0-", null],
  ["bytes=0-60,40-99", null],
  // Twice the same, but still less than the whole.
  ["bytes=0-9,0-9", "0-9 0-9"],
];

function shown(ranges: ReturnType<typeof parseRanges>): string | null {
  return ranges?.map(({ start, end }) => `${start}-${end - 1}`).join(" ") ?? null;
}

describe("parseRanges", () => {
  for (const [field, ranges] of CASES) {
    it(`${ranges === null ? "ignores" : "reads"} ${JSON.stringify(field)}`, () => {
      assert.equal(shown(parseRanges(field, 100)), ranges);
    });
  }

  it("finds nothing in an empty file", () => {
    for (const field of ["bytes=0-", "bytes=0-0", "bytes=-5", "bytes=-0"])
      assert.deepEqual(parseRanges(field, 0), [], field);
  });

  it("takes so many ranges, and not one more", () => {
    const ranges = (count: number) =>
      `bytes=${Array.from({ length: count }, (_, at) => `${at}-${at}`).join()}`;
    assert.equal(parseRanges(ranges(MAX_RANGES), 100)?.length, MAX_RANGES);
    assert.equal(parseRanges(ranges(MAX_RANGES + 1), 100), null);
  });

  it("finds bytes of the file only, never more of them than it has, whatever the field says", () => {
    const number = fc.oneof(fc.constant(""), fc.nat(130).map(String), fc.bigInt({ min: 0n }).map(String));
    const spec = fc.tuple(number, number).map(([first, last]) => `${first}-${last}`);
    const field = fc.oneof(
      fc.array(spec, { maxLength: 25 }).map((specs) => `bytes=${specs.join()}`),
      fc.string().map((text) => `bytes=${text}`),
    );
    fc.assert(
      fc.property(field, fc.nat(120), (text, size) => {
        const ranges = parseRanges(text, size);
        if (ranges === null) return;
        let total = 0;
        for (const { start, end } of ranges) {
          assert.ok(
            Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start < end && end <= size,
          );
          total += end - start;
        }
        assert.ok(total <= size && ranges.length <= MAX_RANGES);
      }),
    );
  });

  it("finds exactly the bytes of one range", () => {
    fc.assert(
      fc.property(fc.nat(120), fc.nat(120), fc.nat(120), (a, b, size) => {
        const [first, last] = [Math.min(a, b), Math.max(a, b)];
        const end = Math.min(last + 1, size);
        const wanted = first < end ? [{ start: first, end }] : [];
        assert.deepEqual(parseRanges(`bytes=${first}-${last}`, size), wanted);
      }),
    );
  });
});
