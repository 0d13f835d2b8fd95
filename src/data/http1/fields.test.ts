// Readings of single field values: list members, Content-Length, and the fields that Connection names.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Field, HeaderList } from "../../core/headers.ts";
import { hasToken, readContentLength, removeNamedByConnection } from "./fields.ts";

describe("a list", () => {
  const MEMBERS: ReadonlyArray<readonly [list: string, has: boolean]> = [
    ["close", true],
    ["CLOSE", true],
    ["keep-alive, Close", true],
    ["close,keep-alive", true],
    ["a,\t close \t,b", true],
    [", close,", true],
    ["", false],
    ["clos", false],
    ["closed", false],
    ["xclose", false],
    ["close x", false],
    ["close;q=1", false],
    ["a close, b", false],
    ["keep-alive", false],
    ['"close"', false],
    ["\xa0close", false],
    ["a,\xa0close", false],
  ];
  for (const [list, has] of MEMBERS) {
    it(`${has ? "has" : "does not have"} "close": ${JSON.stringify(list)}`, () => {
      assert.equal(hasToken(list, "close"), has);
    });
  }
});

describe("Content-Length", () => {
  const READINGS: ReadonlyArray<readonly [value: string, length: number | null]> = [
    ["0", 0],
    ["5", 5],
    ["0005", 5],
    ["9007199254740991", 2 ** 53 - 1],
    ["9007199254740992", null],
    ["9999999999999999", null],
    ["00000000000000005", null],
    ["18446744073709551621", null],
    ["", null],
    ["-1", null],
    ["+1", null],
    ["1.0", null],
    ["1e3", null],
    ["0x10", null],
    ["1_0", null],
    [" 1", null],
    ["1 ", null],
    ["1 2", null],
    ["5, 5", null],
    ["5,6", null],
    ["\xb2", null],
    ["1/", null],
    ["1:", null],
  ];
  for (const [value, length] of READINGS) {
    it(`${JSON.stringify(value)} is ${length ?? "refused"}`, () => {
      assert.equal(readContentLength(value), length);
    });
  }
});

describe("Connection", () => {
  function namedIn(connection: string, ...names: string[]): string[] {
    const headers = new HeaderList();
    headers.add("Connection", connection);
    for (const name of names) headers.add(name, "v");
    removeNamedByConnection(headers, connection);
    return headers.names.filter((_, i) => headers.ids[i] !== Field.removed);
  }

  const CASES: ReadonlyArray<readonly [title: string, connection: string, names: string[], left: string[]]> =
    [
      ["takes out the fields that it names, in any case", "X-A, x-b", ["x-a", "X-B", "X-C"], ["X-C"]],
      ["takes out every one of a repeated field", "x-a", ["X-A", "x-a"], []],
      [
        "takes out the forwarding fields that it names",
        "X-Forwarded-For,Via",
        ["X-Forwarded-For", "Via"],
        [],
      ],
      ["never takes out Host", "Host", ["Host"], ["Host"]],
      ["leaves TE, so that what it says of trailers is still known", "TE", ["TE"], ["TE"]],
      [
        "leaves the framing fields, which are read and written anew",
        "Content-Length, Transfer-Encoding",
        ["Content-Length", "Transfer-Encoding"],
        ["Content-Length", "Transfer-Encoding"],
      ],
      ["itself always goes", "", ["X"], ["X"]],
      ["takes out nothing for empty members", " , ,close", ["X", "Close"], ["X", "Close"]],
    ];
  for (const [title, connection, names, left] of CASES) {
    it(title, () => assert.deepEqual(namedIn(connection, ...names), left));
  }
});
