// Upstreams from one snapshot to the next: which shared memory stays, what is new, and what goes. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { healthCheck } from "../../test/support/health.ts";
import type { BackendPlan, UpstreamPlan } from "../config/snapshot.ts";
import { BackendShare, Check } from "../core/shared/backend-state.ts";
import { type LiveBackend, type LiveUpstream, type Place, Upstreams } from "./upstreams.ts";

const THREADS = 2;
const NOW = Date.now();
const FIRST_ADDRESS = "192.0.2.1";

function backendPlan(id: string, settings: Partial<BackendPlan> = {}): BackendPlan {
  return {
    id,
    host: FIRST_ADDRESS,
    port: 8000,
    srv: null,
    socketPath: null,
    weight: 1,
    backup: false,
    maxConnections: 100,
    protocol: "http1",
    tls: null,
    proxyProtocol: null,
    healthCheck: null,
    ...settings,
  };
}

function upstreamPlan(backends: readonly BackendPlan[], settings: Partial<UpstreamPlan> = {}): UpstreamPlan {
  return {
    name: "app",
    backends,
    queue: { size: 10, timeoutMs: 1000 },
    failureStatuses: [502],
    ejection: null,
    circuit: null,
    retryBudget: { share: 0.2, least: 3 },
    slowStartMs: 0,
    panicThreshold: 0,
    ...settings,
  };
}

/** Each backend is where its plan says, or at these addresses. */
function placesAt(addresses?: readonly string[]): (plan: BackendPlan) => readonly Place[] {
  return ({ host, port, weight, backup }) =>
    (addresses ?? [host]).map((address) => ({ address, port, weight, backup, hostName: host }));
}

/** Drafts and adopts. */
function go(
  upstreams: Upstreams,
  plans: readonly UpstreamPlan[],
  addresses?: readonly string[],
): readonly LiveUpstream[] {
  const next = upstreams.draft(plans, placesAt(addresses));
  upstreams.adopt(next);
  assert.equal(upstreams.live, next);
  return next;
}

/** Upstreams with the one named `app`, of these backends. */
function started(backends: readonly BackendPlan[], settings: Partial<UpstreamPlan> = {}) {
  const upstreams = new Upstreams(THREADS);
  const [upstream] = go(upstreams, [upstreamPlan(backends, settings)]);
  return { upstreams, upstream: upstream!, backends: upstream!.backends };
}

function share({ spec }: LiveBackend, thread = 0): BackendShare {
  return new BackendShare(spec.shared, thread);
}

function ids({ backends }: LiveUpstream): string[] {
  return backends.map(({ spec }) => spec.id);
}

