// Unit tests of summary.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Sample } from "./measure.ts";
import { caseTable, conclude, cpuRatio } from "./summary.ts";

const samples = {
  ours: [12, 14, 30].map(sample),
  theirs: [10, 10, 20].map(sample),
};

test("ratios are taken within each round", () => {
  assert.deepEqual(cpuRatio(samples, "ours", "theirs"), { median: 1.4, low: 1.2999999999999998, high: 1.45 });
});

test("there is no ratio to somebody who took no part, nor to itself", () => {
  assert.equal(cpuRatio(samples, "ours", "nobody"), null);
  assert.equal(cpuRatio(samples, "ours", "ours"), null);
});

test("a table has a line for each contestant, with times, ratios and memory", () => {
  const lines = caseTable({ samples }, ["theirs"]).split("\n");
  assert.match(
    lines[2] ?? "",
    /^\| ours +\| +13\.00 \| 1\.40 \(1\.30–1\.45\) \| +50 % \| .* \| +3 \| +1 \|$/,
  );
  assert.match(lines[3] ?? "", /^\| theirs +\| +10\.00 \| +\| /);
});

test("a limit is held up to its very value, and missed beyond it", () => {
  const about = "GET, 64 connections";
  const both = { contestant: "ours", reference: "theirs", about };
  const results = [{ case: { title: about }, samples }];
  const text = conclude([{ ...both, target: 1.39, floor: 1.4 }], results);
  assert.match(
    text,
    /GET, 64 connections: ours × theirs \| 1\.40 \(1\.30–1\.45\) \| 1\.39 MISSED \| 1\.4 holds \|/,
  );
  assert.match(text, /^- errors: 2 in 6000 requests$/m);
});

test("what was expected of a case that was not run is left out", () => {
  const results = [{ case: { title: "GET" }, samples }];
  assert.doesNotMatch(conclude([{ about: "POST", contestant: "ours", reference: "theirs" }], results), /\|/);
});

function sample(cpuMicrosPerRequest: number, index: number): Sample {
  const errors = { connect: 0, read: index === 2 ? 1 : 0, write: 0, timeout: 0, status: 0 };
  return {
    cpuMicrosPerRequest,
    busy: 0.5,
    requestsPerSecond: 1000,
    errors: errors.read,
    rssBytes: 3 * 2 ** 20,
    steal: 0,
    wrk: { requests: 1000, micros: 1e6, bytes: 1, p50Micros: 1, p99Micros: 1000, errors },
  };
}
