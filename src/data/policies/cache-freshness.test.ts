// What the table of test/policies/cache-rules.test.ts cannot see from outside: exact times.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CacheSpec } from "../../config/snapshot.ts";
import { HeaderList } from "../../core/headers.ts";
import { type Asker, freshnessOf } from "./cache-freshness.ts";

const SPEC = { ttlMs: 0, staleWhileRevalidateMs: 5000, staleIfErrorMs: 7000 } as CacheSpec;

function headersOf(text: string): HeaderList {
  const headers = new HeaderList();
  for (const line of text.split("\n").filter(Boolean)) {
    const [name = "", value = ""] = line.split(/: (.*)/);
    headers.add(name, value);
  }
  return headers;
}

/** At 1,000,000 ms. */
function read(response: string, spec: Partial<CacheSpec> = {}, status = 200, request = "", personal = false) {
  const asker = { request: { method: "GET", headers: headersOf(request) }, personal } as unknown as Asker;
  const found = freshnessOf(asker, { status, headers: headersOf(response) }, { ...SPEC, ...spec }, 1_000_000);
  if (found === null) return null;
  const { bornMs, lifetimeMs, mayBeStale, staleWhileRevalidateMs, staleIfErrorMs } = found;
  const age = Math.round((1_000_000 - bornMs) / 1000);
  return [
    age,
    Math.round(lifetimeMs / 1000),
    mayBeStale,
    staleWhileRevalidateMs / 1000,
    staleIfErrorMs / 1000,
  ];
}

describe("how long a response is used", () => {
  const NOW = new Date().toUTCString();
  const LATER = new Date(Date.now() + 100_000).toUTCString();
  for (const [fields, expected] of [
    ["Cache-Control: max-age=60", [0, 60, true, 5, 7]],
    ["Cache-Control: max-age=60\nAge: 10", [10, 60, true, 5, 7]],
    ["Cache-Control: max-age=60\nAge: -10", [0, 60, true, 5, 7]],
    ["Cache-Control: max-age=60, stale-while-revalidate=1, stale-if-error=2", [0, 60, true, 1, 2]],
    ["Cache-Control: max-age=60, stale-if-error=0", [0, 60, true, 5, 0]],
    ["Cache-Control: s-maxage=60", [0, 60, false, 0, 0]],
    ["Cache-Control: s-maxage=60, stale-while-revalidate=1", [0, 60, false, 1, 0]],
    ["Cache-Control: max-age=60, must-revalidate, stale-if-error=2", [0, 60, false, 0, 0]],
    ["Cache-Control: max-age=60, proxy-revalidate, stale-if-error=2", [0, 60, false, 0, 0]],
    ["Cache-Control: max-age=60, no-cache, stale-if-error=2", null],
    ["Cache-Control: max-age=60, no-cache, stale-if-error=2\nETag: x", [0, 0, false, 0, 0]],
    [`Expires: ${LATER}\nDate: ${NOW}`, [0, 100, true, 5, 7]],
    ["Cache-Control: max-age=0", [0, 0, true, 5, 7]],
    ["Cache-Control: max-age=60, private", null],
    ["Cache-Control: max-age=60\nSet-Cookie: a=b", null],
    ["Cache-Control: max-age=60\nVary: a, *", null],
  ] as const)
    it(`is ${expected?.join(", ") ?? "not at all"} with ${fields.replaceAll("\n", ", ")}`, () => {
      assert.deepEqual(read(fields), expected);
    });

  it("is ttl where the response says nothing", () => {
    assert.deepEqual(read("", { ttlMs: 9000 }), [0, 9, true, 5, 7]);
    for (const own of ["no-store", "private", "no-cache"])
      assert.equal(read(`Cache-Control: ${own}`, { ttlMs: 9000 }), null, own);
    assert.equal(read("Pragma: no-cache", { ttlMs: 9000 }), null);
    assert.equal(read("Set-Cookie: a=b", { ttlMs: 9000 }), null);
    assert.equal(read("", { ttlMs: 9000 }, 500), null);
    assert.equal(read("", { ttlMs: 9000 }, 302), null);
    assert.equal(read("", { ttlMs: 9000 }, 200, "Authorization: x"), null);
  });

  it("is nothing where a policy let somebody in, unless it is for everybody", () => {
    assert.equal(read("Cache-Control: max-age=60", {}, 200, "", true), null);
    assert.deepEqual(read("Cache-Control: max-age=60, public", {}, 200, "", true), [0, 60, true, 5, 7]);
  });

  it("is nothing for what is of no use", () => {
    const never = { staleWhileRevalidateMs: 0, staleIfErrorMs: 0 };
    assert.equal(read("Cache-Control: max-age=0", never), null);
    assert.equal(read("Cache-Control: max-age=5\nAge: 5", never), null);
    assert.deepEqual(read("Cache-Control: max-age=0\nLast-Modified: x", never), [0, 0, true, 0, 0]);
  });
});
