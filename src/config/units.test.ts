// Durations and sizes: what is read, and what is refused. Runs in the test process.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDuration, parseSize } from "./units.ts";

test("durations are read in milliseconds", () => {
  const cases: ReadonlyArray<readonly [string, number]> = [
    ["30s", 30_000],
    ["500ms", 500],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["1d", 86_400_000],
    ["1m30s", 90_000],
    ["1.5s", 1_500],
    ["0s", 0],
    ["2147483647ms", 2 ** 31 - 1],
  ];
  for (const [text, ms] of cases) assert.equal(parseDuration(text), ms, text);
});

test("what is no duration, or more than a timer can wait, is refused", () => {
  for (const text of [
    "",
    "30",
    "s",
    "30 s",
    "-1s",
    "1S",
    "30sec",
    "1h-2m",
    "1e3s",
    ".5s",
    "2147483648ms",
    "25d",
  ]) {
    assert.equal(parseDuration(text), null, text);
  }
});

test("sizes are read in bytes", () => {
  const cases: ReadonlyArray<readonly [string, number]> = [
    ["512b", 512],
    ["64kb", 65_536],
    ["10mb", 10_485_760],
    ["10MB", 10_485_760],
    ["1.5kb", 1_536],
    ["2gb", 2_147_483_648],
    ["1tb", 2 ** 40],
  ];
  for (const [text, bytes] of cases) assert.equal(parseSize(text), bytes, text);
});

test("what is no size is refused", () => {
  for (const text of ["", "64", "kb", "64 kb", "-1b", "64k", "64kib", "1e3b", "9999999tb"]) {
    assert.equal(parseSize(text), null, text);
  }
});