describe("a backend from one snapshot to the next", () => {
  it("keeps its memory, and the upstream its own, whatever else changes", () => {
    const { upstreams, upstream, backends } = started([backendPlan("a"), backendPlan("b")]);
    share(backends[1]!).tryConnect(9);
    const rules = { slowStartMs: 5, panicThreshold: 0.5, queue: { size: 1, timeoutMs: 1 } };
    const changed = [backendPlan("c"), backendPlan("b", { weight: 7, maxConnections: 3 })];
    const [next] = go(upstreams, [upstreamPlan(changed, rules)]);
    assert.deepEqual(ids(next!), ["c", "b"]);
    assert.equal(next!.backends[1]!.spec.shared, backends[1]!.spec.shared);
    assert.equal(next!.backends[1]!.state, backends[1]!.state);
    assert.equal(next!.backends[1]!.state.connections, 1);
    assert.deepEqual([next!.backends[1]!.spec.weight, next!.backends[1]!.spec.maxConnections], [7, 3]);
    assert.equal(next!.spec.shared, upstream.spec.shared);
    assert.equal(next!.spec.sharedId, upstream.spec.sharedId);
    assert.equal(next!.state, upstream.state);
    assert.equal(next!.spec.slowStartMs, 5);
  });

  const ANOTHER: ReadonlyArray<readonly [what: string, settings: Partial<BackendPlan>]> = [
    ["another address", { host: "192.0.2.2" }],
    ["another port", { port: 8001 }],
    ["TLS", { tls: { ca: null, cert: null, key: null, serverName: null, verify: true } }],
    ["HTTP/2", { protocol: "h2" }],
    ["a PROXY header", { proxyProtocol: 2 }],
    ["another version of the PROXY header", { proxyProtocol: 1 }],
    ["a unix socket", { socketPath: "/run/app.sock", host: "", port: 0 }],
  ];
  for (const [what, settings] of ANOTHER) {
    it(`is another one with ${what}`, () => {
      const { upstreams, backends } = started([backendPlan("a")]);
      const [next] = go(upstreams, [upstreamPlan([backendPlan("a", settings)])]);
      assert.notEqual(next!.backends[0]!.spec.shared, backends[0]!.spec.shared);
      assert.notEqual(next!.backends[0]!.spec.identity, backends[0]!.spec.identity);
    });
  }

  it("is another one under another name, and in another upstream", () => {
    const { upstreams, upstream, backends } = started([backendPlan("a")]);
    const [same, other] = go(upstreams, [
      upstreamPlan([backendPlan("a"), backendPlan("b")]),
      upstreamPlan([backendPlan("a")], { name: "other" }),
    ]);
    const shared = [...same!.backends, ...other!.backends].map(({ spec }) => spec.shared);
    assert.equal(shared[0], backends[0]!.spec.shared);
    assert.equal(new Set(shared).size, 3);
    assert.notEqual(other!.spec.shared, upstream.spec.shared);
    assert.notEqual(other!.spec.sharedId, upstream.spec.sharedId);
  });

  it("is as it was after drafts that are never adopted", () => {
    const { upstreams, upstream, backends } = started([backendPlan("a")]);
    upstreams.draft([upstreamPlan([backendPlan("b")], { queue: { size: 5000, timeoutMs: 1 } })], placesAt());
    upstreams.draft([], placesAt());
    assert.equal(upstreams.live[0], upstream);
    const [next] = go(upstreams, [upstreamPlan([backendPlan("a")])]);
    assert.equal(next!.backends[0]!.state, backends[0]!.state);
    assert.equal(next!.state, upstream.state);
  });

  it("that is gone comes back with its counts where connections are open still", () => {
    const { upstreams, backends } = started([backendPlan("a"), backendPlan("b")]);
    for (let i = 0; i < 3; i++) share(backends[0]!).tryConnect(9);
    go(upstreams, [upstreamPlan([backendPlan("b")])]);
    go(upstreams, [upstreamPlan([backendPlan("b")])]);
    share(backends[0]!).disconnected();
    const [next] = go(upstreams, [upstreamPlan([backendPlan("b"), backendPlan("a")])]);
    assert.equal(next!.backends[1]!.state, backends[0]!.state);
    assert.equal(next!.backends[1]!.state.connections, 2);
  });

  it("that is gone with its upstream comes back with it too", () => {
    const { upstreams, backends } = started([backendPlan("a")]);
    share(backends[0]!).tryConnect(9);
    go(upstreams, []);
    const [next] = go(upstreams, [upstreamPlan([backendPlan("a")])]);
    assert.equal(next!.backends[0]!.state.connections, 1);
  });

  it("that is gone and has no connection is forgotten with the snapshot after", () => {
    const { upstreams, backends } = started([backendPlan("a"), backendPlan("b")]);
    go(upstreams, [upstreamPlan([backendPlan("b")])]);
    go(upstreams, [upstreamPlan([backendPlan("b")])]);
    const [next] = go(upstreams, [upstreamPlan([backendPlan("a"), backendPlan("b")])]);
    assert.notEqual(next!.backends[0]!.state, backends[0]!.state);
  });

  it("that is gone is none of those that are ejected", () => {
    const { upstreams, upstream, backends } = started([backendPlan("a"), backendPlan("b")]);
    for (const { state } of backends) {
      assert.ok(upstream.state.tryEject(2));
      assert.ok(state.eject(NOW, 1000, 1000));
    }
    const [next] = go(upstreams, [upstreamPlan([backendPlan("b")])]);
    assert.equal(next!.state.ejected, 1);
    assert.deepEqual([backends[0]!.state.ejected, backends[1]!.state.ejected], [false, true]);
    go(upstreams, [upstreamPlan([])]);
    assert.equal(upstream.state.ejected, 0);
  });
});

