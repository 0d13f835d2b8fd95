// Data threads that tell each other of changes; here they are all on the thread of the test.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { type ChangedResource, Changes } from "./cache-changes.ts";

const RESOURCE: ChangedResource = {
  scheme: "http",
  authority: "a.test",
  host: "a.test",
  path: "/",
  query: "",
};

function threadsOf(count: number) {
  const gateway = randomUUID();
  const cacheChanges = new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT);
  const make = (index: number) => {
    const heard: string[] = [];
    const changes = new Changes({ gateway, index, cacheChanges }, ({ path }) => heard.push(path));
    return { changes, heard };
  };
  return {
    threads: Array.from({ length: count }, (_, index) => make(index)),
    make,
    cells: new Int32Array(cacheChanges),
  };
}

describe("a change", () => {
  it("is known to every other thread before that answers again, in the order told", () => {
    const { threads } = threadsOf(3);
    const [first, second, third] = threads;
    for (const path of ["/a", "/b"]) first!.changes.tell({ ...RESOURCE, path });
    third!.changes.tell({ ...RESOURCE, path: "/c" });
    for (const { changes } of threads) changes.apply();
    assert.deepEqual(
      [first!.heard, second!.heard.sort(), third!.heard],
      [["/c"], ["/a", "/b", "/c"], ["/a", "/b"]],
    );
    second!.changes.apply();
    assert.equal(second!.heard.length, 3);
  });

  it("comes by itself to a thread that has nothing to do, and then only once", async () => {
    const { threads } = threadsOf(2);
    const [first, second] = threads;
    first!.changes.tell(RESOURCE);
    while (second!.heard.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    second!.changes.apply();
    assert.equal(second!.heard.length, 1);
    first!.changes.tell(RESOURCE);
    second!.changes.apply();
    assert.equal(second!.heard.length, 2);
  });

  it("that was told to a thread which is no more is none for the one in its place", () => {
    const { threads, make, cells } = threadsOf(2);
    threads[0]!.changes.tell(RESOURCE);
    const next = make(1);
    next.changes.apply();
    assert.deepEqual(next.heard, []);
    // A message that was lost holds nobody up.
    Atomics.add(cells, 1, 1);
    next.changes.apply();
    threads[0]!.changes.tell(RESOURCE);
    next.changes.apply();
    assert.equal(next.heard.length, 1);
  });

  it("is told however many there were before", () => {
    const { threads, make, cells } = threadsOf(2);
    cells[1] = 2 ** 31 - 2;
    const late = make(1);
    for (let i = 0; i < 5; i++) {
      threads[0]!.changes.tell(RESOURCE);
      late.changes.apply();
    }
    assert.equal(late.heard.length, 5);
  });
});
