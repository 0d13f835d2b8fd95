// Beside a Set, which does the same. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { DenseSet, type Placed } from "./dense-set.ts";

describe("a dense set", () => {
  it("has what a Set has, whatever comes and goes", () => {
    const step = fc.record({ act: fc.constantFrom("add", "delete", "has"), which: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const members = Array.from({ length: 10 }, (): Placed => ({ place: -1 }));
        const dense = new DenseSet<Placed>();
        const set = new Set<Placed>();
        for (const { act, which } of steps) {
          const member = members[which]!;
          if (act === "delete") assert.equal(dense.delete(member), set.delete(member));
          else if (act === "add" && !set.has(member)) {
            dense.add(member);
            set.add(member);
          }
          assert.equal(dense.has(member), set.has(member));
          assert.equal(dense.size, set.size);
        }
        assert.deepEqual(new Set(dense.all()), set);
      }),
    );
  });

  it("gives those that are there, which may go meanwhile", () => {
    const dense = new DenseSet<Placed>();
    for (let i = 0; i < 3; i++) dense.add({ place: -1 });
    let seen = 0;
    for (const member of dense.all()) {
      seen++;
      assert.equal(dense.delete(member), true);
    }
    assert.deepEqual([seen, dense.size], [3, 0]);
  });

  it("leaves alone who is in another one", () => {
    const [one, two] = [new DenseSet<Placed>(), new DenseSet<Placed>()];
    const [first, second] = [{ place: -1 }, { place: -1 }];
    one.add(first);
    two.add(second);
    assert.equal(two.delete(first), false);
    assert.deepEqual([one.has(first), two.has(second), two.has(first)], [true, true, false]);
  });
});
