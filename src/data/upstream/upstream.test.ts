// Which backends an exchange may go to, what is learnt from how it went, and the retry budget. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { EjectionSpec } from "../../config/snapshot.ts";
import { Check } from "../../core/shared/backend-state.ts";
import type { Backend } from "./backend.ts";
import { EJECTION, type Served, threadsOf, upstreamOf, upstreamSpec } from "./setting.test.ts";

const NOW = Date.now();
const CHOICES = 20_000;

/** What makes a backend what it is in the tables: `up` unless it is said. */
type Condition = "up" | "down" | "awaited" | "ejected" | "full" | "tried";

function ids(served: Served, tried: readonly Backend[] = []): string {
  return served.upstream
    .candidates(tried)
    .map(({ spec }) => spec.id)
    .join("");
}

/** Makes backends what they are to be, and returns those that were tried. */
function condition(backends: readonly Backend[], conditions: readonly Condition[]): Backend[] {
  for (const [i, { state, spec }] of backends.entries()) {
    const wanted = conditions[i]!;
    if (wanted === "down") state.check = Check.failed;
    else if (wanted === "awaited") state.check = Check.awaited;
    else if (wanted === "ejected") state.eject(NOW, 1000, 1000);
    else if (wanted === "full") while (state.tryConnect(spec.maxConnections));
  }
  return backends.filter((_, i) => conditions[i] === "tried");
}

/** Within six standard deviations of the share: chance is outside of that twice in 10^9 times. */
function assertShare(count: number, share: number): void {
  const spread = 6 * Math.sqrt(CHOICES * share * (1 - share));
  assert.ok(
    Math.abs(count - CHOICES * share) <= spread,
    `${count} of ${CHOICES}: expected ${CHOICES * share} ± ${spread}`,
  );
}

describe("an exchange may go to", () => {
  const TABLE: ReadonlyArray<{
    readonly what: string;
    /** a, b, c; in capitals the backups. */
    readonly backends: Readonly<Record<string, Condition>>;
    readonly panic?: number;
    readonly to: string;
    readonly full?: boolean;
  }> = [
    { what: "every backend that is up", backends: { a: "up", b: "up", c: "up" }, to: "abc" },
    { what: "none that is down", backends: { a: "down", b: "up", c: "up" }, to: "bc" },
    { what: "none that is ejected", backends: { a: "up", b: "ejected", c: "up" }, to: "ac" },
    { what: "none that no check was made of yet", backends: { a: "up", b: "up", c: "awaited" }, to: "ab" },
    { what: "none that failed it already", backends: { a: "tried", b: "up", c: "tried" }, to: "b" },
    { what: "none that has no room", backends: { a: "full", b: "up" }, to: "b", full: true },
    { what: "nobody where all have no room", backends: { a: "full", b: "full" }, to: "", full: true },
    { what: "nobody where all are down", backends: { a: "down", b: "ejected" }, to: "" },
    { what: "nobody where all were tried", backends: { a: "tried", b: "tried" }, to: "" },
    { what: "nobody without backends", backends: {}, to: "" },
    { what: "no backup while others are up", backends: { a: "up", B: "up" }, to: "a" },
    { what: "no backup while one of others is up", backends: { a: "down", b: "up", C: "up" }, to: "b" },
    { what: "backups where nobody else is up", backends: { a: "down", B: "up", C: "up" }, to: "BC" },
    { what: "backups where all others failed it", backends: { a: "tried", b: "tried", C: "up" }, to: "C" },
    {
      what: "backups where the rest is down or failed it",
      backends: { a: "tried", b: "down", C: "up" },
      to: "C",
    },
    { what: "no backup while others have no room", backends: { a: "full", B: "up" }, to: "", full: true },
    { what: "no backup that is down", backends: { a: "down", B: "down", C: "up" }, to: "C" },
    { what: "no backup that has no room", backends: { a: "down", B: "full", C: "up" }, to: "C", full: true },
    { what: "backups where there are no others", backends: { A: "up", B: "up" }, to: "AB" },
    {
      what: "all where too few are up",
      backends: { a: "down", b: "ejected", c: "awaited", d: "up" },
      panic: 0.5,
      to: "abcd",
    },
    {
      what: "those only that are up, where it is just enough of them",
      backends: { a: "down", b: "down", c: "up", d: "up" },
      panic: 0.5,
      to: "cd",
    },
    { what: "all where none is up", backends: { a: "down", b: "down" }, panic: 0.1, to: "ab" },
    {
      what: "only one that did not fail it, in panic too",
      backends: { a: "tried", b: "down", c: "down" },
      panic: 1,
      to: "bc",
    },
    {
      what: "none without room, in panic too",
      backends: { a: "full", b: "down" },
      panic: 1,
      to: "b",
      full: true,
    },
    {
      what: "all others in panic, of which backups are no part",
      backends: { a: "down", b: "down", c: "up", D: "up", E: "up" },
      panic: 0.5,
      to: "abc",
    },
    {
      what: "backups in panic where nobody else is up",
      backends: { a: "down", b: "down", C: "up" },
      panic: 0.5,
      to: "C",
    },
    {
      what: "all others in panic where backups are down too",
      backends: { a: "down", b: "down", C: "down" },
      panic: 0.5,
      to: "ab",
    },
  ];
  for (const { what, backends, panic = 0, to, full = false } of TABLE) {
    it(what, () => {
      const names = Object.keys(backends);
      const served = upstreamOf(
        names.map((id) => ({ id, backup: id < "a", maxConnections: 2 })),
        { panicThreshold: panic },
      );
      const tried = condition(served.backends, Object.values(backends));
      assert.equal(ids(served, tried), to);
      assert.equal(served.upstream.full, full);
    });
  }

  it("a backend again that is up again, or has room again", () => {
    const served = upstreamOf([{ maxConnections: 1 }, {}]);
    const [a, b] = served.backends;
    condition(served.backends, ["full", "ejected"]);
    assert.deepEqual([ids(served), served.upstream.full], ["", true]);
    b!.state.readmit();
    assert.equal(ids(served), "b");
    a!.state.disconnected();
    assert.deepEqual([ids(served), served.upstream.full], ["ab", false]);
  });
});

