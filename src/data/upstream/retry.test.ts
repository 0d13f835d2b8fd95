// Which failed attempts are made again: the whole table. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RetrySpec } from "../../config/snapshot.ts";
import { ERRORS, type ErrorCode } from "../../core/errors.ts";
import { type Attempt, mayRetry, mayRetryStatus } from "./retry.ts";

const GET: Attempt = { method: "GET", unsent: false, repeatable: true, sent: 1 };
const RETRY: RetrySpec = {
  attempts: 3,
  onClosed: true,
  onMalformed: true,
  onTimeout: true,
  statuses: [503],
  perTryMs: null,
  bodyBytes: 1000,
};

describe("a request that was sent and got no response", () => {
  const TABLE: ReadonlyArray<readonly [again: boolean, what: string, attempt: Partial<Attempt>]> = [
    [true, "a GET", {}],
    [true, "a HEAD", { method: "HEAD" }],
    [true, "an OPTIONS", { method: "OPTIONS" }],
    [true, "a TRACE", { method: "TRACE" }],
    [true, "a PUT whose body is kept", { method: "PUT" }],
    [true, "a DELETE", { method: "DELETE" }],
    [false, "a POST", { method: "POST" }],
    [false, "a PATCH", { method: "PATCH" }],
    [false, "a method that nobody knows", { method: "BREW" }],
    [false, "a method in other letters", { method: "get" }],
    [false, "a PUT whose body is gone", { method: "PUT", repeatable: false }],
    [true, "one that was sent twice", { sent: 2 }],
    [false, "one that was sent as often as may be", { sent: 3 }],
  ];
  for (const [again, what, attempt] of TABLE) {
    it(`is ${again ? "repeated" : "given up"}: ${what}`, () => {
      assert.equal(mayRetry("upstream_closed", { ...GET, ...attempt }, RETRY), again ? "repeats" : "no");
      assert.equal(mayRetryStatus(503, { ...GET, ...attempt }, RETRY), again);
    });
  }

  const KINDS: ReadonlyArray<readonly [ErrorCode, keyof RetrySpec]> = [
    ["upstream_closed", "onClosed"],
    ["response_truncated", "onClosed"],
    ["response_malformed", "onMalformed"],
    ["response_timeout", "onTimeout"],
  ];
  for (const [code, kind] of KINDS) {
    it(`is repeated after ${code} where ${kind} is wanted only`, () => {
      assert.equal(mayRetry(code, GET, RETRY), "repeats");
      assert.equal(mayRetry(code, GET, { ...RETRY, [kind]: false }), "no");
    });
  }

  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    if (KINDS.some(([repeated]) => repeated === code)) continue;
    it(`is given up after ${code}`, () => assert.equal(mayRetry(code, GET, RETRY), "no"));
  }

  it("is repeated for the statuses of the route only", () => {
    assert.equal(mayRetryStatus(502, GET, RETRY), false);
    assert.equal(mayRetryStatus(503, GET, { ...RETRY, statuses: [] }), false);
  });
});

describe("a request that was not sent", () => {
  const unsent = { ...GET, unsent: true, sent: 0 };
  for (const code of ["connect_failed", "connect_timeout"] as const) {
    it(`moves on after ${code}, whatever its method and however often`, () => {
      for (const method of ["GET", "POST", "BREW"]) {
        assert.equal(mayRetry(code, { ...unsent, method, sent: 3 }, RETRY), "moves on");
      }
    });

    it(`does not after ${code} when an attempt before took its body away`, () => {
      assert.equal(mayRetry(code, { ...unsent, repeatable: false }, RETRY), "no");
    });
  }

  it("does not after anything else", () => {
    assert.equal(mayRetry("internal", unsent, RETRY), "no");
    assert.equal(mayRetry("backend_unavailable", unsent, RETRY), "no");
  });
});