describe("a backend with a health check", () => {
  const checked = (id: string) => backendPlan(id, { healthCheck: healthCheck() });

  it("is up with the start of the gateway", () => {
    const { backends } = started([checked("a"), backendPlan("b")]);
    for (const { state } of backends) assert.equal(state.check, Check.passed);
  });

  it("waits for its first one where it comes later, in its place or in a new upstream", () => {
    const { upstreams } = started([checked("a")]);
    const [app, other] = go(upstreams, [
      upstreamPlan([checked("a"), checked("b"), backendPlan("c")]),
      upstreamPlan([checked("a")], { name: "other" }),
    ]);
    const checks = [...app!.backends, ...other!.backends].map(({ state }) => state.check);
    assert.deepEqual(checks, [Check.passed, Check.awaited, Check.passed, Check.awaited]);
  });

  it("does not wait for one that a reload gives it", () => {
    const { upstreams } = started([backendPlan("a")]);
    const [next] = go(upstreams, [upstreamPlan([checked("a")])]);
    assert.equal(next!.backends[0]!.state.check, Check.passed);
  });

  it("stays what its checks made of it", () => {
    const { upstreams, backends } = started([checked("a")]);
    backends[0]!.state.check = Check.failed;
    const [next] = go(upstreams, [upstreamPlan([checked("a")])]);
    assert.equal(next!.backends[0]!.state.check, Check.failed);
  });

  it("waits for another one when it was gone and comes back", () => {
    const { upstreams, backends } = started([checked("a"), checked("b")]);
    share(backends[0]!).tryConnect(9);
    go(upstreams, [upstreamPlan([checked("b")])]);
    const [next] = go(upstreams, [upstreamPlan([checked("a"), checked("b")])]);
    assert.equal(next!.backends[0]!.state, backends[0]!.state);
    assert.deepEqual(
      next!.backends.map(({ state }) => state.check),
      [Check.awaited, Check.passed],
    );
  });
});

describe("a backend of the file", () => {
  it("keeps its id where it is an address", () => {
    const { backends } = started([backendPlan("a"), backendPlan("six", { host: "2001:db8::1" })]);
    assert.deepEqual(
      backends.map(({ spec }) => [spec.id, spec.host, spec.hostName, spec.identity]),
      [
        ["a", FIRST_ADDRESS, FIRST_ADDRESS, `http://${FIRST_ADDRESS}:8000`],
        ["six", "2001:db8::1", "2001:db8::1", "http://[2001:db8::1]:8000"],
      ],
    );
  });

  it("is one at each address of its name, each with its own memory", () => {
    const upstreams = new Upstreams(THREADS);
    const plan = upstreamPlan([backendPlan("a", { host: "app.example" })]);
    const [upstream] = go(upstreams, [plan], ["192.0.2.1", "2001:db8::1"]);
    assert.deepEqual(ids(upstream!), ["a@192.0.2.1", "a@2001:db8::1"]);
    for (const { spec } of upstream!.backends) assert.equal(spec.hostName, "app.example");
    const [next] = go(upstreams, [plan], ["192.0.2.9", "192.0.2.1"]);
    assert.deepEqual(ids(next!), ["a@192.0.2.9", "a@192.0.2.1"]);
    assert.equal(next!.backends[1]!.state, upstream!.backends[0]!.state);
    assert.notEqual(next!.backends[0]!.state, upstream!.backends[1]!.state);
    assert.deepEqual(ids(go(upstreams, [plan], [])[0]!), []);
  });

  it("with srv is one at each address and port, with what the records say", () => {
    const upstreams = new Upstreams(THREADS);
    const plan = upstreamPlan([backendPlan("a", { host: "", port: 0, srv: "_http._tcp.app.example" })]);
    const places = [
      { address: "192.0.2.1", port: 81, weight: 3, backup: false, hostName: "one.example" },
      { address: "2001:db8::1", port: 82, weight: 4, backup: true, hostName: "two.example" },
    ];
    const [upstream] = upstreams.draft([plan], () => places);
    assert.deepEqual(
      upstream!.backends.map(({ spec }) => [spec.id, spec.identity, spec.weight, spec.backup, spec.hostName]),
      [
        ["a@192.0.2.1:81", "http://192.0.2.1:81", 3, false, "one.example"],
        ["a@[2001:db8::1]:82", "http://[2001:db8::1]:82", 4, true, "two.example"],
      ],
    );
  });

  it("at a unix socket is asked for no place", () => {
    const plan = upstreamPlan([backendPlan("a", { host: "", port: 0, socketPath: "/run/app.sock" })]);
    const [upstream] = new Upstreams(THREADS).draft([plan], () => assert.fail("asked for a place"));
    const [{ spec }] = upstream!.backends as [LiveBackend];
    assert.deepEqual([spec.id, spec.identity, spec.hostName], ["a", "unix:/run/app.sock", "localhost"]);
  });
});

