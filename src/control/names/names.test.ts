// The names of backends, from the first answer on: a real DNS server, real hosts files. Runs in the test process.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { DnsServer, type SrvData } from "../../../test/support/dns-server.ts";
import { planOf, WatchedNames, type WatchedSetting } from "../../../test/support/watched-names.ts";
import type { BackendPlan } from "../../config/snapshot.ts";

const SRV = "_x._tcp.test";

let server: DnsServer;
let folder: string;
let watched: WatchedNames[];

beforeEach(async () => {
  server = await DnsServer.start();
  folder = mkdtempSync(join(tmpdir(), "names-"));
  watched = [];
});

afterEach(async () => {
  for (const { names } of watched) names.stop();
  await server.stop();
  rmSync(folder, { recursive: true });
});

describe("names of backends", () => {
  it("leaves addresses and unix sockets as they are, and asks nobody", async () => {
    const plans = [{ host: "10.0.0.1" }, { host: "::1" }, { socketPath: "/run/x.sock", port: 0 }];
    const { names, shown } = await follow(plans.map(planOf));
    assert.equal(shown(), "b0=10.0.0.1:80 b1=::1:80 b2=:0");
    assert.deepEqual(server.questions, []);
    assert.throws(() => names.placesOf(planOf({ id: "other" })), /other/);
  });

  it("finds all addresses of a name, IPv6 too, through an alias", async () => {
    server.set("www.test", { CNAME: "a.test" });
    server.set("a.test", { A: ["10.0.0.2", "10.0.0.1"], AAAA: ["fd00::1"] });
    const { shown } = await follow([planOf({ host: "www.test" })]);
    assert.equal(shown(), "b=10.0.0.1:80 b=10.0.0.2:80 b=fd00::1:80");
  });

  it("asks once for a name that several backends have", async () => {
    server.set("a.test", { A: ["10.0.0.1"] });
    const plans = [
      planOf({ host: "a.test" }),
      planOf({ host: "a.test", port: 81 }),
      planOf({ id: "c", host: "a.test" }),
    ];
    const { shown } = await follow(plans);
    assert.equal(shown(), "b0=10.0.0.1:80 b1=10.0.0.1:81 b2=10.0.0.1:80");
    assert.deepEqual([server.count("a.test", "A"), server.count("a.test", "AAAA")], [1, 1]);
  });

  it("follows changes, and says nothing of another order", async () => {
    server.set("a.test", { A: ["10.0.0.1", "10.0.0.2"] });
    const watch = await follow([planOf({ host: "a.test" })], { maxTtlMs: 100 });
    server.set("a.test", { A: ["10.0.0.2", "10.0.0.1"] });
    await server.asked("a.test", "A", 3);
    assert.equal(watch.changes, 0);
    server.set("a.test", { A: ["10.0.0.2", "10.0.0.3"] });
    await watch.changed();
    assert.equal(watch.shown(), "b=10.0.0.2:80 b=10.0.0.3:80");
    assert.deepEqual([watch.changes, watch.lines], [1, []]);
  });

  const TTLS: ReadonlyArray<readonly [what: string, ttl: number, limits: Setting, leastMs: number]> = [
    ["when its TTL is over", 1, {}, 1000],
    ["after min_ttl where the TTL is shorter", 0, { minTtlMs: 700 }, 700],
    ["after max_ttl where the TTL is longer", 3600, { maxTtlMs: 400 }, 400],
    ["after a short pause where there is no TTL at all", 0, {}, 100],
  ];
  for (const [what, ttl, limits, leastMs] of TTLS) {
    it(`asks again ${what}`, async () => {
      server.set("a.test", { A: ["10.0.0.1"], ttl });
      await follow([planOf({ host: "a.test" })], limits);
      await server.asked("a.test", "A");
      const [first, second] = server.questions.filter(({ type }) => type === "A");
      // Timers may be a millisecond early.
      assert.ok(second!.atMs - first!.atMs >= leastMs - 2, `${second!.atMs - first!.atMs} ms`);
    });
  }

  it("does not ask again at once after a TTL longer than any timer", async () => {
    server.set("a.test", { A: ["10.0.0.1"], ttl: 2 ** 31 - 1 });
    server.set("b.test", { A: ["10.0.0.1"], ttl: 0 });
    await follow([planOf({ host: "a.test" }), planOf({ host: "b.test" })], { maxTtlMs: 2 ** 50 });
    await server.asked("b.test", "A", 2);
    assert.equal(server.count("a.test", "A"), 1);
  });

  it("starts without a name that nobody knows, warns once, and finds it later", async () => {
    server.set("a.test", { A: ["10.0.0.1"] });
    const watch = await follow([planOf({ host: "a.test" }), planOf({ host: "b.test" })], { maxTtlMs: 100 });
    assert.equal(watch.shown(), "b0=10.0.0.1:80 b1=none");
    await server.asked("b.test", "A", 2);
    server.set("b.test", { A: ["10.0.0.2"] });
    await watch.changed();
    assert.equal(watch.shown(), "b0=10.0.0.1:80 b1=10.0.0.2:80");
    assert.deepEqual(watch.lines, [
      'warn: cannot resolve "b.test": there is no such name; no request goes there until it is resolved',
      'info: "b.test" is resolved again',
    ]);
  });

  it("starts where no DNS server answers", async () => {
    server.fault = "silent";
    const plans = [planOf({ host: "a.test" }), planOf({ srv: SRV }), planOf({ host: "10.0.0.9" })];
    const { shown, lines } = await follow(plans, { timeoutMs: 100 });
    assert.equal(shown(), "b0=none b1=none b2=10.0.0.9:80");
    const consequence = "no DNS server answers; no request goes there until it is resolved";
    assert.deepEqual(lines.sort(), [
      `warn: cannot resolve "${SRV}": ${consequence}`,
      `warn: cannot resolve "a.test": ${consequence}`,
    ]);
  });
});

