// docs/http-rules.md names a test for each rule: the file is there, and the words are in it. Runs in the test process.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";

const DOCUMENT = new URL("../../docs/http-rules.md", import.meta.url);
const CITATION = /\[[a-z-]+\]\(([^)]+\.test\.ts)\)((?: "[^"]+",?)+)/g;

const rows = readFileSync(DOCUMENT, "utf8")
  .split("\n")
  .filter((line) => /^\| (?!Rule |---)/.test(line));

describe("the document of the rules", () => {
  it("has rules", () => assert.ok(rows.length > 60));

  for (const row of rows) {
    it(`names tests that there are: ${row.slice(2, row.indexOf(" | "))}`, () => {
      const citations = [...row.matchAll(CITATION)];
      assert.equal(citations.length, row.split(".test.ts)").length - 1, "each link with words to find");
      assert.ok(citations.length > 0, "no test");
      for (const [, file, words] of citations) {
        const url = new URL(file!, DOCUMENT);
        assert.ok(existsSync(url), `there is no ${file}`);
        const text = readFileSync(url, "utf8");
        for (const [, title] of words!.matchAll(/"([^"]+)"/g)) {
          assert.ok(text.includes(title!), `${file} has no ${JSON.stringify(title)}`);
        }
      }
    });
  }
});
