// `performance_least_connections_weight`: the formula, by hand, and how a report fades. Runs in the test process, under a
// clock of its own.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it, mock } from "node:test";
import { backendsOf, fill, picks, settingOf } from "./candidates.test.ts";
import { PerformanceLeastConnectionsWeight } from "./performance-least-connections-weight.ts";

const NOW = 1_800_000_000_000;

/** Null where nothing was reported. */
type Load = readonly [inFlight: number, weight: number, utilisation: number | null, ageMs?: number];

/** With the scores by hand: 0.7 · in flight ÷ weight + 30 · utilisation. */
const TABLE: ReadonlyArray<readonly [loads: readonly Load[], scores: readonly number[], order: string]> = [
  [
    [
      [0, 1, null],
      [0, 1, null],
    ],
    [0, 0],
    "abab",
  ],
  [
    [
      [0, 3, null],
      [0, 1, null],
    ],
    [0, 0],
    "aabaaaba",
  ],
  [
    [
      [1, 1, null],
      [0, 1, null],
    ],
    [0.7, 0],
    "bbbb",
  ],
  [
    [
      [1, 1, null],
      [1, 2, null],
    ],
    [0.7, 0.35],
    "bbbb",
  ],
  [
    [
      [100, 100, null],
      [90, 100, null],
    ],
    [0.7, 0.63],
    "bbbb",
  ],
  [
    [
      [0, 1, 0.5],
      [0, 1, 0.25],
    ],
    [15, 7.5],
    "bbbb",
  ],
  [
    [
      [0, 1, 1],
      [42, 1, 0],
    ],
    [30, 29.4],
    "bbbb",
  ],
  [
    [
      [0, 1, 1],
      [43, 1, 0],
    ],
    [30, 30.1],
    "aaaa",
  ],
  [
    [
      [10, 1, 0],
      [0, 1, 0.23],
    ],
    [7, 6.9],
    "bbbb",
  ],
  [
    [
      [10, 1, 0],
      [0, 1, 0.24],
    ],
    [7, 7.2],
    "aaaa",
  ],
  [
    [
      [200, 100, 0.1],
      [100, 100, 0.2],
    ],
    [4.4, 6.7],
    "aaaa",
  ],
  [
    [
      [4, 2, 0.5],
      [8, 4, 0.5],
      [12, 6, 0.4],
    ],
    [16.4, 16.4, 13.4],
    "cccc",
  ],
  [
    [
      [4, 2, 0.5],
      [8, 4, 0.5],
      [12, 6, 0.6],
    ],
    [16.4, 16.4, 19.4],
    "babbab",
  ],
  // Half of the report is left after 15 s, a tenth after 27, nothing after 30.
  [
    [
      [0, 1, 0.8, 15_000],
      [0, 1, 0.5],
    ],
    [12, 15],
    "aaaa",
  ],
  [
    [
      [0, 1, 0.8, 15_000],
      [0, 1, 0.3],
    ],
    [12, 9],
    "bbbb",
  ],
  [
    [
      [0, 1, 1, 27_000],
      [4, 1, null],
    ],
    [3, 2.8],
    "bbbb",
  ],
  [
    [
      [0, 1, 1, 27_000],
      [5, 1, null],
    ],
    [3, 3.5],
    "aaaa",
  ],
  [
    [
      [0, 1, 1, 30_000],
      [0, 1, null],
    ],
    [0, 0],
    "abab",
  ],
  [
    [
      [0, 1, 1, 3_600_000],
      [0, 1, 0.01],
    ],
    [0, 0.3],
    "aaaa",
  ],
];

describe("performance_least_connections_weight", () => {
  beforeEach(() => mock.timers.enable({ apis: ["Date"], now: NOW }));
  afterEach(() => mock.timers.reset());

  for (const [loads, scores, order] of TABLE) {
    const what = loads.map((load) => `[${load.map((value) => value ?? "-").join(" ")}]`).join(" ");
    it(`picks ${order} by the scores ${scores} of ${what}`, () => {
      const backends = backendsOf(loads.map(([, weight]) => weight));
      loads.forEach(([inFlight, , utilisation, ageMs = 0], i) => {
        fill(backends[i]!, inFlight);
        if (utilisation !== null) backends[i]!.state.report(utilisation, NOW - ageMs);
      });
      const balancer = new PerformanceLeastConnectionsWeight(settingOf(backends));
      assert.equal(picks(balancer, backends, order.length), order);
    });
  }
});