describe("an answer that does not come", () => {
  for (const fault of ["servfail", "refused", "silent"] as const) {
    it(`leaves the last one, and is said once (${fault})`, async () => {
      server.set("a.test", { A: ["10.0.0.1"] });
      const watch = await follow([planOf({ host: "a.test" })], { maxTtlMs: 100, timeoutMs: 300, holdMs: 1 });
      server.fault = fault;
      await watch.logged(/cannot resolve/);
      await server.asked("a.test", "A", 2);
      assert.equal(watch.shown(), "b=10.0.0.1:80");
      server.fault = null;
      await watch.logged(/resolved again/);
      assert.equal(watch.changes, 0);
      assert.equal(watch.lines.length, 2);
      assert.match(watch.lines[0]!, /^warn: cannot resolve "a\.test": .*; its last answer is used$/);
    });
  }

  it("leaves the last addresses of the family that it was for", async () => {
    server.set("a.test", { A: ["10.0.0.1"], AAAA: ["fd00::1"] });
    const watch = await follow([planOf({ host: "a.test" })], { maxTtlMs: 100 });
    server.set("a.test", { A: ["10.0.0.2"], AAAA: "servfail" });
    await watch.changed();
    assert.equal(watch.shown(), "b=10.0.0.2:80 b=fd00::1:80");
    server.set("a.test", { A: ["10.0.0.2"] });
    await watch.changed();
    assert.equal(watch.shown(), "b=10.0.0.2:80");
    assert.deepEqual(watch.lines, []);
  });
});

describe("a name that is gone from DNS", () => {
  for (const [what, entry] of [
    ["there is no such name", null],
    ["it has no addresses", {}],
  ] as const) {
    it(`keeps its addresses for a while, then has none, until it is back (${what})`, async () => {
      server.set("a.test", { A: ["10.0.0.1"] });
      const watch = await follow([planOf({ host: "a.test" })], { maxTtlMs: 100, holdMs: 700 });
      server.set("a.test", entry);
      await watch.logged(/its last answer/);
      const started = performance.now();
      assert.equal(watch.shown(), "b=10.0.0.1:80");
      await watch.changed();
      assert.ok(performance.now() - started >= 600);
      assert.equal(watch.shown(), "b=none");
      server.set("a.test", { A: ["10.0.0.1"] });
      await watch.changed();
      assert.equal(watch.shown(), "b=10.0.0.1:80");
      const lines = [
        `warn: cannot resolve "a.test": ${what}; its last answer is used for another 1 s`,
        `warn: cannot resolve "a.test": ${what}; no request goes there until it is resolved`,
        'info: "a.test" is resolved again',
      ];
      assert.deepEqual(watch.lines, lines);
      server.set("a.test", entry);
      await watch.said(4);
      assert.deepEqual(watch.lines, [...lines, lines[0]]);
      assert.equal(watch.shown(), "b=10.0.0.1:80");
    });
  }

  it("is kept no longer because the configuration is read again", async () => {
    server.set("a.test", { A: ["10.0.0.1"] });
    const first = await follow([planOf({ host: "a.test" })], { maxTtlMs: 100 });
    server.set("a.test", null);
    await first.said(1);
    await server.asked("a.test", "A");
    const next = await follow([planOf({ host: "a.test" })], { holdMs: 50, previous: first.names });
    assert.deepEqual([first.shown(), next.shown()], ["b=10.0.0.1:80", "b=none"]);
  });
});

