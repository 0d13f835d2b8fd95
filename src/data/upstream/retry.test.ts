// Which failed attempts are made again: the whole table. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ERRORS, type ErrorCode, GatewayError } from "../../core/errors.ts";
import { type Attempt, mayRetry } from "./retry.ts";

const LOST = new GatewayError("upstream_closed", "the backend closed the connection");
const GET: Attempt = {
  method: "GET",
  reused: true,
  bodyStarted: false,
  responseStarted: false,
  attempts: 1,
};

const TABLE: ReadonlyArray<readonly [again: boolean, what: string, attempt: Partial<Attempt>]> = [
  [true, "a GET on a reused connection", {}],
  [true, "a HEAD", { method: "HEAD" }],
  [true, "an OPTIONS", { method: "OPTIONS" }],
  [true, "a PUT whose body was not begun", { method: "PUT" }],
  [true, "a DELETE", { method: "DELETE" }],
  [false, "a POST", { method: "POST" }],
  [false, "a PATCH", { method: "PATCH" }],
  [false, "a method that nobody knows", { method: "BREW" }],
  [false, "a method in other letters", { method: "get" }],
  [false, "a GET on a new connection", { reused: false }],
  [false, "a PUT whose body was begun", { method: "PUT", bodyStarted: true }],
  [false, "one whose response was begun", { responseStarted: true }],
  [false, "one that was tried twice", { attempts: 2 }],
];

describe("a lost request", () => {
  for (const [again, what, attempt] of TABLE) {
    it(`is ${again ? "sent again" : "given up"}: ${what}`, () => {
      assert.equal(mayRetry(LOST, { ...GET, ...attempt }), again);
    });
  }

  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    if (code === "upstream_closed") continue;
    it(`is given up after ${code}`, () => {
      assert.equal(mayRetry(new GatewayError(code, ""), GET), false);
    });
  }
});