describe("a backend that starts slowly", () => {
  const HOUR = 3_600_000;

  /** Of the choices, how many each backend takes part in. */
  function choices(served: Served): number[] {
    const counts = served.backends.map(() => 0);
    for (let i = 0; i < CHOICES; i++)
      for (const { index } of served.upstream.candidates([])) counts[index]!++;
    return counts;
  }

  for (const [sinceShare, share] of [
    [0, 0.1],
    [0.05, 0.1],
    [0.3, 0.3],
    [0.75, 0.75],
  ] as const) {
    it(`takes part in ${share} of the choices after ${sinceShare} of the time`, () => {
      const served = upstreamOf([{}, {}, {}], { slowStartMs: 1000 * HOUR });
      served.backends[1]!.state.startSlowly(Date.now() - sinceShare * 1000 * HOUR);
      const [a, b, c] = choices(served);
      assert.deepEqual([a, c], [CHOICES, CHOICES]);
      assertShare(b!, share);
    });
  }

  it("takes part in all of them when its time is over", () => {
    const served = upstreamOf([{}, {}], { slowStartMs: HOUR });
    served.backends[0]!.state.startSlowly(Date.now() - HOUR);
    assert.deepEqual(choices(served), [CHOICES, CHOICES]);
  });

  it("takes part in a tenth when the clock was put back", () => {
    const served = upstreamOf([{}, {}], { slowStartMs: HOUR });
    served.backends[0]!.state.startSlowly(Date.now() + HOUR);
    assertShare(choices(served)[0]!, 0.1);
  });

  it("gets everything where there is no other", () => {
    const served = upstreamOf([{}, {}], { slowStartMs: HOUR });
    condition(served.backends, ["down", "up"]);
    served.backends[1]!.state.startSlowly(Date.now());
    assert.deepEqual(choices(served), [0, CHOICES]);
  });

  it("gets as much as others that do", () => {
    const served = upstreamOf([{}, {}, {}], { slowStartMs: HOUR });
    for (const { state } of served.backends) state.startSlowly(Date.now());
    // Its own tenth, and what nobody takes part in of itself.
    for (const count of choices(served)) assertShare(count, 0.1 + 0.9 ** 3);
  });
});