describe("SRV records", () => {
  it("lead to their targets, by priority and weight, at their ports", async () => {
    server.set("a.test", { A: ["10.0.0.1"] });
    server.set("b.test", { A: ["10.0.0.2"], AAAA: ["fd00::2"] });
    setServices([1, 30, 81, "a.test"], [1, 10, 82, "b.test"], [2, 0, 83, "c.test"], [3, 5, 84, "a.test"]);
    const plan = planOf({ srv: SRV });
    const { names, lines } = await follow([plan]);
    assert.deepEqual(names.placesOf(plan), [
      { address: "10.0.0.1", port: 81, weight: 225, backup: false, hostName: "a.test" },
      { address: "10.0.0.2", port: 82, weight: 38, backup: false, hostName: "b.test" },
      { address: "fd00::2", port: 82, weight: 38, backup: false, hostName: "b.test" },
      { address: "10.0.0.1", port: 84, weight: 100, backup: true, hostName: "a.test" },
    ]);
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /"c\.test": there is no such name/);
  });

  it("may have addresses and hosts of this machine as targets", async () => {
    setServices([1, 1, 81, "10.0.0.7"], [1, 1, 82, "localhost"]);
    const { shown } = await follow([planOf({ srv: SRV })]);
    assert.equal(shown(), "b=10.0.0.7:81 b=127.0.0.1:82");
    assert.deepEqual(new Set(server.questions.map(({ type }) => type)), new Set(["SRV"]));
  });

  it("are followed: a change is said when its new targets have addresses, the old ones are forgotten", async () => {
    server.set("a.test", { A: ["10.0.0.1"] });
    server.set("b.test", { A: ["10.0.0.2"] });
    setServices([1, 1, 81, "a.test"]);
    const watch = await follow([planOf({ srv: SRV }), planOf({ host: "c.test" })], { maxTtlMs: 100 });
    setServices([1, 1, 81, "b.test"]);
    await watch.changed();
    assert.equal(watch.shown(), "b0=10.0.0.2:81 b1=none");
    const { length } = server.questions;
    await server.asked("b.test", "A", 3);
    assert.ok(server.questions.slice(length).every(({ name }) => name !== "a.test"));
    assert.equal(watch.changes, 1);
  });

  it("follow the addresses of their targets", async () => {
    server.set("a.test", { A: ["10.0.0.1"], ttl: 0 });
    setServices([1, 1, 81, "a.test"]);
    const watch = await follow([planOf({ srv: SRV })]);
    server.set("a.test", { A: ["10.0.0.2"] });
    await watch.changed();
    assert.equal(watch.shown(), "b=10.0.0.2:81");
    assert.equal(server.count(SRV, "SRV"), 1);
  });

  it("that cannot be read leave the last ones", async () => {
    server.set("a.test", { A: ["10.0.0.1"] });
    setServices([1, 1, 81, "a.test"]);
    const watch = await follow([planOf({ srv: SRV })], { maxTtlMs: 100 });
    server.compressesTargets = true;
    await watch.logged(/the answer of the DNS server cannot be read; its last answer is used/);
    assert.equal(watch.shown(), "b=10.0.0.1:81");
  });

  function setServices(...services: Array<[priority: number, weight: number, port: number, target: string]>) {
    const records = services.map(([priority, weight, port, target]): SrvData => {
      return { priority, weight, port, target };
    });
    server.set(SRV, { SRV: records });
  }
});

