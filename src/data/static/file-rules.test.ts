// Media types and Cache-Control by the name of a file. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FileRules } from "./file-rules.ts";

const rules = new FileRules({
  types: [
    [".txt", "text/x-own"],
    [".none", "application/x-none"],
  ],
  cacheControl: [
    ["index.html", "no-cache"],
    ["assets/*", "immutable"],
    ["/sub/exact.js", "exact"],
    ["*.html", "a minute"],
    ["a.*.js", "hashed"],
    ["(x)+", "literal"],
  ],
});

describe("FileRules", () => {
  for (const [path, value] of [
    ["/index.html", "no-cache"],
    ["/deep/down/index.html", "no-cache"],
    ["/other.html", "a minute"],
    ["/assets/a.js", "immutable"],
    ["/assets/b/c.html", "immutable"],
    ["/assets/index.html", "no-cache"],
    ["/x/assets/a.js", null],
    ["/sub/exact.js", "exact"],
    ["/exact.js", null],
    ["/a.123.js", "hashed"],
    ["/aXjs", null],
    ["/(x)+", "literal"],
    ["/xx", null],
    ["/html", null],
  ] as const) {
    it(`says ${value} of ${path}`, () => assert.equal(rules.cacheControl(path), value));
  }

  for (const [path, type] of [
    ["/a.html", "text/html; charset=utf-8"],
    ["/a.HTML", "text/html; charset=utf-8"],
    ["/a.js", "text/javascript; charset=utf-8"],
    ["/a.mjs", "text/javascript; charset=utf-8"],
    ["/a.css", "text/css; charset=utf-8"],
    ["/a.svg", "image/svg+xml"],
    ["/a.json", "application/json"],
    ["/a.wasm", "application/wasm"],
    ["/a.woff2", "font/woff2"],
    ["/a.tar.gz", "application/gzip"],
    ["/a.b/c", "application/octet-stream"],
    ["/html", "application/octet-stream"],
    ["/a.unknown-to-all", "application/octet-stream"],
    ["/a.txt", "text/x-own"],
    ["/a.TXT", "text/x-own"],
    ["/a.none", "application/x-none"],
  ] as const) {
    it(`takes ${path} for ${type}`, () => assert.equal(rules.contentType(path), type));
  }
});
