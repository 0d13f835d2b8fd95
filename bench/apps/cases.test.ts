// Unit tests of cases.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { expectations, fullCases, makeOrders } from "./cases.ts";
import { CONTESTANTS } from "./contestants.ts";

test("the body of the POST has 16 KB", () => {
  assert.equal(Buffer.byteLength(JSON.stringify(makeOrders())), 16_384);
});

test("what is expected names contestants that take part and cases that a full run has", () => {
  const titles = fullCases("orders.json", CONTESTANTS.length).map(({ title }) => title);
  for (const { about, contestant, reference } of expectations()) {
    assert.ok(titles.includes(about), about);
    assert.ok(CONTESTANTS.includes(contestant), contestant);
    assert.ok(CONTESTANTS.includes(reference), reference);
  }
});
