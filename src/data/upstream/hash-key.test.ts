// What is read of a request as its key, and how good the hash of it is. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { HashKey } from "../../config/snapshot.ts";
import { assertShares, exchangeOf, type TestRequest } from "./balancers/candidates.test.ts";
import { hash32, mixed32, readHashKey } from "./hash-key.ts";

const HEADER: HashKey = { from: "header", name: "x-user" };
const COOKIE: HashKey = { from: "cookie", name: "user" };
const QUERY: HashKey = { from: "query", name: "user" };
const cookie = (value: string): TestRequest => ({ fields: { Cookie: value } });

const TABLE: ReadonlyArray<readonly [key: HashKey, request: TestRequest, value: string | null]> = [
  [{ from: "client" }, { clientAddress: "2001:db8::1" }, "2001:db8::1"],
  [{ from: "path" }, { path: "/a/b", query: "?c=d" }, "/a/b"],
  [{ from: "path" }, { path: "/" }, "/"],

  [HEADER, { fields: { "X-User": "Ann" } }, "Ann"],
  [HEADER, { fields: { "X-Other": "Ann" } }, null],
  [HEADER, { fields: { "X-User": "" } }, null],

  [COOKIE, cookie("user=ann"), "ann"],
  [COOKIE, cookie("a=1; user=ann; b=2"), "ann"],
  [COOKIE, cookie("a=1;user=ann;b=2"), "ann"],
  [COOKIE, cookie("a=1 ;\t user=ann \t; b=2"), "ann"],
  [COOKIE, cookie("user=ann; user=bob"), "ann"],
  [COOKIE, cookie("user=a=b=="), "a=b=="],
  [COOKIE, cookie('user="ann"'), '"ann"'],
  [COOKIE, cookie("xuser=1; userx=2; user=ann"), "ann"],
  [COOKIE, cookie("a=user=1; user=ann"), "ann"],
  [COOKIE, cookie("user; user=ann"), "ann"],
  [COOKIE, cookie("User=ann"), null],
  [COOKIE, cookie("user"), null],
  [COOKIE, cookie("user="), null],
  [COOKIE, cookie("user= ; a=1"), null],
  [COOKIE, cookie("user =ann"), null],
  [COOKIE, cookie(";;; ;=;"), null],
  [COOKIE, cookie(""), null],
  [COOKIE, {}, null],
  [COOKIE, { query: "?user=ann" }, null],

  [QUERY, { query: "?user=ann" }, "ann"],
  [QUERY, { query: "?a=1&user=ann&b=2" }, "ann"],
  [QUERY, { query: "?user=ann&user=bob" }, "ann"],
  [QUERY, { query: "?user=%41+b" }, "%41+b"],
  [QUERY, { query: "?user=a?b/c=d" }, "a?b/c=d"],
  [QUERY, { query: "?xuser=1&userx=2&user=ann" }, "ann"],
  [QUERY, { query: "?user&user=ann" }, "ann"],
  [QUERY, { query: "?a;user=ann" }, null],
  [{ from: "query", name: "a&b" }, { query: "?a&b=1" }, null],
  [QUERY, { query: "?user" }, null],
  [QUERY, { query: "?user=" }, null],
  [QUERY, { query: "?user=&a=1" }, null],
  [QUERY, { query: "?&&" }, null],
  [QUERY, { query: "?" }, null],
  [QUERY, { query: "" }, null],
];

