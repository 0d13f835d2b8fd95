// How many checks are made at a time, and in which order. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Turns } from "./turns.ts";

describe("the turns of checks", () => {
  it("come at once while there are free ones, then in the order in which they were asked for", () => {
    const turns = new Turns(2);
    const begun: number[] = [];
    for (let i = 0; i < 5; i++) turns.ask(() => begun.push(i));
    assert.deepEqual(begun, [0, 1]);
    turns.end();
    turns.end();
    assert.deepEqual(begun, [0, 1, 2, 3]);
    for (let i = 0; i < 3; i++) turns.end();
    assert.deepEqual(begun, [0, 1, 2, 3, 4]);
    turns.ask(() => begun.push(5));
    turns.ask(() => begun.push(6));
    turns.ask(() => begun.push(7));
    assert.deepEqual(begun, [0, 1, 2, 3, 4, 5, 6]);
  });

  it("can be given up before they come, and only then", () => {
    const turns = new Turns(1);
    const begun: string[] = [];
    const [first, second, third] = ["first", "second", "third"].map((name) => () => void begun.push(name));
    for (const begin of [first!, second!, third!]) turns.ask(begin);
    assert.deepEqual([turns.withdraw(first!), turns.withdraw(second!)], [false, true]);
    turns.end();
    assert.deepEqual(begun, ["first", "third"]);
  });
});
