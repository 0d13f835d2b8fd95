import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { checkImports } from "./check-imports.ts";

const MANIFEST = JSON.stringify({
  dependencies: { yaml: "1", zod: "1", pino: "1" },
  devDependencies: { "fast-check": "1", "@scope/tool": "1" },
});

function makeTree(context: TestContext, files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), "sluice-tree-"));
  context.after(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries({ "package.json": MANIFEST, ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const allowed: [file: string, text: string][] = [
  ["src/core/a/b.ts", 'import { c } from "../c.ts";'],
  [
    "src/config/a.ts",
    'import { b } from "../core/b.ts";\nimport { z } from "zod";\nimport fs from "node:fs";',
  ],
  ["src/wire/a.ts", 'import type { Snapshot } from "../config/snapshot.ts";'],
  ["src/data/http1/a.ts", 'import { B } from "../../config/snapshot.ts";\nimport net from "node:net";'],
  ["src/control/a.ts", 'const url = new URL("../data/thread.ts", import.meta.url);'],
  ["src/control/a.ts", 'import { createServer } from "node:http";'],
  ["src/cli/a.ts", 'import { Gateway } from "../control/gateway.ts";\nimport pino from "pino";'],
  ["src/core/a.test.ts", 'import fc from "fast-check";\nimport { tool } from "@scope/tool/part";'],
  ["src/core/a.test.ts", 'import { test } from "node:test";\nimport { b } from "../../test/support/b.ts";'],
  ["test/a.ts", 'import { b } from "../src/data/b.ts";\nimport http from "node:http";'],
];

for (const [file, text] of allowed) {
  test(`${file} may say ${text.replaceAll("\n", " ")}`, (context) => {
    assert.deepEqual(checkImports(makeTree(context, { [file]: text })), []);
  });
}

const refused: [file: string, text: string, expected: string][] = [
  ["src/core/a.ts", 'import { b } from "../config/b.ts";', "src/core/"],
  ["src/core/a.ts", 'import type { B } from "../config/b.ts";', "src/core/"],
  ["src/core/a.ts", 'import { isIP } from "node:net";', "of Node's modules none"],
  ["src/core/a.ts", 'import yaml from "yaml";', "of the packages none"],
  ["src/core/a.test.ts", 'import { b } from "../data/b.ts";', "src/core/, test/support/"],
  [
    "src/core/a.test.ts",
    'import x from "left-out";',
    "of the packages yaml, zod, pino, fast-check, @scope/tool",
  ],
  [
    "src/config/a.ts",
    'import net from "node:net";',
    "of Node's modules node:crypto, node:fs, node:os, node:path, node:tls",
  ],
  ["src/config/a.ts", 'import fc from "fast-check";', "of the packages yaml, zod"],
  ["src/wire/a.ts", 'import { b } from "../config/b.ts";', "src/wire/, src/core/, types of src/config/"],
  ["src/data/a.ts", 'import http from "node:http";', "another than node:http, node:https"],
  ["src/data/a.ts", 'const http = await import("node:http");', "another than node:http, node:https"],
  [
    "src/data/a.ts",
    'export { load } from "../config/load.ts";',
    "src/data/, src/core/, src/config/snapshot.ts, src/wire/",
  ],
  [
    "src/control/a.ts",
    'import { b } from "../data/b.ts";',
    "src/control/, src/core/, src/config/, src/wire/",
  ],
  ["src/control/a.ts", 'import ws from "ws";', "of the packages yaml, zod, pino"],
];

for (const [file, text, expected] of refused) {
  test(`${file} may not say ${text}`, (context) => {
    const specifier = /"(.*)"/.exec(text)?.[1];
    assert.deepEqual(checkImports(makeTree(context, { [file]: `\n${text}\n` })), [
      `${file}:2: imports "${specifier}", expected ${expected}`,
    ]);
  });
}

test("a file of src/ stands in a folder of the table", (context) => {
  const [violation, ...others] = checkImports(makeTree(context, { "src/utils/a.ts": "" }));
  assert.match(violation ?? "", /^src\/utils\/a\.ts:1: in no known folder, expected one of src\/core\/, /);
  assert.deepEqual(others, []);
});

test("a barrel is refused, wherever it stands", (context) => {
  assert.deepEqual(checkImports(makeTree(context, { "test/support/index.ts": 'export * from "./a.ts";' })), [
    "test/support/index.ts:1: a barrel, expected imports of the modules themselves",
  ]);
});

test("a cycle of imports is shown whole, at the import that closes it", (context) => {
  const root = makeTree(context, {
    "src/core/a.ts": 'import { b } from "./b.ts";',
    "src/core/b.ts": '\nimport { c } from "./c/c.ts";',
    "src/core/c/c.ts": '\n\nexport { a } from "../a.ts";',
  });
  assert.deepEqual(checkImports(root), [
    "src/core/c/c.ts:3: closes the cycle src/core/a.ts → src/core/b.ts → src/core/c/c.ts → src/core/a.ts, expected no cycles",
  ]);
});

test("a cycle with an import of types only is none", (context) => {
  const root = makeTree(context, {
    "src/core/a.ts": 'import { b } from "./b.ts";',
    "src/core/b.ts": 'import type { A } from "./a.ts";',
  });
  assert.deepEqual(checkImports(root), []);
});

test("two ways to one module are no cycle", (context) => {
  const root = makeTree(context, {
    "src/core/a.ts": 'import "./b.ts";\nimport "./c.ts";',
    "src/core/b.ts": 'import "./c.ts";',
    "src/core/c.ts": "",
  });
  assert.deepEqual(checkImports(root), []);
});
