// Which places a backend has: SRV priorities, weights and order. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { planOf } from "../../../test/support/watched-names.ts";
import type { Service } from "./answer.ts";
import { placeOf, placesOfHost, placesOfServices } from "./places.ts";

describe("the place of a backend that needs no name", () => {
  it("is its address", () => {
    const plan = planOf({ host: "fd00::1", port: 80, weight: 7, backup: true });
    const place = { address: "fd00::1", port: 80, weight: 7, backup: true, hostName: "fd00::1" };
    assert.deepEqual(placeOf(plan), place);
  });

  it("is empty for a unix socket", () => {
    const place = { address: "", port: 0, weight: 100, backup: false, hostName: "" };
    assert.deepEqual(placeOf(planOf({ socketPath: "/run/x.sock", port: 0 })), place);
  });
});

describe("the places of a host", () => {
  const plan = planOf({ host: "a.test", port: 8080, weight: 5, backup: true });

  it("are one for each address, each with the weight of the backend", () => {
    assert.deepEqual(placesOfHost(plan, ["10.0.0.1", "fd00::1"]), [
      { address: "10.0.0.1", port: 8080, weight: 5, backup: true, hostName: "a.test" },
      { address: "fd00::1", port: 8080, weight: 5, backup: true, hostName: "a.test" },
    ]);
  });

  it("have the same order whatever the order of the answer, IPv4 first", () => {
    const addresses = ["10.0.0.2", "fd00::2", "9.0.0.1", "fd00::1", "10.0.0.1"];
    const sorted = ["10.0.0.1", "10.0.0.2", "9.0.0.1", "fd00::1", "fd00::2"];
    fc.assert(
      fc.property(fc.shuffledSubarray(addresses, { minLength: addresses.length }), (shuffled) => {
        assert.deepEqual(
          placesOfHost(plan, shuffled).map(({ address }) => address),
          sorted,
        );
      }),
    );
  });

  it("are none without an address", () => assert.deepEqual(placesOfHost(plan, []), []));
});

const ADDRESSES: Readonly<Record<string, string[]>> = {
  a: ["10.0.0.1"],
  b: ["10.0.0.2"],
  c: ["10.0.0.3"],
  two: ["10.0.1.2", "10.0.1.1"],
  six: ["fd00::1"],
};

/** `target:priority:weight` each, at port 80. */
function servicesOf(text: string): Service[] {
  return text.split(" ").map((part) => {
    const [target = "", priority, weight] = part.split(":");
    return { target, port: 80, priority: Number(priority), weight: Number(weight) };
  });
}

/** `<last part of the address>=<weight>` each, `!` for backup. */
function shown(text: string, plan = planOf({ srv: "_x._tcp.test" })): string {
  return placesOfServices(plan, servicesOf(text), (target) => ADDRESSES[target] ?? [])
    .map(({ address, weight, backup }) => `${address.slice(-1)}=${weight}${backup ? "!" : ""}`)
    .join(" ");
}

describe("the places of SRV records", () => {
  const TABLE: ReadonlyArray<readonly [what: string, services: string, places: string]> = [
    ["share evenly by even weights", "a:1:1 b:1:1", "1=100 2=100"],
    ["share evenly without weights", "a:1:0 b:1:0", "1=100 2=100"],
    ["share by weight around that of the backend", "a:1:10 b:1:30", "1=50 2=150"],
    ["get a very small share with weight 0", "a:1:0 b:1:50", "1=1 2=200"],
    ["keep to the largest weight there is", "a:1:1 b:1:65535 c:1:0", "1=1 2=300 3=1"],
    ["share the weight of a target among its addresses", "a:1:10 two:1:10", "1=150 1=75 2=75"],
    ["leave out a target without address", "a:1:10 gone:1:90", "1=100"],
    ["use the lowest priority, the next ones for backup", "a:2:1 b:1:1 c:9:1", "2=100 1=100! 3=100!"],
    ["are all backup where the first target has no address", "gone:1:1 a:2:1", "1=100!"],
    ["have IPv6 addresses", "six:1:1", "1=100"],
  ];
  for (const [what, services, places] of TABLE) {
    it(`${what}: ${services}`, () => assert.equal(shown(services), places));
  }

  it("carry port and name of the record", () => {
    const services = [{ target: "six", port: 81, priority: 0, weight: 0 }];
    assert.deepEqual(
      placesOfServices(planOf({ srv: "_x._tcp.test" }), services, () => ["fd00::1", "10.0.0.1"]),
      [
        { address: "10.0.0.1", port: 81, weight: 100, backup: false, hostName: "six" },
        { address: "fd00::1", port: 81, weight: 100, backup: false, hostName: "six" },
      ],
    );
  });

  it("are all backup where the backend is", () => {
    assert.equal(shown("a:1:1 b:2:1", planOf({ srv: "x", backup: true })), "1=100! 2=100!");
  });

  it("are one where two records lead to the same, with the weight of both", () => {
    const services = servicesOf("a:1:1 b:1:3 c:2:1");
    const places = placesOfServices(planOf({ srv: "x" }), services, () => ["10.0.0.1"]);
    assert.deepEqual(
      places.map(({ hostName, weight, backup }) => [hostName, weight, backup]),
      [["a", 200, false]],
    );
  });

  const anyServices = fc.array(
    fc.record({
      target: fc.constantFrom(...Object.keys(ADDRESSES), "gone"),
      port: fc.integer({ min: 1, max: 3 }),
      priority: fc.integer({ min: 0, max: 3 }),
      weight: fc.integer({ min: 0, max: 65_535 }),
    }),
  );

  it("have valid weights, addresses of their own, and an order that does not depend on that of the records", () => {
    const plan = planOf({ srv: "x" });
    const placesOf = (services: readonly Service[]) =>
      placesOfServices(plan, services, (target) => ADDRESSES[target] ?? []);
    fc.assert(
      fc.property(anyServices, (services) => {
        const places = placesOf(services);
        for (const { weight } of places) {
          assert.ok(Number.isInteger(weight) && weight >= 1 && weight <= 65_535, `${weight}`);
        }
        const shownOf = (list: typeof places) => list.map(({ address, port }) => `${address} ${port}`);
        assert.equal(new Set(shownOf(places)).size, places.length);
        assert.deepEqual(shownOf(placesOf([...services].reverse())), shownOf(places));
      }),
    );
  });
});
