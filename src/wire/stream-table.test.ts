import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { StreamTable } from "./stream-table.ts";

/** Those that share a place, and their neighbours. */
const anyStream = fc
  .tuple(fc.constantFrom(0, 1, 2, 3), fc.constantFrom(1, 2, 3, 4, 2047))
  .map(([round, stream]) => 2048 * round + stream);

describe("the streams of a link", () => {
  it("are what a map would have of them, whatever is done", () => {
    const anyStep = fc.tuple(fc.constantFrom("set", "set", "delete", "clear"), anyStream);
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
        const table = new StreamTable<{ at: number }>();
        const map = new Map<number, { at: number }>();
        for (const [at, [step, stream]] of steps.entries()) {
          if (step === "delete") assert.equal(table.delete(stream), map.delete(stream));
          else if (step === "set" || at % 10 > 0) {
            const value = { at };
            table.set(stream, value);
            map.set(stream, value);
          } else {
            table.clear();
            map.clear();
          }
          assert.equal(table.get(stream), map.get(stream));
          assert.equal(table.has(stream), map.has(stream));
          assert.equal(table.size, map.size);
        }
        assert.deepEqual(new Map(table.entries()), map);
      }),
      { numRuns: 1000 },
    );
  });

  it("are there however long they last", () => {
    const table = new StreamTable<{ stream: number }>();
    const long = { stream: 5 };
    table.set(5, long);
    for (let stream = 7; stream < 20_000; stream += 2) {
      table.set(stream, { stream });
      assert.equal(table.get(5), long);
      table.delete(stream);
    }
    assert.equal(table.size, 1);
    assert.deepEqual(table.entries(), [[5, long]]);
  });
});
