// What becomes of the settings of a file in the snapshot. Runs in the test process.

import assert from "node:assert/strict";
import { test } from "node:test";
import { loaded } from "../../test/support/loading.ts";
import type { AdminSpec } from "./compile.ts";
import type { ActionSpec, ProxySpec, RouteSpec } from "./snapshot.ts";

const BACKENDS = "backends: { web: [{ host: a, port: 1 }] }";

/** The route that these settings make, in flow style. */
function route(settings: string, others = ""): RouteSpec {
  return loaded(`${BACKENDS}\nrouting: { r: { ${settings} } }\n${others}`).snapshot.routes[0]!;
}

function proxy(settings: string, others = ""): ProxySpec {
  const { action } = route(`upstream: web, ${settings}`, others);
  assert.equal(action.kind, "proxy");
  return action as ProxySpec;
}

test("an empty file compiles to the defaults", () => {
  const { snapshot, gateway } = loaded("");
  assert.deepEqual(gateway, {
    workers: "auto",
    reusePort: false,
    shutdownTimeoutMs: 30_000,
    files: [],
    ocsp: { responder: null, timeoutMs: 10_000 },
    requestedMaxConnections: null,
    runAs: null,
    resolver: { servers: null, minTtlMs: 1_000, maxTtlMs: 300_000, timeoutMs: 2_000 },
    admin: null,
  });
  assert.deepEqual(snapshot, {
    version: 1,
    server: {
      listeners: [
        { host: "0.0.0.0", port: 8080, backlog: 4096, proxyProtocol: false, h2c: false, tls: null },
      ],
      maxConnections: Number.MAX_SAFE_INTEGER,
      maxConnectionsPerClient: null,
      unusedBackendConnections: Number.MAX_SAFE_INTEGER,
      http2: { enabled: true, maxStreams: 128, streamWindowBytes: 65_536, maxResets: 200 },
      redirectToHttps: false,
      httpsPort: null,
      hsts: null,
      readTimeoutMs: 30_000,
      writeTimeoutMs: 30_000,
      keepAliveTimeoutMs: 75_000,
      realIpHeader: "x-real-ip",
      realIpHeaderFirst: false,
      trustedProxies: [],
      requestLineBytes: 8_192,
      headerBytes: 32_768,
      headerCount: 100,
    },
    upstreams: [],
    apps: [],
    asks: [],
    routes: [],
    accessLog: null,
    policies: null,
  });
});

test("a route has the defaults of its file, and its own where it says so", () => {
  assert.deepEqual(route("upstream: web"), {
    name: "r",
    hosts: [],
    path: "/",
    pathKind: "prefix",
    methods: null,
    headers: [],
    priority: 0,
    policies: null,
    action: {
      kind: "proxy",
      targets: [{ upstream: "web", weight: 1 }],
      splitBy: { from: "client" },
      balancers: { http: "weight", https: "weight", websocket: "weight", sse: "weight" },
      hashKey: { from: "path" },
      sticky: { cookie: "sluice_backend", secret: null, maxAge: null, secure: false },
      retry: {
        attempts: 3,
        onClosed: true,
        onMalformed: true,
        onTimeout: true,
        statuses: [],
        perTryMs: null,
        bodyBytes: 65_536,
      },
      mirror: null,
      stripPrefix: null,
      rewrite: null,
      timeouts: {
        connectMs: 5_000,
        responseMs: 60_000,
        idleMs: 60_000,
        websocketIdleMs: 300_000,
        sseIdleMs: 300_000,
        backendKeepAliveMs: 4_000,
      },
    },
    bodyBytes: null,
    minBodyRate: 500,
  });
  const others = "timeouts: { idle: 1s, connect: 2s }\nlimits: { body_size: 10mb, min_body_rate: 0 }";
  const own = "timeouts: { idle: 3s }, limits: { body_size: 1kb }";
  const { timeouts } = proxy(own, others);
  assert.deepEqual([timeouts.connectMs, timeouts.idleMs, timeouts.responseMs], [2_000, 3_000, 60_000]);
  const { bodyBytes, minBodyRate } = route(`upstream: web, ${own}`, others);
  assert.deepEqual([bodyBytes, minBodyRate], [1_024, 0]);
  assert.equal(route("upstream: web", others).bodyBytes, 10_485_760);
  assert.equal(route("upstream: web, limits: { body_size: 0 }", others).bodyBytes, null);
});

test("matchers are compiled to the form that requests have", () => {
  const spec = route(
    "upstream: web, hosts: [Example.com., '*.EXAMPLE.com', '::1', '[FD00::1]', 10.0.0.1], path: 'exact:/a', methods: [get, M-Search], headers: { X-A: b, X-C: true }, priority: -3",
  );
  assert.deepEqual(spec.hosts, ["example.com", "*.example.com", "[::1]", "[fd00::1]", "10.0.0.1"]);
  assert.deepEqual([spec.path, spec.pathKind, spec.priority], ["/a", "exact", -3]);
  assert.deepEqual(spec.methods, ["GET", "M-SEARCH"]);
  assert.deepEqual(spec.headers, [
    { name: "x-a", value: "b" },
    { name: "x-c", value: null },
  ]);
  assert.deepEqual(route("upstream: web, hosts: a, methods: GET").hosts, ["a"]);
});

