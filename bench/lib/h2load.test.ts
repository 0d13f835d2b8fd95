// Unit tests of h2load.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseH2loadReport } from "./h2load.ts";
import { countErrors } from "./wrk.ts";

const PRINTED = `TLS Protocol: TLSv1.3
Cipher: TLS_AES_128_GCM_SHA256
Application protocol: h2

finished in 2.50s, 56563.00 req/s, 4.32MB/s
requests: 56563 total, 56819 started, 1000 done, 990 succeeded, 7 failed, 2 errored, 1 timeout
status codes: 990 2xx, 0 3xx, 7 4xx, 0 5xx
traffic: 4.32MB (4525824) total, 2.64MB (2771587) headers (space savings 50.51%), 718.08KB (735319) data
                     min         max         mean         sd        +/- sd
time for request:      237us     20.29ms      3.71ms      1.52ms    77.31%
`;
const LOG = Array.from({ length: 101 }, (_, i) => `1795648056498717\t200\t${i * 10}\n`).join("");

test("what h2load counted is read from its output, the times from its log", () => {
  assert.deepEqual(parseH2loadReport(PRINTED, LOG), {
    requests: 1000,
    micros: 2_500_000,
    bytes: 4_525_824,
    p50Micros: 500,
    p99Micros: 990,
    errors: { connect: 0, read: 2, write: 0, timeout: 1, status: 7 },
  });
});

test("a run of just below a second is told in milliseconds", () => {
  const printed = PRINTED.replace("finished in 2.50s", "finished in 998.31ms");
  assert.equal(parseH2loadReport(printed, LOG).micros, 998_310);
});

test("every kind of failure counts as an error", () => {
  assert.equal(countErrors(parseH2loadReport(PRINTED, LOG)), 10);
});

for (const [what, printed] of [
  ["no request was answered", PRINTED.replace("1000 done", "0 done")],
  ["HTTP/1.1 was spoken", PRINTED.replace("protocol: h2", "protocol: http/1.1")],
  ["the report is missing", "could not connect"],
] as const) {
  test(`it is an error, with what was printed in it, that ${what}`, () => {
    assert.throws(
      () => parseH2loadReport(printed, LOG),
      (error: Error) => error.message.includes(printed),
    );
  });
}
