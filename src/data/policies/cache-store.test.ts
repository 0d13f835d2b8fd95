// The store against a model of it: bounds, order, counts.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { HeaderList } from "../../core/headers.ts";
import { Counter } from "../../core/metrics.ts";
import { Entry } from "./cache-entry.ts";
import { MAX_VARIANTS, Store, Zone } from "./cache-store.ts";
import { varyKey } from "./cache-vary.ts";

const FRESHNESS = {
  bornMs: 0,
  lifetimeMs: 1e9,
  mayBeStale: true,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
};

function entryOf(body: number, variant: string | null = null): Entry {
  const headers = new HeaderList();
  headers.add("Date", "Wed, 01 Jan 2020 00:00:00 GMT");
  const varyNames = variant === null ? [] : ["x"];
  return new Entry({
    status: 200,
    reason: "",
    headers,
    body: Buffer.alloc(body),
    freshness: FRESHNESS,
    varyNames,
    varyKey: varyKey(varyNames, requestWith(variant)),
  });
}

function requestWith(variant: string | null): HeaderList {
  const headers = new HeaderList();
  if (variant !== null) headers.add("X", variant);
  return headers;
}

class Counts {
  readonly cells = new Map<number, number>();
  add(counter: number, by = 1): void {
    this.cells.set(counter, (this.cells.get(counter) ?? 0) + by);
  }
}

function nameOf(key: string) {
  return { key, host: "a.test", path: key };
}

describe("the store of a data thread", () => {
  it("never holds more than its size, and forgets what was used longest ago", () => {
    const key = fc.constantFrom("/a", "/b", "/c", "/d", "/e", "/f");
    const step = fc.oneof(
      fc.record({ do: fc.constant("keep" as const), key, body: fc.nat(6000) }),
      fc.record({ do: fc.constant("find" as const), key, body: fc.constant(0) }),
      fc.record({ do: fc.constant("drop" as const), key, body: fc.constant(0) }),
      fc.record({ do: fc.constant("resize" as const), key, body: fc.nat(12_000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
        const counts = new Counts();
        let size = 10_000;
        const store = new Store(size, counts);
        const zone = new Zone(store, "r");
        /** Keys by use, the last one at the end, with the bytes of each. */
        const model = new Map<string, number>();
        const used = (name: string, bytes: number) => {
          model.delete(name);
          model.set(name, bytes);
        };
        const shrink = () => {
          while ([...model.values()].reduce((sum, bytes) => sum + bytes, 0) > size)
            model.delete([...model.keys()][0]!);
        };
        for (const { do: what, key: name, body } of steps) {
          if (what === "keep") {
            const before = store.bytes - (model.get(name) ?? 0);
            const others = [...model]
              .filter(([one]) => one !== name)
              .reduce((sum, [, bytes]) => sum + bytes, 0);
            assert.equal(before, others);
            const bytes = bytesOf(name, body);
            zone.keep(nameOf(name), entryOf(body));
            model.delete(name);
            if (bytes <= size) used(name, bytes);
            shrink();
          } else if (what === "find") {
            const found = zone.resources.get(name)?.find(requestWith(null)) ?? null;
            assert.equal(found !== null, model.has(name), name);
            if (found !== null) used(name, model.get(name)!);
          } else if (what === "drop") {
            zone.dropKey(name);
            model.delete(name);
          } else {
            size = body;
            store.resize(size);
            shrink();
          }
          assert.ok(store.bytes <= size);
          assert.deepEqual([...zone.resources.keys()].sort(), [...model.keys()].sort());
          assert.equal(counts.cells.get(Counter.cacheBytes) ?? 0, store.bytes);
          assert.equal(counts.cells.get(Counter.cacheEntries) ?? 0, model.size);
        }
        zone.retire();
        assert.equal(store.bytes, 0);
        assert.equal(zone.keep(nameOf("/a"), entryOf(1)), false);
        assert.equal(store.bytes, 0);
      }),
    );
  });

  it("has one entry for each variant, and the last ones of many", () => {
    const counts = new Counts();
    const store = new Store(1e9, counts);
    const zone = new Zone(store, "r");
    for (let i = 0; i < 100; i++) {
      zone.keep(nameOf("/a"), entryOf(10, String(i)));
      zone.keep(nameOf("/a"), entryOf(20, String(i)));
      zone.resources.get("/a")!.find(requestWith("0"));
    }
    const resource = zone.resources.get("/a")!;
    assert.equal(resource.slots.length, MAX_VARIANTS);
    assert.equal(counts.cells.get(Counter.cacheEntries), MAX_VARIANTS);
    for (const [variant, expected] of [
      ["0", 20],
      ["99", 20],
      ["1", undefined],
      ["x", undefined],
    ] as const)
      assert.equal(resource.find(requestWith(variant))?.body.length, expected, variant);
    assert.equal(resource.find(requestWith(null)), null);
  });

  it("lets go of one entry only if it is still that one", () => {
    const zone = new Zone(new Store(1e9, new Counts()), "r");
    const [first, second] = [entryOf(1), entryOf(2)];
    zone.keep(nameOf("/a"), first);
    zone.keep(nameOf("/a"), second);
    zone.drop("/a", first);
    assert.equal(zone.resources.get("/a")?.find(requestWith(null)), second);
    zone.drop("/a", second);
    assert.equal(zone.resources.size, 0);
  });

  it("counts no less than what it takes", () => {
    const zone = new Zone(new Store(1e9, new Counts()), "r");
    const make = (i: number) => zone.keep(nameOf(`/a-path-of-some-length/${i}`), entryOf(100));
    for (let i = 0; i < 1000; i++) make(i);
    gc();
    const before = process.memoryUsage();
    const bytes = zone.store.bytes;
    for (let i = 1000; i < 21_000; i++) make(i);
    gc();
    const after = process.memoryUsage();
    const taken = after.heapUsed + after.external - before.heapUsed - before.external;
    assert.ok(taken < 1.1 * (zone.store.bytes - bytes), `${taken / 20_000} each`);
  });
});

/** Also where the program was not started with it. */
function gc(): void {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
}

/** As the store counts it: found out once for each. */
function bytesOf(key: string, body: number): number {
  const store = new Store(1e9, new Counts());
  new Zone(store, "r").keep(nameOf(key), entryOf(body));
  return store.bytes;
}