describe("the hosts file", () => {
  it("comes before DNS, and is followed", async () => {
    server.set("a.test", { A: ["10.0.0.9"] });
    writeFileSync(join(folder, "hosts"), "10.0.0.1 a.test\nfd00::1 A.test");
    const plans = [planOf({ host: "a.test" }), planOf({ host: "localhost" })];
    const watch = await follow(plans, { watchMs: 50 });
    assert.equal(watch.shown(), "b0=10.0.0.1:80 b0=fd00::1:80 b1=127.0.0.1:80");
    assert.deepEqual(server.questions, []);
    writeFileSync(join(folder, "hosts"), "10.0.0.22 a.test\n127.0.0.2 localhost");
    await watch.changed();
    assert.equal(watch.shown(), "b0=10.0.0.22:80 b1=127.0.0.2:80");
    rmSync(join(folder, "hosts"));
    await watch.became("b0=10.0.0.9:80 b1=127.0.0.1:80");
  });
});

describe("names of the next configuration", () => {
  it("use what the last ones knew where DNS does not answer, and do not repeat the warnings", async () => {
    server.set("a.test", { A: ["10.0.0.1"] });
    server.set("b.test", { A: ["10.0.0.2"] });
    server.set(SRV, { SRV: [{ priority: 0, weight: 0, port: 81, target: "b.test" }] });
    const first = await follow([planOf({ host: "a.test" }), planOf({ srv: SRV })], { maxTtlMs: 100 });
    server.fault = "servfail";
    for (const name of ["a.test", "b.test", SRV]) await first.logged(new RegExp(name.replaceAll(".", "\\.")));
    const plans = [planOf({ srv: SRV }), planOf({ host: "a.test" }), planOf({ host: "c.test" })];
    const next = await follow(plans, { maxTtlMs: 100, previous: first.names });
    first.names.stop();
    assert.equal(next.shown(), "b0=10.0.0.2:81 b1=10.0.0.1:80 b2=none");
    assert.equal(next.lines.length, 1);
    assert.match(next.lines[0]!, /"c\.test"/);
    server.set("a.test", { A: ["10.0.0.3"] });
    server.fault = null;
    await next.changed();
    assert.match(next.shown(), /b1=/);
    assert.ok(next.lines.includes('info: "a.test" is resolved again'));
  });

  it("take a new answer where there is one", async () => {
    server.set("a.test", { A: ["10.0.0.1"] });
    const first = await follow([planOf({ host: "a.test" })]);
    server.set("a.test", { A: ["10.0.0.2"] });
    const next = await follow([planOf({ host: "a.test" })], { previous: first.names });
    assert.equal(next.shown(), "b=10.0.0.2:80");
    assert.equal(first.shown(), "b=10.0.0.1:80");
    assert.deepEqual([first.changes, next.changes], [0, 0]);
  });
});

describe("stopped names", () => {
  it("ask nobody and say nothing, even about what was under way", async () => {
    server.set("a.test", { A: ["10.0.0.1"] });
    const watch = await follow([planOf({ host: "a.test" })], { maxTtlMs: 100 });
    const other = await follow([planOf({ host: "b.test" })], { maxTtlMs: 100 });
    server.set("a.test", { A: "silent" });
    await server.asked("a.test", "AAAA");
    watch.names.stop();
    const { length } = server.questions;
    await server.asked("b.test", "A", 1);
    assert.ok(server.questions.slice(length).every(({ name }) => name === "b.test"));
    assert.deepEqual([watch.changes, watch.lines, watch.shown()], [0, [], "b=10.0.0.1:80"]);
    other.names.stop();
  });

  it("keep nobody waiting", async () => {
    server.fault = "silent";
    const watch = begin([planOf({ host: "a.test" })], {});
    await server.asked("a.test", "A");
    watch.names.stop();
    await watch.names.resolved();
    assert.deepEqual([watch.shown(), watch.lines], ["b=none", []]);
  });
});

type Setting = Partial<WatchedSetting>;

/** Names that ask the server of this test, and have a hosts file of their own. */
function begin(plans: readonly BackendPlan[], setting: Setting): WatchedNames {
  const files = { hostsPath: join(folder, "hosts"), resolvPath: join(folder, "resolv.conf") };
  const watch = new WatchedNames(plans, { servers: [server.address], ...files, ...setting });
  watched.push(watch);
  return watch;
}

/** Resolves when each name has an answer, or none. */
async function follow(plans: readonly BackendPlan[], setting: Setting = {}): Promise<WatchedNames> {
  const watch = begin(plans, setting);
  await watch.names.resolved();
  return watch;
}
