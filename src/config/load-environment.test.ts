// Environment variables in the values of a whole file. Runs in the test process.

import assert from "node:assert/strict";
import { test } from "node:test";
import { loaded, problemsOf } from "../../test/support/loading.ts";

test("a variable is a number, a truth or text as its setting wants it, in quotes or not", () => {
  const text = `
server:
  workers: \${WORKERS:-auto}
  reuse_port: "\${YES}"
  listeners: [{ host: a, port: "\${PORT}" }, { host: "\${HOST:-::1}", port: 0 }]
backends: { web: [{ host: a, port: "1\${PORT}", id: "\${PORT}" }] }
routing:
  a:
    upstream: web
    path: /\${PORT}
    headers: { plain: "\${YES}" }
  b:
    upstream: web
    headers:
      number: \${PORT}
      any: \${YES}
      empty: \${EMPTY}
`;
  const { snapshot, gateway } = loaded(text, { PORT: "81", YES: "true", EMPTY: "" });
  const { listeners } = snapshot.server;
  assert.deepEqual(
    listeners.map(({ host, port }) => [host, port]),
    [
      ["a", 81],
      ["::1", 0],
    ],
  );
  assert.deepEqual([gateway.workers, gateway.reusePort], ["auto", true]);
  assert.equal(snapshot.upstreams[0]!.backends[0]!.port, 181);
  assert.equal(snapshot.upstreams[0]!.backends[0]!.id, "81");
  assert.equal(snapshot.routes[0]!.path, "/81");
  assert.deepEqual(snapshot.routes[0]!.headers, [{ name: "plain", value: "true" }]);
  assert.deepEqual(snapshot.routes[1]!.headers, [
    { name: "number", value: "81" },
    { name: "any", value: null },
    { name: "empty", value: "" },
  ]);
});

test("a variable cannot change the structure of the file", () => {
  const values = [
    "b\n  c: { respond: {} }",
    "b }, c: { respond: {} ",
    "[a, b]",
    "{ a: b }",
    "*x",
    "&x y",
    "!!str z",
  ];
  for (const value of [...values, "# no", "a: b", "- a", "null", "~", "<<"]) {
    const text = `routing:\n  a: { respond: { body: "-\${V}" } }\n  b:\n    respond:\n      body: \${V}`;
    const { snapshot } = loaded(text, { V: value });
    const bodies = snapshot.routes.map(({ action }) => action.kind === "respond" && action.body);
    assert.deepEqual(bodies, [`-${value}`, value], value);
  }
});

test("keys are not looked at for variables", () => {
  assert.match(problemsOf(`\${A}: 1`, { A: "server" })[0]!, /unknown key "\$\{A\}"/);
});

test("every kind of setting takes its value from a variable, in quotes or not", () => {
  const text = `
backends:
  web:
    - srv: \${SRV}
      scheme: \${SCHEME}
      tls: { server_name: "\${HOST}", verify: "\${YES}" }
      proxy_protocol: v\${ONE}
      backup: \${YES}
      max_conn: "\${ONE}00"
      health_check: { path: "/\${ONE}?\${HOST}", expect_status: ["\${CLASS}", "\${STATUS}"], interval: "\${TIME}" }
upstreams:
  web:
    ejection: { failure_share: "\${PERCENT}", max_share: "\${SHARE}", statuses: ["\${STATUS}"] }
    retry_budget: { share: "\${ONE}", least: "\${ONE}" }
    slow_start: \${TIME}
    panic_threshold: \${PERCENT}
resolver: { servers: ["\${ADDRESS}:53"], min_ttl: "\${ZERO}" }
admin: { host: "\${ADDRESS}", token: "\${TOKEN}", allowed_hosts: ["\${HOST}"] }
routing:
  a:
    split: { to: { web: "\${ONE}" }, by: "header:\${NAME}" }
    mirror: { upstream: "\${UPSTREAM}", share: "\${SHARE}", body: "\${SIZE}" }
    load_balancer: \${BALANCER}
    sticky: { cookie: "\${NAME}", secret: "\${TOKEN}", max_age: "\${TIME}" }
    retry:
      attempts: \${ONE}
      on: [timeout, "\${STATUS}"]
      body: \${SIZE}
`;
  const { snapshot, gateway } = loaded(text, {
    SRV: "_http._tcp.example.com",
    SCHEME: "https",
    HOST: "example.com",
    ADDRESS: "10.0.0.1",
    YES: "true",
    ZERO: "0",
    ONE: "1",
    CLASS: "2xx",
    STATUS: "503",
    TIME: "1m30s",
    PERCENT: "12.5%",
    SHARE: "0.25",
    SIZE: "1kb",
    NAME: "X-Name",
    TOKEN: "1234567890123456",
    UPSTREAM: "web",
    BALANCER: "sticky",
  });
  const [upstream] = snapshot.upstreams;
  const [backend] = upstream!.backends;
  assert.deepEqual(
    [
      backend!.srv,
      backend!.tls?.serverName,
      backend!.proxyProtocol,
      backend!.backup,
      backend!.maxConnections,
    ],
    ["_http._tcp.example.com", "example.com", 1, true, 100],
  );
  const { path, statuses, intervalMs } = backend!.healthCheck!;
  assert.deepEqual(
    [path, statuses, intervalMs],
    [
      "/1?example.com",
      [
        [200, 299],
        [503, 503],
      ],
      90_000,
    ],
  );
  assert.deepEqual(
    [upstream!.ejection?.failureShare, upstream!.ejection?.maxShare, upstream!.failureStatuses],
    [0.125, 0.25, [503]],
  );
  assert.deepEqual(upstream!.retryBudget, { share: 1, least: 1 });
  assert.deepEqual([upstream!.slowStartMs, upstream!.panicThreshold], [90_000, 0.125]);
  assert.deepEqual([gateway.resolver.servers, gateway.resolver.minTtlMs], [["10.0.0.1:53"], 0]);
  assert.deepEqual(gateway.admin, {
    host: "10.0.0.1",
    port: 9091,
    token: "1234567890123456",
    open: false,
    closed: false,
    allowedHosts: ["example.com"],
  });
  const { action } = snapshot.routes[0]!;
  assert.ok(action.kind === "proxy");
  assert.deepEqual(action.targets, [{ upstream: "web", weight: 1 }]);
  assert.deepEqual(action.splitBy, { from: "header", name: "x-name" });
  assert.deepEqual(action.mirror, { upstream: "web", share: 0.25, bodyBytes: 1024 });
  assert.equal(action.balancers.http, "sticky");
  assert.deepEqual(action.sticky, {
    cookie: "X-Name",
    secret: "1234567890123456",
    maxAge: 90,
    secure: false,
  });
  assert.deepEqual(
    [action.retry.attempts, action.retry.onTimeout, action.retry.onClosed, action.retry.statuses],
    [1, true, false, [503]],
  );
});
