// Unit tests of rounds.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runRounds } from "./rounds.ts";

test("each round measures every contestant once and begins with the next one", async () => {
  const order: string[] = [];
  await runRounds(["a", "b", "c"], 4, async (name) => order.push(name));
  assert.equal(order.join(""), "abc" + "bca" + "cab" + "abc");
});

test("samples come back by contestant, in the order of the rounds", async () => {
  let clock = 0;
  const samples = await runRounds(["a", "b"], 3, async (name) => `${name}${clock++}`);
  assert.deepEqual(samples, [
    ["a0", "a3", "a4"],
    ["b1", "b2", "b5"],
  ]);
});