describe("the line of an upstream", () => {
  it("has places to spare, and keeps them while a longer one fits", () => {
    const { upstreams, upstream } = started([backendPlan("a")]);
    const capacity = upstream.spec.queueCapacity;
    assert.ok(capacity > 10);
    for (const size of [0, capacity]) {
      const [next] = go(upstreams, [upstreamPlan([backendPlan("a")], { queue: { size, timeoutMs: 1 } })]);
      assert.equal(next!.state, upstream.state);
      assert.deepEqual([next!.spec.queue.size, next!.spec.queueCapacity], [size, capacity]);
    }
  });

  it("is a new one where it does not fit, in new memory that knows who is ejected", () => {
    const { upstreams, upstream, backends } = started([backendPlan("a"), backendPlan("b"), backendPlan("c")]);
    for (const { state } of backends.slice(0, 2)) {
      upstream.state.tryEject(9);
      state.eject(NOW, 1000, 1000);
    }
    const size = upstream.spec.queueCapacity + 1;
    const queue = { size, timeoutMs: 1 };
    const [next] = go(upstreams, [upstreamPlan([backendPlan("a"), backendPlan("c")], { queue })]);
    assert.notEqual(next!.spec.shared, upstream.spec.shared);
    assert.notEqual(next!.spec.sharedId, upstream.spec.sharedId);
    assert.ok(next!.spec.queueCapacity >= size);
    assert.deepEqual([next!.state.ejected, next!.backends[0]!.state.ejected], [1, true]);
    for (let i = 0; i < size; i++) assert.ok(next!.state.line.join(1) > 0);
    assert.deepEqual(ids(next!), ["a", "c"]);
    assert.equal(next!.backends[0]!.state, backends[0]!.state);
  });
});

describe("a data thread that ended", () => {
  it("gives back what it held of every upstream and backend, also of those that are gone", () => {
    const { upstreams, upstream, backends } = started([backendPlan("a"), backendPlan("b")]);
    for (const [thread, backend] of [
      [0, 0],
      [1, 0],
      [1, 1],
    ] as const)
      share(backends[backend]!, thread).tryConnect(9);
    upstream.state.tryPend(1, 9);
    upstream.state.line.join(1);
    go(upstreams, [upstreamPlan([backendPlan("b")])]);
    upstreams.forgetThread(1);
    assert.deepEqual(
      backends.map(({ state }) => state.connections),
      [1, 0],
    );
    assert.deepEqual([upstream.state.pending, upstream.state.line.waiting], [0, 0]);
  });
});
