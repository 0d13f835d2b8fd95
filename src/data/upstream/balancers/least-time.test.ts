// `least_time`: the backend that should answer first, and how one that nobody knows, or that was slow, gets its chance.
// Runs in the test process, under a clock of its own.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it, mock } from "node:test";
import { backendsOf, exchangeOf, fill, picks, settingOf } from "./candidates.test.ts";
import { LeastTime } from "./least-time.ts";

const NOW = 1_800_000_000_000;

interface Load {
  /** Null where it has not answered yet. */
  readonly timeUs: number | null;
  readonly inFlight: number;
  readonly ageMs?: number;
}

const TABLE: ReadonlyArray<readonly [what: string, loads: readonly Load[], order: string]> = [
  [
    "the faster one, idle",
    [
      { timeUs: 900, inFlight: 0 },
      { timeUs: 1000, inFlight: 0 },
    ],
    "aaaa",
  ],
  [
    "the slower one, when the faster has more to do: 900 × 3 > 1000 × 2",
    [
      { timeUs: 900, inFlight: 2 },
      { timeUs: 1000, inFlight: 1 },
    ],
    "bbbb",
  ],
  [
    "the faster one, when it has not too much to do: 400 × 3 < 1000 × 2",
    [
      { timeUs: 400, inFlight: 2 },
      { timeUs: 1000, inFlight: 1 },
    ],
    "aaaa",
  ],
  [
    "those that are as fast and as full, in turn",
    [
      { timeUs: 500, inFlight: 1 },
      { timeUs: 1000, inFlight: 1 },
      { timeUs: 500, inFlight: 1 },
    ],
    "acac",
  ],
  [
    "one that was never asked, before all others",
    [
      { timeUs: 10, inFlight: 0 },
      { timeUs: null, inFlight: 0 },
    ],
    "bbbb",
  ],
  [
    "all that were never asked, in turn",
    [
      { timeUs: null, inFlight: 0 },
      { timeUs: 10, inFlight: 0 },
      { timeUs: null, inFlight: 0 },
    ],
    "acac",
  ],
  [
    "nobody that has not answered its first exchange yet",
    [
      { timeUs: 60_000_000, inFlight: 1000 },
      { timeUs: null, inFlight: 1 },
    ],
    "aaaa",
  ],
  [
    "the emptiest where nobody has answered yet",
    [
      { timeUs: null, inFlight: 2 },
      { timeUs: null, inFlight: 1 },
      { timeUs: null, inFlight: 1 },
    ],
    "bcbc",
  ],
  [
    "not the one that was slow just now",
    [
      { timeUs: 1000, inFlight: 0 },
      { timeUs: 100_000, inFlight: 0, ageMs: 10_000 },
    ],
    "aaaa",
  ],
  [
    "the one that was slow a minute ago, again: 100 ms fade to 0.2 ms",
    [
      { timeUs: 1000, inFlight: 0 },
      { timeUs: 100_000, inFlight: 0, ageMs: 60_000 },
    ],
    "bbbb",
  ],
];

describe("least_time picks", () => {
  beforeEach(() => mock.timers.enable({ apis: ["Date"], now: NOW }));
  afterEach(() => mock.timers.reset());

  for (const [what, loads, order] of TABLE) {
    it(what, () => {
      const backends = backendsOf(loads.map(() => 1));
      loads.forEach(({ timeUs, inFlight, ageMs = 0 }, i) => {
        fill(backends[i]!, inFlight);
        if (timeUs !== null) backends[i]!.state.recordTime(timeUs, NOW - ageMs);
      });
      assert.equal(picks(new LeastTime(settingOf(backends)), backends, order.length), order);
    });
  }

  it("by speed, where exchanges last as long as each backend takes", () => {
    const backends = backendsOf([1, 1, 1]);
    const timesMs = [2, 4, 8];
    const balancer = new LeastTime(settingOf(backends));
    const served = [0, 0, 0];
    const ends: number[][] = [[], [], []];
    // Two exchanges a millisecond; what they can do together is 7 in 8.
    for (let ms = 0; ms < 4000; ms++) {
      mock.timers.setTime(NOW + ms);
      ends.forEach((due, i) => {
        while (due.length > 0 && due[0]! <= ms) {
          due.shift();
          backends[i]!.state.endExchange();
          backends[i]!.state.recordTime(timesMs[i]! * 1000, NOW + ms);
        }
      });
      for (let i = 0; i < 2; i++) {
        const { index, state } = balancer.pick(exchangeOf(), backends);
        state.beginExchange();
        ends[index]!.push(ms + timesMs[index]!);
        served[index]! += 1;
      }
    }
    const [fast, middle, slow] = served as [number, number, number];
    assert.ok(fast > 1.5 * middle && middle > 1.5 * slow && slow > 100, `${served}`);
  });
});