describe("failures", () => {
  function failing(ejection: Partial<EjectionSpec>, count = 2): Served & ReturnType<typeof upstreamOf> {
    return upstreamOf(
      Array.from({ length: count }, () => ({})),
      { ejection: { ...EJECTION, ...ejection } },
    );
  }

  it("in a row eject a backend, no fewer", () => {
    const { upstream, backends, thread } = failing({ failures: 3 });
    const [a] = backends;
    upstream.attemptEnded(a!, true, NOW);
    upstream.attemptEnded(a!, true, NOW);
    assert.equal(a!.state.ejected, false);
    upstream.attemptEnded(a!, true, NOW);
    assert.deepEqual([a!.state.ejected, a!.state.ejectedUntil], [true, NOW + 1000]);
    assert.equal(thread.metrics.readTotals().counters.ejections, 1);
    assert.deepEqual(thread.reports, [
      {
        type: "log",
        level: "warn",
        message: "backend ejected",
        fields: {
          upstream: "app",
          backend: "a",
          address: "127.0.0.1:1",
          reason: "3 failures in a row",
          for_ms: 1000,
        },
      },
    ]);
  });

  it("with a success between them are no row, nor are those of several backends", () => {
    const { upstream, backends } = failing({ failures: 3 });
    const [a, b] = backends;
    for (const failed of [true, true, false, true, true]) upstream.attemptEnded(a!, failed, NOW);
    upstream.attemptEnded(b!, true, NOW);
    assert.deepEqual([a!.state.ejected, b!.state.ejected], [false, false]);
  });

  it("in a row are counted over all threads", () => {
    const [one, other] = threadsOf(2);
    const spec = upstreamSpec(2, [{}], { ejection: { ...EJECTION, failures: 4 } });
    const [first, second] = [one!.serve(spec), other!.serve(spec)];
    for (const { upstream, backends } of [first, second, first])
      upstream.attemptEnded(backends[0]!, true, NOW);
    assert.equal(first.backends[0]!.state.ejected, false);
    second.upstream.attemptEnded(second.backends[0]!, true, NOW);
    assert.equal(first.backends[0]!.state.ejected, true);
    assert.equal(first.state.ejected, 1);
  });

  const SHARES: ReadonlyArray<
    readonly [what: string, outcomes: string, ejection: Partial<EjectionSpec>, ejected: boolean]
  > = [
    ["half of ten", ".x.x.x.x.x", {}, true],
    ["less than half of ten", "..x..x.x.x", {}, false],
    ["half of fewer than ten", "x.x.x.x.x", {}, false],
    ["a tenth of ten", ".........x", { failureShare: 0.1 }, true],
    ["all of three, of which three are enough", "xxx", { minRequests: 3, failureShare: 1 }, true],
    ["half of ten that do not end with a failure", "x.x.x.x.x.", {}, false],
    ["half of ten where only those in a row count", ".x.x.x.x.x", { failureShare: null }, false],
  ];
  for (const [what, outcomes, ejection, ejected] of SHARES) {
    it(`that are ${what} exchanges ${ejected ? "eject" : "do not eject"} a backend`, () => {
      const { upstream, backends } = failing({
        failures: 99,
        failureShare: 0.5,
        minRequests: 10,
        ...ejection,
      });
      for (const outcome of outcomes) upstream.attemptEnded(backends[1]!, outcome === "x", NOW);
      assert.equal(backends[1]!.state.ejected, ejected);
      assert.equal(backends[0]!.state.ejected, false);
    });
  }

  it("longer ago than the window do not count for the share", () => {
    const rules = { failures: 99, failureShare: 0.5, minRequests: 10, windowMs: 1000 };
    const { upstream, backends } = failing(rules);
    for (let i = 0; i < 9; i++) upstream.attemptEnded(backends[0]!, true, NOW);
    upstream.attemptEnded(backends[0]!, true, NOW + 1100);
    assert.equal(backends[0]!.state.ejected, false);
  });

  for (const [count, maxShare, most] of [
    [1, 0.5, 0],
    [2, 0.5, 1],
    [3, 0.5, 1],
    [5, 0.5, 2],
    [3, 0.34, 1],
    [3, 0.33, 0],
    [3, 1, 3],
    [3, 0, 0],
  ] as const) {
    it(`eject ${most} of ${count} backends at most where ${maxShare} may be out`, () => {
      const { upstream, backends, state } = failing({ failures: 1, maxShare }, count);
      for (const backend of backends) upstream.attemptEnded(backend, true, NOW);
      const ejected = () => backends.filter((backend) => backend.state.ejected).length;
      assert.deepEqual([ejected(), state.ejected], [most, most]);
      // Who stays because of the bound goes when another one is back.
      if (most === 0 || most === count) return;
      backends[0]!.state.readmit();
      state.readmit();
      upstream.attemptEnded(backends.at(-1)!, true, NOW);
      assert.deepEqual([backends.at(-1)!.state.ejected, ejected()], [true, most]);
    });
  }

  it("of a backend that is out already eject nobody else's place", () => {
    const { upstream, backends, state } = failing({ failures: 1 }, 3);
    for (let i = 0; i < 5; i++) upstream.attemptEnded(backends[0]!, true, NOW);
    assert.deepEqual([state.ejected, backends[0]!.state.ejections], [1, 1]);
  });

  it("eject nobody where there is no ejection", () => {
    const { upstream, backends } = upstreamOf([{}, {}]);
    for (let i = 0; i < 100; i++) upstream.attemptEnded(backends[0]!, true, NOW);
    assert.equal(backends[0]!.state.ejected, false);
  });
});

