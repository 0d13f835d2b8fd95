// What clients of the admin API may send, and what they are told otherwise. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { AdminError } from "./error.ts";
import { accept, backendsQuery, report, utilisationOf } from "./input.ts";

const PERFORMANCE = { cpu_usage: 40, memory_usage: 60, load: 25 };
const REPORT = { upstream: "shop", backend_id: "shop-1", performance: PERFORMANCE };

function problemOf(body: unknown): string {
  try {
    accept(report, body);
  } catch (error) {
    assert.ok(error instanceof AdminError);
    assert.deepEqual([error.status, error.code], [400, "invalid_request"]);
    return error.message;
  }
  return assert.fail("accepted");
}

describe("a report", () => {
  it("is accepted with load or load_avg_1", () => {
    const { load, ...others } = PERFORMANCE;
    for (const performance of [PERFORMANCE, { ...others, load_avg_1: load }])
      assert.equal(utilisationOf(accept(report, { ...REPORT, performance }).performance), 0.45);
  });

  it("may have everything that a gateway tells of its machine", () => {
    const performance = {
      cpu_usage: 1,
      memory_usage: 2,
      disk_usage: 3,
      load_avg_1: 4,
      load_avg_5: 5,
      load_avg_15: 6,
      network_in: 7,
      network_out: 8,
      timestamp: 9,
    };
    assert.deepEqual(accept(report, { ...REPORT, performance }), { ...REPORT, performance });
  });

  for (const [title, body, problem] of [
    [
      "nothing",
      undefined,
      "cannot use an empty value: expected an object with upstream, backend_id and performance",
    ],
    ["a list", [], "cannot use an empty list: expected an object with upstream, backend_id and performance"],
    ["text", "up", 'cannot use "up": expected an object with upstream, backend_id and performance'],
    [
      "an empty object",
      {},
      "upstream is missing: expected text; backend_id is missing: expected text; performance is missing: expected an object such as { cpu_usage: 40, memory_usage: 60, load: 25 }",
    ],
    [
      "values of the wrong kinds",
      { upstream: 7, backend_id: "", performance: { ...PERFORMANCE, cpu_usage: "high", memory_usage: null } },
      'upstream: cannot use 7: expected text; backend_id: cannot use "": expected text that is not empty; performance.cpu_usage: cannot use "high": expected a number of per cent; performance.memory_usage: cannot use an empty value: expected a number of per cent',
    ],
    [
      "a misspelt key",
      { ...REPORT, performance: { cpu_usag: 5, memory_usage: 5, load: 5 } },
      'performance.cpu_usage is missing: expected a number of per cent; performance: unknown key "cpu_usag": did you mean "cpu_usage"?',
    ],
    ["an unknown key", { ...REPORT, weight: 5 }, 'unknown key "weight"'],
    [
      "a key of prototypes",
      JSON.parse('{"__proto__": {"upstream": "shop"}}'),
      /unknown key "__proto__"|upstream is missing/,
    ],
    [
      "no load",
      { ...REPORT, performance: { cpu_usage: 5, memory_usage: 5 } },
      'performance: cannot use a mapping: expected either "load" or "load_avg_1"',
    ],
    [
      "two loads",
      { ...REPORT, performance: { ...PERFORMANCE, load_avg_1: 5 } },
      'performance: cannot use a mapping: expected either "load" or "load_avg_1"',
    ],
    [
      "a number without end",
      JSON.parse(
        '{"upstream": "a", "backend_id": "b", "performance": {"cpu_usage": 1e999, "memory_usage": 1, "load": 1}}',
      ),
      "performance.cpu_usage: cannot use Infinity: expected a number of per cent",
    ],
  ] as const) {
    it(`is refused with ${title}`, () => {
      if (typeof problem === "string") assert.equal(problemOf(body), problem);
      else assert.match(problemOf(body), problem);
    });
  }
});

describe("the utilisation", () => {
  for (const [cpu_usage, memory_usage, load, expected] of [
    [0, 0, 0, 0],
    [100, 0, 0, 0.4],
    [0, 100, 0, 0.4],
    [0, 0, 100, 0.2],
    [100, 100, 100, 1],
    [250, 100, 900, 1],
    [-5, 50, 0, 0.2],
  ] as const) {
    it(`of cpu ${cpu_usage}, memory ${memory_usage} and load ${load} is ${expected}`, () => {
      assert.equal(utilisationOf({ cpu_usage, memory_usage, load }), expected);
    });
  }

  it("is never outside 0 to 1", () => {
    const any = fc.double({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(any, any, any, (cpu_usage, memory_usage, load) => {
        const utilisation = utilisationOf({ cpu_usage, memory_usage, load });
        assert.ok(utilisation >= 0 && utilisation <= 1, String(utilisation));
      }),
    );
  });
});

describe("the query of the backends", () => {
  it("has at most one upstream, and nothing else", () => {
    assert.deepEqual(accept(backendsQuery, {}), {});
    assert.deepEqual(accept(backendsQuery, { upstream: "shop" }), { upstream: "shop" });
    assert.throws(() => accept(backendsQuery, { upstream: ["a", "b"] }), {
      message: "upstream: cannot use a list: expected the name of one upstream",
    });
    assert.throws(() => accept(backendsQuery, { upstrem: "a" }), {
      message: 'unknown key "upstrem": did you mean "upstream"?',
    });
  });
});
