import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HeaderList } from "../../core/headers.ts";
import { primaryKey } from "./cache-key.ts";
import { varyKey, varyNames } from "./cache-vary.ts";

const ALL = { scheme: true, host: true, query: true, ignoredQuery: [] };

function keyOf(
  authority: string,
  path: string,
  query = "",
  spec = ALL as Parameters<typeof primaryKey>[1],
  scheme = "http",
) {
  const host = authority.replace(/:\d*$/, "").replace(/\.$/, "").toLowerCase();
  return primaryKey({ scheme, request: { authority, host, path, query } }, spec);
}

describe("the key of a resource", () => {
  it("has scheme, host, port, path and query", () => {
    assert.equal(keyOf("A.test", "/x", "?a=1"), "http://a.test/x?a=1");
    assert.equal(keyOf("a.test:8080", "/x"), "http://a.test:8080/x");
    assert.equal(keyOf("[::1]:8080", "/"), "http://[::1]:8080/");
    assert.equal(keyOf("", "/"), "http:///");
  });

  it("has no port that is the usual one, and no dot of the root", () => {
    for (const same of ["a.test", "a.test:80", "a.test."]) assert.equal(keyOf(same, "/"), "http://a.test/");
    assert.equal(keyOf("a.test:443", "/", "", ALL, "https"), "https://a.test/");
    assert.equal(keyOf("a.test:443", "/"), "http://a.test:443/");
  });

  it("has no more than it is told to", () => {
    const none = { scheme: false, host: false, query: false, ignoredQuery: [] };
    assert.equal(keyOf("a.test", "/x", "?a", none), "///x");
    assert.equal(keyOf("a.test", "/x", "?a", none), keyOf("b.test:81", "/x", "", none, "https"));
  });

  it("has no parameters that are ignored", () => {
    const spec = { ...ALL, ignoredQuery: ["id", "utm_*"] };
    for (const [query, expected] of [
      ["?id=1", ""],
      ["?id", ""],
      ["?a&id=1&b", "?a&b"],
      ["?utm_a=1&utm_=2&utm=3", "?utm=3"],
      ["?idx=1&ID=2", "?idx=1&ID=2"],
      ["?b&a", "?b&a"],
    ] as const)
      assert.equal(keyOf("a", "/", query, spec), `http://a/${expected}`);
  });

  it("tells hosts that are none from paths", () => {
    assert.notEqual(keyOf("a", "/b/c"), keyOf("a/b", "/c").replace("a/b", "a"));
  });
});

function fieldsOf(...fields: Array<readonly [string, string]>): HeaderList {
  const headers = new HeaderList();
  for (const [name, value] of fields) headers.add(name, value);
  return headers;
}

describe("the names that a response varies by", () => {
  it("are in order, once each and in lower case", () => {
    assert.deepEqual(varyNames(fieldsOf(["Vary", "B, a"], ["vary", "A,,c "])), ["a", "b", "c"]);
    assert.deepEqual(varyNames(fieldsOf()), []);
  });
  it("are none that could be told apart by with *", () => {
    for (const value of ["*", "a, *", " * "]) assert.equal(varyNames(fieldsOf(["Vary", value])), null);
  });
});

describe("the key of a variant", () => {
  it("tells a field that is empty from one that is missing, and one field from two", () => {
    const keys = [
      fieldsOf(),
      fieldsOf(["a", ""]),
      fieldsOf(["b", ""]),
      fieldsOf(["a", "b:"]),
      fieldsOf(["a", "1"], ["b", "2"]),
    ].map((headers) => varyKey(["a", "b"], headers));
    assert.equal(new Set(keys).size, keys.length);
  });
});
