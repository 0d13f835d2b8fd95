// `consistent_hash`: which keys there are, and the bound on what a backend carries. (Which keys move: rendezvous.test.ts.)
// Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { HashKey } from "../../../config/snapshot.ts";
import { assertShares, backendsOf, exchangeOf, settingOf, sum, type TestRequest } from "./candidates.test.ts";
import { ConsistentHash } from "./consistent-hash.ts";

const KEYS: ReadonlyArray<readonly [key: HashKey, requestOf: (value: string) => TestRequest]> = [
  [{ from: "client" }, (value) => ({ clientAddress: value })],
  [{ from: "path" }, (value) => ({ path: `/${value}` })],
  [{ from: "header", name: "x-user" }, (value) => ({ fields: { "X-User": value } })],
  [{ from: "cookie", name: "user" }, (value) => ({ fields: { Cookie: `a=b; user=${value}` } })],
  [{ from: "query", name: "user" }, (value) => ({ query: `?a=b&user=${value}` })],
];

describe("the key of consistent_hash", () => {
  for (const [hashKey, requestOf] of KEYS) {
    it(`may be ${hashKey.from}: the same value always goes to the same backend, others to all`, () => {
      const backends = backendsOf(new Array<number>(8).fill(1));
      const balancer = new ConsistentHash(settingOf(backends, { hashKey }));
      const counts = backends.map(() => 0);
      for (let i = 0; i < 800; i++) {
        const { index } = balancer.pick(exchangeOf(requestOf(`value${i}`)), backends);
        assert.equal(balancer.pick(exchangeOf(requestOf(`value${i}`)), backends).index, index);
        counts[index]! += 1;
      }
      assertShares(
        counts,
        counts.map(() => 1),
      );
    });
  }

  it("may be absent: then weights and chance decide", () => {
    const weights = [1, 3, 4];
    const backends = backendsOf(weights);
    const balancer = new ConsistentHash(settingOf(backends, { hashKey: { from: "query", name: "user" } }));
    const counts = [0, 0, 0];
    for (let i = 0; i < 8000; i++)
      counts[balancer.pick(exchangeOf({ query: "?user=" }), backends).index]! += 1;
    assertShares(counts, weights);
  });
});

describe("the load of consistent_hash", () => {
  const anyWeights = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 12 });
  /** Few keys, so that some are popular; a negative one ends the oldest exchange. */
  const anyTraffic = fc.array(fc.integer({ min: -4, max: 6 }), { minLength: 1, maxLength: 400 });

  it("grows nowhere while it is over 1.25 × the weighted average + 1, and moves nowhere else before", () => {
    fc.assert(
      fc.property(anyWeights, anyTraffic, (weights, traffic) => {
        const backends = backendsOf(weights);
        const idle = backendsOf(weights);
        const balancer = new ConsistentHash(settingOf(backends));
        const running: number[] = [];
        for (const key of traffic) {
          if (key < 0) {
            const ended = running.shift();
            if (ended !== undefined) backends[ended]!.state.endExchange();
            continue;
          }
          const exchange = exchangeOf({ fields: { "x-user": `user ${key}` } });
          const perWeight = running.length / sum(weights);
          const isOver = (index: number) =>
            backends[index]!.state.inFlight > 1.25 * perWeight * weights[index]! + 1;
          const own = balancer.pick(exchange, idle).index;
          const picked = balancer.pick(exchange, backends).index;
          assert.ok(!isOver(picked));
          if (picked !== own) assert.ok(isOver(own));
          backends[picked]!.state.beginExchange();
          running.push(picked);
        }
      }),
    );
  });

  it("of one key that all ask for is spread within the bound", () => {
    const backends = backendsOf(new Array<number>(10).fill(1));
    const balancer = new ConsistentHash(settingOf(backends));
    const exchange = exchangeOf({ fields: { "x-user": "everybody" } });
    for (let i = 0; i < 1000; i++) balancer.pick(exchange, backends).state.beginExchange();
    const inFlight = backends.map(({ state }) => state.inFlight);
    assert.ok(Math.max(...inFlight) <= 1.25 * 100 + 2, `${inFlight}`);
  });

  it("goes to the next nearest of each key, not all to one neighbour", () => {
    const backends = backendsOf(new Array<number>(6).fill(1));
    const balancer = new ConsistentHash(settingOf(backends));
    const exchanges = Array.from({ length: 1500 }, (_, i) =>
      exchangeOf({ fields: { "x-user": `user${i}` } }),
    );
    const ofFirst = exchanges.filter((exchange) => balancer.pick(exchange, backends) === backends[0]);
    for (let i = 0; i < 50; i++) backends[0]!.state.beginExchange();
    const counts = backends.map(() => 0);
    for (const exchange of ofFirst) counts[balancer.pick(exchange, backends).index]! += 1;
    assertShares(counts, [0, 1, 1, 1, 1, 1]);
  });
});
