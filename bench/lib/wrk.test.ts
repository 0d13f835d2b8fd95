// Unit tests of wrk.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { countErrors, parseWrkReport } from "./wrk.ts";

const REPORT = `{"requests":9,"micros":1000000,"bytes":99,"p50Micros":1,"p99Micros":2,
"errors":{"connect":1,"read":2,"write":4,"timeout":8,"status":16}}`.replace("\n", "");

test("the report is found between the lines that wrk prints itself", () => {
  const report = parseWrkReport(`Running 1s test\n  1 threads\nreport ${REPORT}\nTransfer/sec: 1MB\n`);
  assert.equal(report.requests, 9);
});

test("output without a report is shown in the error", () => {
  assert.throws(() => parseWrkReport("unable to connect"), /Cannot find the report.*unable to connect/s);
});

test("every kind of failure counts as an error", () => {
  assert.equal(countErrors(JSON.parse(REPORT)), 31);
});
