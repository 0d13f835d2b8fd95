// From the path of a request to a path below the root. Runs in the test process.

import assert from "node:assert/strict";
import { posix } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { canonicalPath } from "../../core/path.ts";
import { decodedPath, isHidden } from "./file-path.ts";

const CASES: ReadonlyArray<readonly [path: string, decoded: string | null]> = [
  ["/", "/"],
  ["/a/b.txt", "/a/b.txt"],
  ["/a/", "/a/"],
  ["/a%20b", "/a b"],
  ["/%E4%B8%AD", "/\u4e2d"],
  ["/100%25", "/100%"],
  ["/%2525", "/%25"],
  ["/%252e%252e/x", "/%2e%2e/x"],
  ["/a%3Fb%23c", "/a?b#c"],
  ["/a;b", "/a;b"],
  ["/a%2Fb", null],
  ["/%2F", null],
  ["/%FF", null],
  ["/%C0%AE", null],
  ["/%ED%A0%80", null],
  // None of these is canonical: it is refused here as well.
  ["", null],
  ["a", null],
  ["/..", null],
  ["/../x", null],
  ["/a/../../x", null],
  ["/a/..", null],
  ["/./a", null],
  ["/%2E%2E/x", null],
  ["/a\\b", null],
  ["/a%5Cb", null],
  ["/a%00", null],
];

describe("decodedPath", () => {
  for (const [path, decoded] of CASES) {
    it(`is ${JSON.stringify(decoded)} for ${JSON.stringify(path)}`, () => {
      assert.equal(decodedPath(path), decoded);
    });
  }

  it("stays below the root, and decodes once, whatever is asked for", () => {
    const piece = fc.oneof(
      fc.constantFrom(
        ".",
        "..",
        "/",
        "%2e",
        "%2E",
        "%2f",
        "%2F",
        "%5c",
        "%00",
        "%25",
        "%252e",
        "\\",
        ";",
        "\0",
      ),
      fc.string({ maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const raw = `/${pieces.join("")}`;
        const canonical = canonicalPath(raw);
        for (const path of [raw, canonical]) {
          if (typeof path !== "string") continue;
          const decoded = decodedPath(path);
          if (decoded === null) continue;
          assert.equal(decoded, decodeURIComponent(path));
          assert.ok(!decoded.includes("\0") && !decoded.includes("\\"));
          const joined = posix.join("/root", decoded);
          assert.ok(joined === "/root" || joined.startsWith("/root/"), joined);
        }
      }),
    );
  });
});

describe("isHidden", () => {
  for (const [path, hidden] of [
    ["/", false],
    ["/a.b", false],
    ["/a./b", false],
    ["/.a", true],
    ["/a/.b", true],
    ["/a/.b/c", true],
    ["/.well-known", false],
    ["/.well-known/a", false],
    ["/.well-known/.a", true],
    ["/.well-knownx", true],
    ["/a/.well-known/b", true],
    ["/..a", true],
  ] as const) {
    it(`is ${hidden} for ${path}`, () => assert.equal(isHidden(path), hidden));
  }
});
