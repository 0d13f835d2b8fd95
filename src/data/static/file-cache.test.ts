// What is kept in memory, and what goes when it is full. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { CacheEntry, FileCache } from "./file-cache.ts";

const OWN_BYTES = 2048;

class Entry extends CacheEntry {
  dropped = 0;

  onDropped(): void {
    this.dropped++;
  }
}

function fill(cache: FileCache, bytes: readonly number[]): Entry[] {
  return bytes.map((size) => {
    const entry = new Entry();
    cache.keep(entry, size);
    return entry;
  });
}

const dropped = (entries: readonly Entry[]) => entries.map((entry) => entry.dropped);

describe("FileCache", () => {
  it("drops what was not used for longest, and no more than it has to", () => {
    const cache = new FileCache(4 * OWN_BYTES + 300);
    const entries = fill(cache, [100, 100, 100]);
    cache.used(entries[0]!);
    const [last] = fill(cache, [100]);
    assert.deepEqual(dropped(entries), [0, 1, 0]);
    assert.equal(last!.dropped, 0);
    assert.equal(cache.bytes, 3 * OWN_BYTES + 300);
  });

  it("counts what an entry has now, when it is kept again", () => {
    const cache = new FileCache(1e6);
    const [entry] = fill(cache, [1000]);
    cache.keep(entry!, 10);
    assert.equal(cache.bytes, OWN_BYTES + 10);
    cache.drop(entry!);
    cache.drop(entry!);
    cache.used(entry!);
    assert.equal(cache.bytes, 0);
    assert.equal(entry!.dropped, 0);
  });

  it("keeps nothing that is larger than itself", () => {
    const cache = new FileCache(OWN_BYTES + 10);
    const entries = fill(cache, [11]);
    assert.deepEqual(dropped(entries), [1]);
    assert.equal(cache.bytes, 0);
  });

  it("has the entries used last, as many as fit, in every order of events", () => {
    const step = fc.record({
      entry: fc.nat(7),
      bytes: fc.nat(4000),
      what: fc.constantFrom("keep", "used", "drop"),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const most = 5 * OWN_BYTES;
        const cache = new FileCache(most);
        const entries = Array.from({ length: 8 }, () => new Entry());
        let model: Array<{ entry: Entry; bytes: number }> = [];
        const without = (entry: Entry) => model.filter((one) => one.entry !== entry);
        for (const { entry: index, bytes, what } of steps) {
          const entry = entries[index]!;
          const known = model.find((one) => one.entry === entry);
          if (what === "keep") {
            cache.keep(entry, bytes);
            model = [...without(entry), { entry, bytes }];
            while (sum(model) > most) model.shift();
          } else if (what === "used") {
            cache.used(entry);
            if (known !== undefined) model = [...without(entry), known];
          } else {
            cache.drop(entry);
            model = without(entry);
          }
          assert.equal(cache.bytes, sum(model));
          assert.deepEqual(
            entries.filter(({ cached }) => cached),
            entries.filter((one) => model.some((kept) => kept.entry === one)),
          );
        }
      }),
    );
  });
});

function sum(model: ReadonlyArray<{ readonly bytes: number }>): number {
  return model.reduce((total, { bytes }) => total + bytes + OWN_BYTES, 0);
}
