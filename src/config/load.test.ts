// A whole file, from its text to a snapshot or to its problems (their places: test/config/). Runs in the test process.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { load, loaded, problemsOf, warningsOf } from "../../test/support/loading.ts";
import { loadConfig } from "./load.ts";

const USERS_FILE = new URL("../../test/config/users-file.yaml", import.meta.url);
const BACKENDS = "backends: { web: [{ host: a, port: 1 }] }";

test("a file as users have it loads unchanged, and files of TLS that is off are not looked at", () => {
  assert.deepEqual(warningsOf(readFileSync(USERS_FILE, "utf8")), []);
});

test("a warning is given once for each kind of setting, with the number of its places", () => {
  const text = `
backends:
  web:
    - { host: a, port: 1, scheme: https, tls: { verify: false } }
    - { host: b, port: 1, scheme: https, tls: { verify: false } }
    - { host: c, port: 1, scheme: https, tls: { verify: true } }
    - { host: d, port: 1, scheme: https, tls: { verify: false }, active: false }
routing:
  a: { upstream: web, load_balancer: random, hash_key: client }
  b: { upstream: web, sticky: { cookie: b }, hash_key: client }
  c: { upstream: web, protocols: { sse: consistent_hash, http: sticky }, hash_key: client, sticky: {} }
  d: { upstream: web, load_balancer: consistent_hash, hash_key: client }
  e: { split: { to: { web: 1 } }, hash_key: client }
`;
  const unverified = "the certificate of this backend is not verified";
  assert.deepEqual(warningsOf(text), [
    `x.yaml:4:49: backends.web[0].tls.verify: ${unverified} (here and in 1 more place)`,
    'x.yaml:9:46: routing.a.hash_key: not used: no balancer of this route is "consistent_hash" (here and in 2 more places)',
    'x.yaml:10:23: routing.b.sticky: not used: no balancer of this route is "sticky"',
  ]);
});

test("cors on a route that preflight requests do not match is warned of", () => {
  const route = (methods: string) =>
    `routing: { a: { methods: ${methods}, respond: {}, policies: { cors: { origins: "*" } } } }`;
  assert.deepEqual(warningsOf(route("[GET, options]")), []);
  assert.deepEqual(warningsOf(route("GET")), [
    'x.yaml:1:56: routing.a.policies.cors: answers no preflight requests: "OPTIONS" is not among the "methods" of the route',
  ]);
});

test("a configuration that answers nothing is warned of", () => {
  const none = "no routes: every request is answered with 404";
  assert.deepEqual(warningsOf(""), [`x.yaml:1:1: ${none}`]);
  assert.deepEqual(warningsOf("server:\nrouting: {}"), [`x.yaml:2:1: routing: ${none}`]);
  assert.deepEqual(
    warningsOf("backends: { web: [{ host: a, port: 1, active: false }] }\nrouting: { a: { upstream: web } }"),
    ['x.yaml:1:13: backends.web: no backend of "web" is active: its routes answer 503'],
  );
});

test("what is turned off is not warned of", () => {
  const text = `
admin: { enabled: false, host: 0.0.0.0 }
ssl: { enabled: false }
backends: { web: [{ host: a, port: 1, health_check: { enabled: false } }, { host: b, port: 1, active: false }] }
upstreams: { web: { ejection: { enabled: false } } }
routing: { a: { upstream: web } }
`;
  assert.deepEqual(warningsOf(text), []);
});

test("all problems are reported at once, in the order of the file", () => {
  const text = [
    `server: { prot: 1, port: 80a, host: "\${HOST}" }`,
    "routing:",
    "  a: { upstream: wbe, path: a }",
    "  a: { respond: {} }",
    "  b: {}",
    BACKENDS,
    "timeouts: { idle: 5 }",
  ];
  assert.deepEqual(
    problemsOf(text.join("\n")).map((problem) => problem.split(": ").slice(0, 2).join(" ")),
    [
      "x.yaml:1:11 server.prot",
      "x.yaml:1:26 server.port",
      "x.yaml:1:37 server.host",
      "x.yaml:3:18 routing.a.upstream",
      "x.yaml:3:29 routing.a.path",
      "x.yaml:4:3 routing.a",
      "x.yaml:5:3 routing.b",
      "x.yaml:7:19 timeouts.idle",
    ],
  );
});

