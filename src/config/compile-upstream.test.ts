// What becomes of backends and the rules of their upstream in the snapshot. Runs in the test process.

import assert from "node:assert/strict";
import { test } from "node:test";
import { loaded } from "../../test/support/loading.ts";
import type { HealthCheckSpec, UpstreamRules } from "./snapshot.ts";

const BACKENDS = "backends: { web: [{ host: a, port: 1 }] }";

test("backends have an id and the defaults; those that are not active are left out", () => {
  const text = `
backends:
  web:
    - { host: Example.com, port: 80, weight: 7 }
    - { id: b, host: "[::1]", port: 81 }
    - { host: c, port: 82, active: false }
    - { host: "[::1]", port: 81 }
    - { socket: /run/web.sock }
    - { srv: _http._tcp.example.com, scheme: https }
routing: { r: { upstream: web } }`;
  const standard = {
    host: "",
    port: 0,
    srv: null,
    socketPath: null,
    weight: 100,
    backup: false,
    maxConnections: 1000,
    protocol: "http1",
    tls: null,
    proxyProtocol: null,
    healthCheck: null,
  };
  const tls = { ca: null, cert: null, key: null, serverName: null, verify: true };
  assert.deepEqual(loaded(text).snapshot.upstreams[0]!.backends, [
    { ...standard, id: "web-example.com-80", host: "example.com", port: 80, weight: 7 },
    { ...standard, id: "b", host: "::1", port: 81 },
    { ...standard, id: "web-::1-81", host: "::1", port: 81 },
    { ...standard, id: "web-/run/web.sock", socketPath: "/run/web.sock" },
    { ...standard, id: "web-_http._tcp.example.com", srv: "_http._tcp.example.com", tls },
  ]);
});

test("an upstream has the default rules where the file has none, or not all of them", () => {
  const rules = {
    name: "web",
    queue: { size: 1000, timeoutMs: 5_000 },
    failureStatuses: [502, 503, 504],
    ejection: {
      failures: 5,
      failureShare: null,
      windowMs: 10_000,
      minRequests: 20,
      timeMs: 10_000,
      maxTimeMs: 300_000,
      maxShare: 0.5,
    },
    circuit: null,
    retryBudget: { share: 0.2, least: 3 },
    slowStartMs: 0,
    panicThreshold: 0,
  };
  const circuit = {
    pending: null,
    failureShare: 0.5,
    windowMs: 10_000,
    minRequests: 20,
    openMs: 5_000,
  };
  const cases: ReadonlyArray<readonly [string, Partial<UpstreamRules>]> = [
    ["", {}],
    ["upstreams: { web: {} }", {}],
    ["upstreams: { web: { queue: { size: 0 } } }", { queue: { size: 0, timeoutMs: 5_000 } }],
    ["upstreams: { web: { ejection: { enabled: false, failures: 1 } } }", { ejection: null }],
    ["upstreams: { web: { circuit_breaker: { failure_share: 0.5 } } }", { circuit }],
    [
      "upstreams: { web: { circuit_breaker: { pending: 9 } } }",
      { circuit: { ...circuit, pending: 9, failureShare: null } },
    ],
    ["upstreams: { web: { retry_budget: { least: 0 } } }", { retryBudget: { share: 0.2, least: 0 } }],
  ];
  for (const [others, changed] of cases) {
    const { backends: _, ...compiledRules } = loaded(`${BACKENDS}\n${others}`).snapshot.upstreams[0]!;
    assert.deepEqual(compiledRules, { ...rules, ...changed }, others);
  }
});

test("a first ejection above the default longest one lifts that", () => {
  const { ejection } = loaded(`${BACKENDS}\nupstreams: { web: { ejection: { time: 10m } } }`).snapshot
    .upstreams[0]!;
  assert.deepEqual([ejection?.timeMs, ejection?.maxTimeMs], [600_000, 600_000]);
});

test("a health check without a path is a connection only, and none where it is turned off", () => {
  const checkOf = (settings: string) => {
    const text = `backends: { web: [{ host: a, port: 1, health_check: { ${settings} } }] }`;
    return loaded(text).snapshot.upstreams[0]!.backends[0]!.healthCheck;
  };
  const standard: HealthCheckSpec = {
    path: null,
    method: "GET",
    host: null,
    port: null,
    statuses: [
      [200, 299],
      [300, 399],
    ],
    body: null,
    grpc: null,
    intervalMs: 10_000,
    timeoutMs: 5_000,
    failures: 3,
    successes: 1,
  };
  assert.deepEqual(checkOf(""), standard);
  assert.deepEqual(checkOf("path: '/health?full=1'"), { ...standard, path: "/health?full=1" });
  assert.deepEqual(checkOf("path: /, expect_status: 204")?.statuses, [[204, 204]]);
  assert.equal(checkOf("enabled: false, path: /"), null);
});
