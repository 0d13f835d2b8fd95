// Who gets an error page. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { acceptsPage } from "./accept.ts";

const HTML = "text/html";
const JSON_TYPE = "application/json";

const CASES: ReadonlyArray<readonly [accept: string | null, page: string, expected: boolean]> = [
  [null, HTML, true],
  ["", HTML, true],
  ["*/*", HTML, true],
  ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML, true],
  ["application/json", HTML, false],
  ["application/problem+json", HTML, false],
  ["application/json, text/plain, */*", HTML, false],
  ["application/json;q=0.5, text/html", HTML, true],
  ["application/json, text/*", HTML, true],
  ["TEXT/HTML", HTML, true],
  ["text/plain", HTML, false],
  ["text/html;q=0, */*", HTML, false],
  ["text/html; q=0.0", HTML, false],
  ["text/html;level=1;q=0.1", HTML, true],
  ["*/*;q=0", HTML, false],
  ["application/json;q=0, */*", HTML, true],
  ["application/json", JSON_TYPE, true],
  ["*/*", JSON_TYPE, true],
  ["text/html", JSON_TYPE, false],
  ["application/*", JSON_TYPE, true],
  [",;,", HTML, false],
];

describe("a page", () => {
  for (const [accept, page, expected] of CASES)
    it(`of ${page} is ${expected ? "" : "not "}for ${JSON.stringify(accept)}`, () => {
      assert.equal(acceptsPage(accept, page), expected);
    });
});
