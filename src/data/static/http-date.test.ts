// Dates of HTTP fields. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseHttpDate } from "./http-date.ts";

const BIRTH = Date.UTC(1994, 10, 6, 8, 49, 37);

describe("parseHttpDate", () => {
  for (const text of [
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "Sun Nov 06 08:49:37 1994",
  ]) {
    it(`reads ${text}`, () => assert.equal(parseHttpDate(text), BIRTH));
  }

  for (const text of [
    "",
    "now",
    "1994",
    "0",
    "1994-11-06T08:49:37Z",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 PST",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
    "sun, 06 nov 1994 08:49:37 gmt",
    "Sun, 06 Foo 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 25:49:37 GMT",
  ]) {
    it(`takes ${JSON.stringify(text)} for none`, () => assert.ok(Number.isNaN(parseHttpDate(text))));
  }

  it("takes a year of two digits that is far ahead for one of the past", () => {
    const year = new Date().getUTCFullYear();
    const two = (full: number) => String(full % 100).padStart(2, "0");
    const parsed = (full: number) => new Date(parseHttpDate(`Monday, 01-Jan-${two(full)} 00:00:00 GMT`));
    assert.equal(parsed(year + 40).getUTCFullYear(), year + 40);
    assert.equal(parsed(year + 60).getUTCFullYear(), year - 40);
  });
});
