// Text of any kind in header fields. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { fieldText } from "./field-text.ts";

const CASES: ReadonlyArray<readonly [text: string, field: string]> = [
  ["", ""],
  ["alice", "alice"],
  ["Alice B. <a@b.test>", "Alice B. <a@b.test>"],
  [" alice", "UTF-8''%20alice"],
  ["alice ", "UTF-8''alice%20"],
  ["Jürgen", "UTF-8''J%C3%BCrgen"],
  ["a\r\nX-Admin: yes", "UTF-8''a%0D%0AX-Admin%3A%20yes"],
  ["\u0000", "UTF-8''%00"],
  ["it's (ü)*!", "UTF-8''it%27s%20%28%C3%BC%29%2A%21"],
  ["UTF-8''alice", "UTF-8''UTF-8%27%27alice"],
  ["\ud800", "UTF-8''%EF%BF%BD"],
];

describe("fieldText", () => {
  for (const [text, field] of CASES) {
    it(`writes ${JSON.stringify(text)} as ${field}`, () => assert.equal(fieldText(text), field));
  }

  it("is one line that means one text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const field = fieldText(text);
        assert.match(field, /^(?:[!-~](?:[ -~]*[!-~])?)?$/);
        const read = field.startsWith("UTF-8''") ? decodeURIComponent(field.slice("UTF-8''".length)) : field;
        assert.equal(read, text.toWellFormed());
      }),
    );
  });
});