describe("the retry budget", () => {
  /** How many repeats it has after so many requests. */
  function repeats({ upstream }: Served, nowMs = NOW): number {
    let count = 0;
    while (count < 1000 && upstream.tryRepeat(nowMs)) count++;
    return count;
  }

  for (const [requests, share, least, allowed] of [
    [0, 0.2, 3, 3],
    [15, 0.2, 3, 3],
    [19, 0.2, 3, 3],
    [20, 0.2, 3, 4],
    [100, 0.2, 3, 20],
    [104, 0.2, 0, 20],
    [4, 0.2, 0, 0],
    [5, 0.2, 0, 1],
    [100, 0, 0, 0],
    [100, 0, 7, 7],
    [100, 1, 0, 100],
  ] as const) {
    it(`has ${allowed} of ${requests} requests with share ${share} and at least ${least}`, () => {
      const served = upstreamOf([{}], { retryBudget: { share, least } });
      for (let i = 0; i < requests; i++) served.upstream.countRequest(NOW);
      assert.equal(repeats(served), allowed);
    });
  }

  it("is what the share or the least gives, whichever is more", () => {
    const settings = fc.record({
      requests: fc.nat(200),
      share: fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100),
      least: fc.nat(20),
    });
    fc.assert(
      fc.property(settings, ({ requests, share, least }) => {
        const served = upstreamOf([{}], { retryBudget: { share, least } });
        for (let i = 0; i < requests; i++) served.upstream.countRequest(NOW);
        assert.equal(repeats(served), Math.max(least, Math.floor(share * requests)));
      }),
      { numRuns: 50 },
    );
  });

  it("grows with requests, and is whole again ten seconds after it was spent", () => {
    const served = upstreamOf([{}], { retryBudget: { share: 0.5, least: 1 } });
    assert.deepEqual([repeats(served), repeats(served)], [1, 0]);
    for (let i = 0; i < 4; i++) served.upstream.countRequest(NOW);
    assert.equal(repeats(served), 1);
    assert.equal(repeats(served, NOW + 10_000), 1);
  });

  it("is one over all threads", () => {
    const spec = upstreamSpec(2, [{}], { retryBudget: { share: 0.2, least: 0 } });
    const [one, other] = threadsOf(2).map((thread) => thread.serve(spec));
    for (let i = 0; i < 10; i++) {
      one!.upstream.countRequest(NOW);
      other!.upstream.countRequest(NOW);
    }
    assert.ok(one!.upstream.tryRepeat(NOW));
    assert.equal(repeats(other!), 3);
    assert.equal(repeats(one!), 0);
  });
});