describe("the key of a request", () => {
  for (const [key, request, value] of TABLE) {
    const name = "name" in key ? `${key.from}:${key.name}` : key.from;
    it(`${name} of ${JSON.stringify(request)} is ${JSON.stringify(value)}`, () => {
      assert.equal(readHashKey(exchangeOf(request), key), value);
    });
  }

  it("is found among any other cookies and parameters as if they were split", () => {
    const anyName = fc.stringMatching(/^[a-c]{1,2}$/);
    const anyPairs = fc.array(fc.tuple(anyName, fc.stringMatching(/^[a-c=]{0,3}$/)), { maxLength: 6 });
    fc.assert(
      fc.property(anyName, anyPairs, (name, pairs) => {
        const first = pairs.find(([other]) => other === name)?.[1] || null;
        const texts = pairs.map(([other, value]) => `${other}=${value}`);
        const exchange = exchangeOf({ query: `?${texts.join("&")}`, fields: { Cookie: texts.join("; ") } });
        assert.equal(readHashKey(exchange, { from: "cookie", name }), first);
        assert.equal(readHashKey(exchange, { from: "query", name }), first);
      }),
    );
  });
});

describe("the hash of a key", () => {
  // Those of SMHasher's verification, and of ASCII text of even length, which two by two is the same bytes.
  const VECTORS: ReadonlyArray<readonly [bytes: string, seed: number, hash: number]> = [
    ["", 0, 0],
    ["", 1, 0x514e28b7],
    ["", 0xffffffff, 0x81f16f39],
    ["ffffffff", 0, 0x76293b50],
    ["21436587", 0, 0xf55b516b],
    ["21436587", 0x5082edee, 0x2362f9de],
    ["2143", 0, 0xa0f7b07a],
    ["00000000", 0, 0x2362f9de],
    ["0000", 0, 0x30f4c306],
    [Buffer.from("aaaa").toString("hex"), 0x9747b28c, 0x5a97808a],
    [Buffer.from("aa").toString("hex"), 0x9747b28c, 0x5d211726],
    [Buffer.from("abcd").toString("hex"), 0x9747b28c, 0xf0478627],
    [Buffer.from("ab").toString("hex"), 0x9747b28c, 0x74875592],
  ];
  for (const [bytes, seed, hash] of VECTORS) {
    it(`is MurmurHash3_x86_32 of the bytes "${bytes}" with seed ${seed}`, () => {
      assert.equal(hash32(Buffer.from(bytes, "hex").toString("utf16le"), seed), hash);
    });
  }

  it("changes half of its bits, any of them, with any bit of the text", () => {
    const flips = new Array<number>(32).fill(0);
    let cases = 0;
    for (let client = 0; client < 200; client++) {
      const text = `10.1.${client}.77`;
      const hash = hash32(text);
      for (let bit = 0; bit < text.length * 8; bit++) {
        const codes = Array.from(text, (letter) => letter.charCodeAt(0));
        codes[bit >> 3]! ^= 1 << (bit & 7);
        const changed = hash ^ hash32(String.fromCharCode(...codes));
        for (let i = 0; i < 32; i++) flips[i]! += (changed >>> i) & 1;
        cases++;
      }
    }
    for (const count of flips) assert.ok(Math.abs(count / cases - 0.5) < 0.02, `${flips} of ${cases}`);
  });

  const ALIKE: ReadonlyArray<readonly [what: string, text: (i: number) => string]> = [
    ["addresses", (i) => `192.168.${i >> 8}.${i & 255}`],
    ["numbers", (i) => `${i}`],
    ["names", (i) => `user-${i.toString(36)}`],
    ["paths", (i) => `/api/v1/items/${i}`],
    ["letters in a row", (i) => "x".repeat(i)],
  ];
  for (const [what, text] of ALIKE) {
    it(`is even over ${what} that are alike, in its low bits and in its high bits`, () => {
      const low = new Array<number>(64).fill(0);
      const high = new Array<number>(64).fill(0);
      for (let i = 0; i < 4096; i++) {
        const hash = hash32(text(i));
        low[hash & 63]! += 1;
        high[hash >>> 26]! += 1;
      }
      assertShares(
        low,
        low.map(() => 1),
      );
      assertShares(
        high,
        high.map(() => 1),
      );
    });
  }

  it("is mixed one to one", () => {
    const seen = new Set<number>();
    for (let bits = -50_000; bits < 50_000; bits++) seen.add(mixed32(bits));
    assert.equal(seen.size, 100_000);
  });
});