test("an action is compiled to what it does", () => {
  const cases: ReadonlyArray<readonly [string, ActionSpec]> = [
    ["respond: {}", { kind: "respond", status: 200, headers: [], body: "" }],
    [
      "respond: { status: 503, body: später }",
      {
        kind: "respond",
        status: 503,
        headers: [["Content-Type", "text/plain; charset=utf-8"]],
        body: "später",
      },
    ],
    [
      "respond: { headers: { content-type: text/html, X-B: 'é' }, body: <p> }",
      {
        kind: "respond",
        status: 200,
        headers: [
          ["content-type", "text/html"],
          ["X-B", "é"],
        ],
        body: "<p>",
      },
    ],
    ["redirect: { to: /new }", { kind: "redirect", status: 302, location: ["/new"] }],
    [
      "redirect: { to: 'https://{host}{uri}', status: 308 }",
      { kind: "redirect", status: 308, location: ["https://", { variable: "host" }, { variable: "uri" }] },
    ],
  ];
  for (const [settings, action] of cases) assert.deepEqual(route(settings).action, action, settings);
});

test("a prefix to strip is the route's path or one of its own, and the root is none", () => {
  const cases: ReadonlyArray<readonly [string, string | null]> = [
    ["path: /a", null],
    ["path: /a, strip_prefix: false", null],
    ["path: /a, strip_prefix: true", "/a"],
    ["path: /a, strip_prefix: /b", "/b"],
    ["strip_prefix: true", null],
  ];
  for (const [settings, prefix] of cases) assert.equal(proxy(settings).stripPrefix, prefix, settings);
});

test("a path template is kept", () => {
  assert.deepEqual(proxy("rewrite: '/v2{path}'").rewrite, ["/v2", { variable: "path" }]);
});

test("a protocol without a balancer of its own has that of the route", () => {
  const cases: ReadonlyArray<readonly [string, ReadonlyArray<ProxySpec["balancers"]["http"]>]> = [
    ["load_balancer: least_time", ["least_time", "least_time", "least_time", "least_time"]],
    ["protocols: { sse: ip_hash }", ["weight", "weight", "weight", "ip_hash"]],
    [
      "load_balancer: random, protocols: { http: round_robin, https: two_choices, websocket: sticky }",
      ["round_robin", "two_choices", "sticky", "random"],
    ],
  ];
  for (const [settings, [http, https, websocket, sse]] of cases)
    assert.deepEqual(proxy(settings).balancers, { http, https, websocket, sse }, settings);
});

test("the admin API is there when its section is, under either name, unless it is turned off", () => {
  const admin = { host: "127.0.0.1", port: 9091, token: null, open: false, closed: false, allowedHosts: [] };
  const cases: ReadonlyArray<readonly [string, AdminSpec | null]> = [
    ["admin:", admin],
    ["admin: { port: 0, open: true }", { ...admin, port: 0, open: true }],
    ["grpc: { enabled: true, host: '127.0.0.1', port: 9092 }", { ...admin, port: 9092 }],
    ["admin: { enabled: false }", null],
    ["grpc: { enabled: false }", null],
  ];
  for (const [text, spec] of cases) assert.deepEqual(loaded(text).gateway.admin, spec, text);
});

test("what a split, a hash or a cookie goes by is compiled to what is looked at", () => {
  const splitBy = (by: string) => {
    const { action } = route(`split: { to: { web: 1 }, by: '${by}' }`);
    return action.kind === "proxy" ? action.splitBy : null;
  };
  const cases: ReadonlyArray<readonly [string, ProxySpec["splitBy"]]> = [
    ["client", { from: "client" }],
    ["path", { from: "path" }],
    ["header:X-User", { from: "header", name: "x-user" }],
    ["cookie:Session", { from: "cookie", name: "Session" }],
    ["query:User.id", { from: "query", name: "User.id" }],
  ];
  for (const [text, key] of cases) {
    assert.deepEqual(splitBy(text), key, text);
    assert.deepEqual(proxy(`load_balancer: consistent_hash, hash_key: '${text}'`).hashKey, key, text);
  }
  assert.deepEqual(splitBy("random"), { from: "random" });
  assert.equal(proxy("load_balancer: sticky, sticky: { max_age: 1500ms }").sticky.maxAge, 2);
});

test("listeners have the backlog and the PROXY protocol of the server unless they have their own", () => {
  const text = `
server:
  backlog: 9
  proxy_protocol: true
  listeners: [{ host: a, port: 1 }, { host: "::", port: 2, backlog: 3, proxy_protocol: false }]`;
  assert.deepEqual(loaded(text).snapshot.server.listeners, [
    { host: "a", port: 1, backlog: 9, proxyProtocol: true, h2c: false, tls: null },
    { host: "::", port: 2, backlog: 3, proxyProtocol: false, h2c: false, tls: null },
  ]);
  assert.equal(loaded("server: { proxy_protocol: true }").snapshot.server.listeners[0]!.proxyProtocol, true);
});

test("an access log is there when its section is, unless it is turned off", () => {
  assert.deepEqual(loaded("access_log:").snapshot.accessLog, { path: null, format: "json" });
  assert.deepEqual(loaded("access_log: { path: a.log, format: combined }").snapshot.accessLog, {
    path: "a.log",
    format: "combined",
  });
  assert.equal(loaded("access_log: { enabled: false, path: a.log }").snapshot.accessLog, null);
});

test("a snapshot can be cloned to another thread", () => {
  const { snapshot } = loaded(
    `${BACKENDS}\nrouting: { r: { upstream: web, rewrite: '{uri}', headers: { a: true } } }`,
  );
  assert.deepEqual(structuredClone(snapshot), snapshot);
});
