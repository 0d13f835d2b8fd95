// A whole file, from its text to a snapshot or to its problems (their places: test/config/). Runs in the test process.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { loadConfig, loadConfigText } from "./load.ts";
import { formatProblem } from "./problem.ts";

const USERS_FILE = new URL("../../test/config/users-file.yaml", import.meta.url);
const BACKENDS = "backends: { web: [{ host: a, port: 1 }] }";

function load(text: string, environment: Record<string, string> = {}) {
  return loadConfigText(text, "x.yaml", environment);
}

function loaded(text: string, environment: Record<string, string> = {}) {
  const result = load(text, environment);
  assert.ok(result.ok, result.ok ? "" : result.problems.map((problem) => formatProblem(problem)).join("\n"));
  return result;
}

function problemsOf(text: string, environment: Record<string, string> = {}): string[] {
  const result = load(text, environment);
  return result.ok ? [] : result.problems.map((problem) => formatProblem(problem));
}

function warningsOf(text: string): string[] {
  return loaded(text).warnings.map((warning) => formatProblem(warning));
}

test("a file as users have it loads unchanged, and what is not yet in effect is said", () => {
  assert.deepEqual(warningsOf(readFileSync(USERS_FILE, "utf8")), [
    "x.yaml:9:24: ssl.cert_file: not yet in effect: every listener is plain HTTP",
    "x.yaml:12:108: backends.default[0].max_conn: not yet in effect: connections to a backend are not limited",
    "x.yaml:13:9: backends.default[0].health_check: not yet in effect: backends are not checked",
    'x.yaml:18:5: routing.default.load_balancer: "least_connections_weight" is not yet in effect: "weight" is used',
    "x.yaml:19:5: routing.default.protocols: not yet in effect: one balancer chooses for every protocol",
    "x.yaml:20:1: grpc: not yet in effect: there is no admin API",
  ]);
});

test("a warning is given once for each kind of setting, with the number of its places", () => {
  const text = [
    "backends:",
    "  web:",
    "    - { host: a, port: 1, max_conn: 5 }",
    "    - { host: b, port: 1, max_conn: 6 }",
    "routing:",
    "  a: { upstream: web, load_balancer: random }",
    "  b: { upstream: web, load_balancer: sticky }",
    "  c: { upstream: web, load_balancer: random }",
    "  d: { upstream: web, load_balancer: round_robin }",
  ];
  assert.deepEqual(warningsOf(text.join("\n")), [
    "x.yaml:3:27: backends.web[0].max_conn: not yet in effect: connections to a backend are not limited (here and in 1 more place)",
    'x.yaml:6:23: routing.a.load_balancer: "random" is not yet in effect: "weight" is used (here and in 1 more place)',
    'x.yaml:7:23: routing.b.load_balancer: "sticky" is not yet in effect: "weight" is used',
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
  const text = "admin: { enabled: false }\nssl: { enabled: false }\nrouting: { a: { respond: {} } }";
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
  const text = [
    "backends: { 10: &list [{ host: a, port: 1 }], z: *list, 2: *list, '1': *list }",
    "routing: { b: { upstream: 10 }, 10: { upstream: '2' }, a: { upstream: z }, 2: { upstream: '1' }, 1.0: { respond: {} } }",
  ];
  const { snapshot } = loaded(text.join("\n").replace("upstream: 10", "upstream: '10'"));
  assert.deepEqual(
    snapshot.upstreams.map(({ name }) => name),
    ["10", "z", "2", "1"],
  );
  assert.deepEqual(
    snapshot.routes.map(({ name }) => name),
    ["b", "10", "a", "2", "1.0"],
  );
});

test("names that every object has are names like any other", () => {
  const text =
    "backends: { toString: [{ host: a, port: 1 }] }\nrouting: { constructor: { upstream: toString } }";
  const { snapshot } = loaded(text);
  assert.equal(snapshot.routes[0]!.name, "constructor");
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
    "server host port listeners ssl enabled backends web id socket routing a path upstream respond status headers body redirect to hosts methods timeouts idle limits grpc <<".split(
      " ",
    );
  const scalars = fc.oneof(
    fc.constantFrom(null, true, 0, 1, -1, 80.5, "web", "/", "10s", "*", `\${A}`, `\${`, "{x}"),
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
