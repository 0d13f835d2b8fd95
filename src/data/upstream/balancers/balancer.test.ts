// What every balancer must do, and the exact order of those that have one. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { BalancerName } from "../../../config/snapshot.ts";
import { Deadlines } from "../../../core/deadlines.ts";
import { Exchange } from "../../../core/exchange.ts";
import { SendBuffer } from "../../socket.ts";
import { BackendPool } from "../pool.ts";
import type { Backend } from "../upstream.ts";
import { createBalancer } from "./balancer.ts";

// No balancer of these looks at the exchange.
const EXCHANGE = Object.create(Exchange.prototype) as Exchange;

const THREAD = { deadlines: new Deadlines(), readBuffer: Buffer.alloc(0), sendBuffer: new SendBuffer() };

/** Backends a, b, c … with these weights. */
function backendsOf(weights: readonly number[]): Backend[] {
  return weights.map((weight, i) => {
    const id = String.fromCharCode(97 + i);
    const spec = { id, identity: `http://${id}:80`, host: id, port: 80, socketPath: null, weight };
    return { spec, pool: new BackendPool(spec, THREAD) };
  });
}

/** The ids of the next `count` picks, as one text. */
function picks(name: BalancerName, backends: readonly Backend[], count: number, offset = 0): string {
  const balancer = createBalancer(name, backends, offset);
  return Array.from({ length: count }, () => balancer.pick(EXCHANGE)?.spec.id ?? "-").join("");
}

/** For each balancer the share that a backend with this weight is due. */
const BALANCERS: Readonly<Record<BalancerName, (weight: number, weights: readonly number[]) => number>> = {
  round_robin: (_, weights) => 1 / weights.length,
  weight: (weight, weights) => weight / weights.reduce((sum, other) => sum + other, 0),
};

const anyWeights = fc.array(fc.integer({ min: 1, max: 65_535 }), { minLength: 1, maxLength: 20 });

for (const [name, shareOf] of Object.entries(BALANCERS) as Array<
  [BalancerName, (typeof BALANCERS)["weight"]]
>) {
  describe(`balancer ${name}`, () => {
    it("has nobody to pick among no backends", () => {
      assert.equal(picks(name, [], 3), "---");
      assert.equal(picks(name, [], 3, 5), "---");
    });

    it("picks the only backend every time", () => {
      assert.equal(picks(name, backendsOf([3]), 4), "aaaa");
      assert.equal(picks(name, backendsOf([3]), 4, 7), "aaaa");
    });

    it("picks members only", () => {
      fc.assert(
        fc.property(anyWeights, fc.nat(40), (weights, offset) => {
          const backends = backendsOf(weights);
          const balancer = createBalancer(name, backends, offset);
          for (let i = 0; i < 50; i++) assert.ok(backends.includes(balancer.pick(EXCHANGE)!));
        }),
      );
    });

    it("never lets a backend be further from its share than one round of all of them", () => {
      fc.assert(
        fc.property(anyWeights, fc.nat(40), (weights, offset) => {
          const backends = backendsOf(weights);
          const balancer = createBalancer(name, backends, offset);
          const counts = new Map(backends.map((backend) => [backend, 0]));
          for (let total = 1; total <= 300; total++) {
            const picked = balancer.pick(EXCHANGE)!;
            counts.set(picked, counts.get(picked)! + 1);
            for (const [backend, count] of counts) {
              const due = total * shareOf(backend.spec.weight, weights);
              // Skipping `offset` picks moves the beginning by less than one round.
              const apart = Math.abs(count - due);
              assert.ok(apart <= weights.length, `${backend.spec.id}: ${count} of ${total}, due ${due}`);
            }
          }
        }),
        { numRuns: 50 },
      );
    });

    it("begins at another backend on each data thread", () => {
      const backends = backendsOf([100, 100, 100]);
      assert.deepEqual(
        [0, 1, 2, 3].map((offset) => picks(name, backends, 1, offset)),
        ["a", "b", "c", "a"],
      );
    });
  });
}

describe("the order of round_robin", () => {
  const TABLE: ReadonlyArray<readonly [weights: readonly number[], offset: number, order: string]> = [
    [[1, 1, 1], 0, "abcabca"],
    [[5, 1, 1], 0, "abcabca"],
    [[1, 1, 1], 1, "bcabcab"],
    [[1, 1], 5, "bababab"],
  ];
  for (const [weights, offset, order] of TABLE) {
    it(`is ${order} for the weights ${weights} from ${offset}`, () => {
      assert.equal(picks("round_robin", backendsOf(weights), order.length, offset), order);
    });
  }
});

describe("the order of weight", () => {
  const TABLE: ReadonlyArray<readonly [weights: readonly number[], order: string]> = [
    [[1, 1, 1], "abcabc"],
    [[100, 100], "abababab"],
    // The example of nginx: spread, not in a row.
    [[5, 1, 1], "aabacaaaabacaa"],
    [[4, 2, 1], "abacabaabacaba"],
    [[3, 1], "aabaaaba"],
    [[1, 3], "babbbabb"],
  ];
  for (const [weights, order] of TABLE) {
    it(`is ${order} for the weights ${weights}`, () => {
      assert.equal(picks("weight", backendsOf(weights), order.length), order);
    });
  }

  it("gives each backend exactly its weight in every round", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 6 }), (weights) => {
        const round = weights.reduce((sum, weight) => sum + weight, 0);
        const order = picks("weight", backendsOf(weights), round * 3);
        for (let start = 0; start < order.length; start += round) {
          const part = order.slice(start, start + round);
          const counts = weights.map((_, i) => part.split(String.fromCharCode(97 + i)).length - 1);
          assert.deepEqual(counts, weights);
        }
      }),
    );
  });
});
