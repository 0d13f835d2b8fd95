// Conditional requests: every field by itself, and which of them counts beside another. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HeaderList } from "../../core/headers.ts";
import { failedCondition, rangeApplies } from "./conditions.ts";

const BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT";
const MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT";
const LATER = "Sun, 06 Nov 1994 08:49:38 GMT";
const FILE = { etag: '"now"', modifiedMs: Date.parse(MODIFIED) };

type Fields = ReadonlyArray<readonly [name: string, value: string]>;

const CASES: ReadonlyArray<readonly [fields: Fields, status: 304 | 412 | null]> = [
  [[], null],
  [[["If-None-Match", '"now"']], 304],
  [[["If-None-Match", 'W/"now"']], 304],
  [[["If-None-Match", "*"]], 304],
  [[["If-None-Match", '"old"']], null],
  [[["If-None-Match", '"old", "now"']], 304],
  [[["If-None-Match", '"a,b",W/"now"']], 304],
  [
    [
      ["If-None-Match", '"old"'],
      ["If-None-Match", '"now"'],
    ],
    304,
  ],
  [[["If-None-Match", "now"]], null],
  [[["If-None-Match", '"nowhere"']], null],
  [[["If-None-Match", ""]], null],
  [[["If-Modified-Since", MODIFIED]], 304],
  [[["If-Modified-Since", LATER]], 304],
  [[["If-Modified-Since", BEFORE]], null],
  [[["If-Modified-Since", "yesterday"]], null],
  [
    [
      ["If-Modified-Since", MODIFIED],
      ["If-Modified-Since", MODIFIED],
    ],
    null,
  ],
  // RFC 9110 section 13.1.3: not looked at beside If-None-Match.
  [
    [
      ["If-None-Match", '"old"'],
      ["If-Modified-Since", LATER],
    ],
    null,
  ],
  [
    [
      ["If-None-Match", '"now"'],
      ["If-Modified-Since", BEFORE],
    ],
    304,
  ],
  [[["If-Match", '"now"']], null],
  [[["If-Match", "*"]], null],
  [[["If-Match", '"old", "now"']], null],
  [[["If-Match", 'W/"now"']], 412],
  [[["If-Match", '"old"']], 412],
  [[["If-Match", "now"]], 412],
  [[["If-Unmodified-Since", MODIFIED]], null],
  [[["If-Unmodified-Since", LATER]], null],
  [[["If-Unmodified-Since", BEFORE]], 412],
  [[["If-Unmodified-Since", "tomorrow"]], null],
  // Section 13.1.4: not looked at beside If-Match.
  [
    [
      ["If-Match", '"now"'],
      ["If-Unmodified-Since", BEFORE],
    ],
    null,
  ],
  [
    [
      ["If-Match", '"old"'],
      ["If-Unmodified-Since", LATER],
    ],
    412,
  ],
  // Section 13.2.2: If-Match and If-Unmodified-Since come first.
  [
    [
      ["If-Match", '"old"'],
      ["If-None-Match", '"now"'],
    ],
    412,
  ],
  [
    [
      ["If-Match", '"now"'],
      ["If-None-Match", '"now"'],
    ],
    304,
  ],
  [
    [
      ["If-Unmodified-Since", BEFORE],
      ["If-None-Match", '"now"'],
    ],
    412,
  ],
  [
    [
      ["If-Unmodified-Since", LATER],
      ["If-Modified-Since", LATER],
    ],
    304,
  ],
];

function headersOf(fields: Fields): HeaderList {
  const headers = new HeaderList();
  for (const [name, value] of fields) headers.add(name, value);
  return headers;
}

describe("failedCondition", () => {
  for (const [fields, status] of CASES) {
    const title = fields.map(([name, value]) => `${name}: ${value}`).join(", ") || "no condition";
    it(`is ${status ?? "none"} for ${title}`, () => {
      assert.equal(failedCondition(headersOf(fields), FILE), status);
    });
  }

  it("takes no date for a file whose time says nothing", () => {
    const file = { ...FILE, modifiedMs: -1 };
    assert.equal(failedCondition(headersOf([["If-Modified-Since", LATER]]), file), null);
    assert.equal(failedCondition(headersOf([["If-Unmodified-Since", BEFORE]]), file), null);
  });
});

describe("rangeApplies", () => {
  const LONG_AFTER = FILE.modifiedMs + 60_000;
  const RANGES: ReadonlyArray<readonly [ifRange: string, wallMs: number, applies: boolean]> = [
    ['"now"', LONG_AFTER, true],
    ['"old"', LONG_AFTER, false],
    ['W/"now"', LONG_AFTER, false],
    ["*", LONG_AFTER, false],
    ['"old", "now"', LONG_AFTER, false],
    [MODIFIED, LONG_AFTER, true],
    [LATER, LONG_AFTER, false],
    [BEFORE, LONG_AFTER, false],
    ["tomorrow", LONG_AFTER, false],
    // In the second of the change it may have changed again: the date is a weak one.
    [MODIFIED, FILE.modifiedMs + 500, false],
  ];
  for (const [ifRange, wallMs, applies] of RANGES) {
    it(`is ${applies} for ${ifRange}, ${wallMs - FILE.modifiedMs} ms after the change`, () => {
      assert.equal(rangeApplies(headersOf([["If-Range", ifRange]]), FILE, wallMs), applies);
    });
  }

  it("is true without If-Range", () => assert.ok(rangeApplies(new HeaderList(), FILE, LONG_AFTER)));
});
