// What every balancer must do, whichever it is. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { BalancerName } from "../../../config/snapshot.ts";
import { createBalancer } from "./balancer.ts";
import {
  assertShares,
  backendsOf,
  clientExchange,
  mixedWeights,
  picks,
  settingOf,
  type TestBackend,
  tally,
} from "./candidates.test.ts";

interface Expected {
  /** What decides the share of an idle backend over many clients. */
  readonly share: "weight" | "equal";
  /** The first of an idle upstream is another on each data thread. */
  readonly inTurn: boolean;
}

const BALANCERS: Readonly<Record<BalancerName, Expected>> = {
  round_robin: { share: "equal", inTurn: true },
  weight: { share: "weight", inTurn: true },
  random: { share: "weight", inTurn: false },
  two_choices: { share: "equal", inTurn: false },
  least_connections: { share: "equal", inTurn: true },
  least_connections_weight: { share: "weight", inTurn: true },
  least_time: { share: "equal", inTurn: true },
  ip_hash: { share: "weight", inTurn: false },
  consistent_hash: { share: "weight", inTurn: false },
  sticky: { share: "weight", inTurn: true },
  performance_least_connections_weight: { share: "weight", inTurn: true },
};

const SIZES = [1, 2, 16, 256];

const anyWeights = fc.array(fc.integer({ min: 1, max: 65_535 }), { minLength: 1, maxLength: 20 });
/** What happens between two picks: who is a candidate, and what is known of one backend. */
const anyStep = fc.record({
  present: fc.integer({ min: 1, max: 2 ** 20 - 1 }),
  backend: fc.nat(19),
  begun: fc.nat(3),
  timeUs: fc.nat(100_000),
  utilisation: fc.double({ min: 0, max: 1, noNaN: true }),
});

for (const [name, { share, inTurn }] of Object.entries(BALANCERS) as Array<[BalancerName, Expected]>) {
  const shareOf = ({ spec }: TestBackend) => (share === "weight" ? spec.weight : 1);

  describe(`balancer ${name}`, () => {
    it("picks the only candidate every time", () => {
      const backends = backendsOf([3, 200, 1]);
      const balancer = createBalancer(name, settingOf(backends, { offset: 7 }));
      assert.equal(picks(balancer, [backends[1]!], 4), "bbbb");
      assert.equal(picks(createBalancer(name, settingOf([backends[0]!])), [backends[0]!], 4), "aaaa");
    });

    it("picks candidates only, whoever comes and goes and whatever is known of them", () => {
      fc.assert(
        fc.property(
          anyWeights,
          fc.nat(40),
          fc.array(anyStep, { minLength: 1, maxLength: 60 }),
          (weights, offset, steps) => {
            const backends = backendsOf(weights);
            const balancer = createBalancer(name, settingOf(backends, { offset }));
            steps.forEach(({ present, backend, begun, timeUs, utilisation }, client) => {
              const { state } = backends[backend % backends.length]!;
              for (let i = 0; i < begun; i++) state.beginExchange();
              state.recordTime(timeUs, Date.now());
              state.report(utilisation, Date.now());
              const some = backends.filter(({ index }) => (present & (1 << index)) !== 0);
              const candidates = some.length === 0 ? backends : some;
              assert.ok(candidates.includes(balancer.pick(clientExchange(client), candidates)));
            });
          },
        ),
      );
    });

    for (const size of SIZES) {
      it(`gives each of ${size} idle backends its share by ${share}`, () => {
        const backends = backendsOf(mixedWeights(size));
        const balancer = createBalancer(name, settingOf(backends));
        assertShares(tally(balancer, backends, 60 * size), backends.map(shareOf));
      });
    }

    it("divides the share of a backend that is gone, and gives it back when it comes again", () => {
      const backends = backendsOf([100, 200, 300, 200]);
      const balancer = createBalancer(name, settingOf(backends));
      for (let times = 0; times < 3; times++) {
        for (const gone of [backends[1]!, backends[2]!]) {
          const others = backends.filter((backend) => backend !== gone);
          const due = backends.map((backend) => (backend === gone ? 0 : shareOf(backend)));
          assertShares(tally(balancer, others, 500), due);
          assertShares(tally(balancer, backends, 500), backends.map(shareOf));
        }
      }
    });

    it("starves nobody while exchanges last", () => {
      const backends = backendsOf(mixedWeights(16));
      const balancer = createBalancer(name, settingOf(backends));
      const running: TestBackend[] = [];
      const served = new Set<TestBackend>();
      for (let client = 0; client < 2000; client++) {
        const picked = balancer.pick(clientExchange(client), backends);
        picked.state.beginExchange();
        served.add(picked);
        running.push(picked);
        if (running.length > 64) running.shift()!.state.endExchange();
      }
      assert.equal(served.size, backends.length);
    });

    if (inTurn) {
      it("begins at another backend on each data thread", () => {
        const backends = backendsOf([100, 100, 100]);
        const firsts = [0, 1, 2, 3].map((offset) =>
          picks(createBalancer(name, settingOf(backends, { offset })), backends, 1),
        );
        assert.deepEqual(firsts, ["a", "b", "c", "a"]);
      });
    }
  });
}
