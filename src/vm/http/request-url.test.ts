import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { settleUrl } from "./request-url.ts";

describe("the URL of a request", () => {
  it("is what the URL parser makes of it", () => {
    const origin = fc.constantFrom(
      "http://a",
      "http://a:80",
      "https://a:443",
      "http://A.B:8080",
      "http://127.1",
      "http://[::1]:81",
      "https://xn--bcher-kva",
    );
    const piece = fc.oneof(
      fc.constantFrom(
        "/",
        ".",
        "..",
        "%2e",
        "%2E",
        "%2f",
        "?",
        "#",
        "'",
        "&",
        "=",
        ";",
        "\\",
        "%",
        "a",
        "|",
        "^",
        "@",
        ":",
      ),
      fc.string({
        unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code)),
        maxLength: 3,
      }),
    );
    const url = fc
      .tuple(origin, fc.array(piece, { maxLength: 12 }))
      .map(([origin, pieces]) => `${origin}/${pieces.join("")}`);
    fc.assert(
      fc.property(url, (url) => assert.equal(settleUrl(url), URL.parse(url)?.href ?? url)),
      { numRuns: 5000 },
    );
  });

  it("is itself where the URL parser refuses it", () => {
    assert.equal(settleUrl("http://a b/"), "http://a b/");
    assert.equal(settleUrl("http://a b/c|"), "http://a b/c|");
  });

  it("has a path where there was none", () => {
    assert.equal(settleUrl("http://a"), "http://a/");
    assert.equal(settleUrl("http://a?b"), "http://a/?b");
  });
});
