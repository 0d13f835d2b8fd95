import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HeaderList } from "../../core/headers.ts";
import { parseDirectives, requestDirectives, secondsOf } from "./cache-directives.ts";

describe("directives", () => {
  const CASES: ReadonlyArray<readonly [list: string, expected: Record<string, string>]> = [
    ["", {}],
    ["max-age=60", { "max-age": "60" }],
    ["No-Store,PRIVATE", { "no-store": "", private: "" }],
    [' a = 1, b= 2, c =3, ok="4" ', { ok: "4" }],
    ['private="a, no-store", max-age=1', { private: "a, no-store", "max-age": "1" }],
    ['x="a\\", no-store", y', { x: 'a\\", no-store', y: "" }],
    ["max-age=1, max-age=2", { "max-age": "1" }],
    [",,no-cache,,", { "no-cache": "" }],
    ["max-age=1 2, x;y, (z), ü", {}],
  ];
  for (const [list, expected] of CASES) {
    it(`of ${JSON.stringify(list)} are ${JSON.stringify(expected)}`, () => {
      assert.deepEqual(Object.fromEntries(parseDirectives(list)), expected);
    });
  }

  it("end where text ends that no quote closes", () => {
    assert.ok(parseDirectives('a="b, no-store').has("no-store"));
  });

  it("are found wherever they stand, in any case", () => {
    const word = fc.stringMatching(/^[a-z]{1,6}(=("[a-z, ]{0,6}"|[0-9]{1,3}))?$/);
    const cased = fc.mixedCase(fc.constant("no-store"));
    fc.assert(
      fc.property(
        fc.array(word),
        cased,
        fc.array(word),
        fc.constantFrom(",", ", ", " ,\t"),
        (a, one, b, comma) => {
          assert.ok(parseDirectives([...a, one, ...b].join(comma)).has("no-store"));
        },
      ),
    );
  });

  it("never throw, and take no time that grows with the square", { timeout: 10_000 }, () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => void parseDirectives(text)));
    for (const text of ['"\\', '\\"', "a=", 'a="', '"\\"'].map((part) => part.repeat(30_000)))
      parseDirectives(text);
  });
});

describe("seconds", () => {
  for (const [value, expected] of [
    ["60", 60],
    ["0060", 60],
    ["99999999999999999999", 2 ** 31],
    ["-1", 0],
    ["1.5", 0],
    ["1a", 0],
    ["", 0],
  ] as const) {
    it(`of ${JSON.stringify(value)} are ${expected}`, () => {
      assert.equal(secondsOf(new Map([["max-age", value]]), "max-age"), expected);
    });
  }
  it("are null without a directive", () => assert.equal(secondsOf(new Map(), "max-age"), null));
});

describe("what a request asks for", () => {
  function asked(...fields: Array<readonly [string, string]>) {
    const headers = new HeaderList();
    for (const [name, value] of fields) headers.add(name, value);
    return requestDirectives(headers);
  }

  it("is nothing without a field", () => assert.equal(asked(["Accept", "*/*"]), null));
  it("may be on several lines", () => {
    const found = asked(["Cache-Control", "max-age=5"], ["cache-control", "min-fresh=2, max-stale=3"]);
    assert.deepEqual([found?.maxAgeMs, found?.minFreshMs, found?.maxStaleMs], [5000, 2000, 3000]);
  });
  it("may be any stale response", () => {
    assert.equal(asked(["Cache-Control", "max-stale"])?.maxStaleMs, Number.POSITIVE_INFINITY);
  });
  it("may be said by Pragma, where there is no Cache-Control", () => {
    assert.equal(asked(["Pragma", "x, No-Cache"])?.noCache, true);
    assert.equal(asked(["Pragma", "x"]), null);
    assert.equal(asked(["Pragma", "no-cache"], ["Cache-Control", "max-stale=1"])?.noCache, false);
  });
});
