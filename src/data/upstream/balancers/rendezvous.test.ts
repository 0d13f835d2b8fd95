// What `ip_hash` and `consistent_hash` promise: a key stays, and who comes or goes moves only its share. Runs in the test
// process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { BalancerName } from "../../../config/snapshot.ts";
import { hash32 } from "../hash-key.ts";
import { createBalancer } from "./balancer.ts";
import {
  assertShares,
  backendsOf,
  clientExchange,
  exchangeOf,
  mixedWeights,
  settingOf,
  type TestBackend,
} from "./candidates.test.ts";

const CLIENTS = 3000;
const anyBackends = fc.array(fc.record({ weight: fc.integer({ min: 1, max: 65_535 }), id: fc.string() }), {
  minLength: 2,
  maxLength: 20,
});

/** Who serves each of `CLIENTS` clients where these are all the backends of the file. */
function owners(name: BalancerName, members: readonly TestBackend[]): string[] {
  const backends = members.map((backend, index) => ({ ...backend, index }));
  const balancer = createBalancer(name, settingOf(backends));
  return Array.from({ length: CLIENTS }, (_, client) => {
    return balancer.pick(clientExchange(client), backends).spec.id;
  });
}

for (const name of ["ip_hash", "consistent_hash"] as const) {
  describe(`a key of ${name}`, () => {
    it("stays with its backend, on every thread and after every restart", () => {
      const backends = backendsOf(mixedWeights(10));
      const one = createBalancer(name, settingOf(backends));
      const other = createBalancer(name, settingOf(backendsOf(mixedWeights(10)), { offset: 3 }));
      for (let client = 0; client < 100; client++) {
        const picked = one.pick(clientExchange(client), backends);
        assert.equal(one.pick(clientExchange(client), backends), picked);
        assert.equal(other.pick(clientExchange(client), backends), picked);
      }
    });

    it("stays whatever the order of the file", () => {
      const backends = backendsOf(mixedWeights(10));
      assert.deepEqual(owners(name, backends.toReversed()), owners(name, backends));
    });

    it("moves only when its own backend is gone, and comes back with it", () => {
      fc.assert(
        fc.property(anyBackends, fc.nat(), fc.array(fc.string({ minLength: 1 })), (members, which, keys) => {
          const backends = backendsOf(members.map(({ weight }) => weight)).map((backend, i) => {
            return { ...backend, spec: { ...backend.spec, id: `${i}${members[i]!.id}` } };
          });
          const gone = backends[which % backends.length]!;
          const others = backends.filter((backend) => backend !== gone);
          const balancer = createBalancer(name, settingOf(backends));
          for (const key of keys) {
            const exchange = exchangeOf({ clientAddress: key, fields: { "x-user": key } });
            const before = balancer.pick(exchange, backends);
            const meanwhile = balancer.pick(exchange, others);
            if (before !== gone) assert.equal(meanwhile, before);
            assert.equal(balancer.pick(exchange, backends), before);
          }
        }),
      );
    });

    for (const count of [1, 3, 15]) {
      it(`moves only to a backend that is added to ${count}, and only by its share`, () => {
        const backends = backendsOf(mixedWeights(count + 1));
        for (const added of backends) {
          const before = owners(
            name,
            backends.filter((backend) => backend !== added),
          );
          const after = owners(name, backends);
          const moved = after.filter((owner, client) => owner !== before[client]);
          assert.ok(moved.every((owner) => owner === added.spec.id));
          const others = backends.reduce((total, { spec }) => total + spec.weight, -added.spec.weight);
          assertShares([moved.length, CLIENTS - moved.length], [added.spec.weight, others]);
        }
      });
    }

    it("is spread by weight also among those that a split by the same hash has let through", () => {
      const backends = backendsOf([100, 200, 300]);
      const balancer = createBalancer(name, settingOf(backends));
      for (const part of [0, 1, 7, 19]) {
        const counts = [0, 0, 0];
        for (let client = 0; client < 20_000; client++) {
          const exchange = clientExchange(client);
          const key = name === "ip_hash" ? exchange.clientAddress : `user-${client}`;
          if (Math.floor((hash32(key) / 2 ** 32) * 20) !== part) continue;
          counts[balancer.pick(exchange, backends).index]! += 1;
        }
        assertShares(counts, [100, 200, 300]);
      }
    });

    it("of a backend that goes is spread over all others by weight", () => {
      const backends = backendsOf([100, 100, 200, 300, 100]);
      const before = owners(name, backends);
      const after = owners(name, backends.slice(0, -1));
      const heirs = after.filter((_, client) => before[client] === "e");
      assertShares(
        ["a", "b", "c", "d"].map((id) => heirs.filter((heir) => heir === id).length),
        [100, 100, 200, 300],
      );
    });

    it("moves to a backend that gets more weight, and nowhere else", () => {
      const before = owners(name, backendsOf([100, 100, 100, 100]));
      const after = owners(name, backendsOf([100, 300, 100, 100]));
      const moved = after.filter((owner, client) => owner !== before[client]);
      assert.ok(moved.every((owner) => owner === "b"));
      // From a quarter to a half.
      assertShares([moved.length, CLIENTS - moved.length], [1, 3]);
    });
  });
}

it("ip_hash goes by the real client, not by the peer", () => {
  const backends = backendsOf(new Array<number>(16).fill(1));
  const balancer = createBalancer("ip_hash", settingOf(backends));
  const direct = balancer.pick(exchangeOf({ clientAddress: "198.51.100.7" }), backends);
  const others = new Set<TestBackend>();
  for (let proxy = 0; proxy < 50; proxy++) {
    const exchange = exchangeOf({ clientAddress: `10.0.0.${proxy}` });
    others.add(balancer.pick(exchange, backends));
    exchange.clientAddress = "198.51.100.7";
    assert.equal(balancer.pick(exchange, backends), direct);
  }
  assert.ok(others.size > 4);
});