test("names keep the order of the file, also where they look like numbers", () => {
  const text = `
backends: { 10: &list [{ host: a, port: 1 }], z: *list, 2: *list, "1": *list }
routing:
  b: { upstream: "10" }
  10: { upstream: "2" }
  a: { upstream: z }
  2: { split: { to: { z: 1, 2: 2, "1": 3, 10: 4 } } }
  1.0: { respond: {} }
`;
  const { snapshot } = loaded(text);
  assert.deepEqual(
    snapshot.upstreams.map(({ name }) => name),
    ["10", "z", "2", "1"],
  );
  assert.deepEqual(
    snapshot.routes.map(({ name }) => name),
    ["b", "10", "a", "2", "1.0"],
  );
  const { action } = snapshot.routes[3]!;
  assert.deepEqual(action.kind === "proxy" && action.targets, [
    { upstream: "z", weight: 1 },
    { upstream: "2", weight: 2 },
    { upstream: "1", weight: 3 },
    { upstream: "10", weight: 4 },
  ]);
});

test("names that every object has are names like any other", () => {
  const text = `
backends: { toString: [{ host: a, port: 1 }], valueOf: [{ host: b, port: 1 }] }
upstreams: { valueOf: { slow_start: 1s } }
routing: { constructor: { upstream: toString } }`;
  const { snapshot } = loaded(text);
  assert.equal(snapshot.routes[0]!.name, "constructor");
  assert.deepEqual(
    snapshot.upstreams.map(({ slowStartMs }) => slowStartMs),
    [0, 1_000],
  );
  assert.deepEqual(problemsOf(`${BACKENDS}\nrouting: { a: { upstream: valueOf } }`), [
    'x.yaml:2:27: routing.a.upstream: cannot use "valueOf": expected the name of an upstream in "backends"',
  ]);
});

test("anchors, aliases and merge keys work, and a mapping's own keys win over merged ones", () => {
  const text = [
    BACKENDS,
    "routing:",
    "  a: &a { upstream: web, priority: 1, path: /a }",
    "  b: &b { <<: *a, path: /b }",
    "  c: { path: /c, <<: [{ priority: 3, path: /x }, *b] }",
  ];
  const { snapshot } = loaded(text.join("\n"));
  assert.deepEqual(
    snapshot.routes.map(({ path, priority }) => [path, priority]),
    [
      ["/a", 1],
      ["/b", 1],
      ["/c", 3],
    ],
  );
});

test("aliases of aliases cannot fill the memory", () => {
  const levels = Array.from({ length: 9 }, (_, level) => {
    return `l${level}: &l${level} [${Array(10)
      .fill(level === 0 ? "x" : `*l${level - 1}`)
      .join(", ")}]`;
  });
  assert.ok(
    problemsOf(levels.join("\n")).includes("x.yaml:1:1: expected aliases to stand for at most 100000 values"),
  );
});

test("a file that cannot be read is a problem", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-load-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const missing = join(folder, "none.yaml");
  const problem = (file: string, message: string) => {
    return { ok: false, problems: [{ file, line: 0, column: 0, path: "", message }] };
  };
  assert.deepEqual(
    loadConfig(missing, {}),
    problem(missing, "cannot read the file: there is none of this name"),
  );
  assert.deepEqual(loadConfig(folder, {}), problem(folder, "cannot read the file: it is a directory"));
});

test("a byte order mark and Windows line ends are no trouble", () => {
  assert.deepEqual(problemsOf("\uFEFFserver:\r\n  port: x\r\n  host: 'a b'\r\n"), [
    'x.yaml:2:9: server.port: cannot use "x": expected a whole number from 0 to 65535',
    'x.yaml:3:9: server.host: cannot use "a b": expected a host name or an address, without a port',
  ]);
});

test("no file makes it throw, and a refused one always says where", () => {
  const keys =
    "server host port listeners ssl enabled backends web id socket srv scheme tls ca_file health_check upstreams ejection circuit_breaker time max_time resolver servers min_ttl max_ttl routing a path upstream split to by mirror share retry on sticky hash_key protocols respond status headers body redirect hosts methods timeouts idle limits admin grpc token open <<".split(
      " ",
    );
  const scalars = fc.oneof(
    fc.constantFrom(
      null,
      true,
      0,
      1,
      -1,
      80.5,
      "web",
      "/",
      "10s",
      "*",
      "20%",
      "https",
      `\${A}`,
      `\${`,
      "{x}",
    ),
    fc.string(),
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ depthSize: "medium", withCrossShrink: true }, scalars, tie("list"), tie("mapping")),
    list: fc.array(tie("value"), { maxLength: 4 }),
    mapping: fc.dictionary(fc.constantFrom(...keys), tie("value"), { maxKeys: 6 }),
  }));
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 6 }), (file) => {
      const result = load(JSON.stringify(file));
      if (result.ok) return;
      assert.notEqual(result.problems.length, 0);
      for (const { line, column, message } of result.problems)
        assert.ok(line > 0 && column > 0 && message !== "");
    }),
    { numRuns: 500 },
  );
});
