// Unit tests of cores.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { expandCoreList } from "./cores.ts";

for (const [list, cores] of [
  ["0", [0]],
  ["0-1", [0, 1]],
  ["0-2,8,10-11", [0, 1, 2, 8, 10, 11]],
] as const) {
  test(`the core list ${list} names ${cores}`, () => assert.deepEqual(expandCoreList(list), cores));
}
