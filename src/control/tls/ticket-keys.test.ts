// Keys of session tickets, with time that the test moves. Runs in the test process.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TicketKeys } from "./ticket-keys.ts";

const HOUR_MS = 3_600_000;

test("there is another key every twelve hours, and whoever uses it hears of it", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const heard: Buffer[] = [];
  const keys: TicketKeys = new TicketKeys(() => heard.push(keys.current));
  const first = keys.current;
  assert.equal(first.length, 48);
  t.mock.timers.tick(12 * HOUR_MS - 1);
  assert.deepEqual(heard, []);
  t.mock.timers.tick(1);
  t.mock.timers.tick(12 * HOUR_MS);
  assert.equal(heard.length, 2);
  assert.equal(new Set([first, ...heard].map((key) => key.toString("hex"))).size, 3);
  keys.stop();
  t.mock.timers.tick(48 * HOUR_MS);
  assert.equal(heard.length, 2);
});
