// What becomes part of an app's bundle, and what is said where it cannot.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { writeFiles } from "./write-app.ts";

const FILES = {
  "src/app.tsx": `#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import data from "./data.json";
import { greeting } from "@lib/greeting";
import esm from "esm-package";
import cjs from "cjs-package";
import { level } from "./deep/er/level.ts";

declare const __dirname: string;

enum Colour { red = 7 }

const loaded = await new Promise<string>((resolve) => setImmediate(() => resolve("top-level await")));
const own = readFileSync(new URL("./data.json", import.meta.url), "utf8");

function Page({ title, children }: { title: string; children?: unknown }) {
  return <><h1 id="t">{title}</h1>{children}</>;
}

export default async () => Response.json({
  json: data.answer,
  paths: greeting,
  esm,
  cjs,
  loaded,
  own: JSON.parse(own).answer,
  jsx: <Page title="hi"><p>{1 + 1}</p></Page>,
  colour: Colour.red,
  dynamic: (await import("./later.ts")).later(),
  hash: createHash("md5").update("a").digest("hex"),
  meta: [import.meta.url, import.meta.dirname, import.meta.filename, __dirname],
  level,
});
`,
  "src/data.json": '{ "answer": 42 }',
  "src/later.ts": "export const later = (): string => 'dynamic import';",
  "src/deep/er/level.ts": "export const level: string = import.meta.dirname;",
  "lib/greeting.ts": "export const greeting = 'tsconfig paths';",
  "tsconfig.json": `{
    "compilerOptions": {
      "paths": { "@lib/*": ["./lib/*"] },
      "jsx": "react-jsx", "jsxImportSource": "tiny-jsx"
    }
  }`,
  "node_modules/tiny-jsx/package.json": '{ "exports": { "./jsx-runtime": "./runtime.mjs" } }',
  "node_modules/tiny-jsx/runtime.mjs": `
export const Fragment = ({ children }) => [children].flat().join("");
export const jsx = (type, { children = [], ...attributes }) => typeof type === "function"
  ? type({ children, ...attributes })
  : "<" + type + Object.entries(attributes).map(([k, v]) => " " + k + "=" + v).join("") + ">" + [children].flat().join("") + "</" + type + ">";
export const jsxs = jsx;
`,
  "node_modules/esm-package/package.json": `{ "type": "module", "exports": {
    "browser": "./browser.js", "node": { "import": "./node.js", "require": "./node.cjs" }, "default": "./other.js" } }`,
  "node_modules/esm-package/node.js": "export default 'ESM for node';",
  "node_modules/cjs-package/package.json": '{ "main": "./index.js" }',
  "node_modules/cjs-package/index.js": `
const path = require("path");
const { name } = require("./part");
module.exports = { name, file: path.basename(__filename), folder: path.basename(__dirname) };
`,
  "node_modules/cjs-package/part.js": "exports.name = 'CommonJS';",
};

describe("the bundle of an app", () => {
  let gateway: TestGateway;
  let folder = "";
  let answer: Record<string, unknown> = {};
  before(async () => {
    folder = writeFiles(FILES);
    gateway = await TestGateway.start(`
apps: { app: { entry: ${folder}/src/app.tsx, permissions: { read: ${folder}/src/data.json } } }
routing: { all: { app: app } }
`);
    answer = (await (await fetch(`http://127.0.0.1:${gateway.port}/`)).json()) as Record<string, unknown>;
  });
  after(() => gateway.stop());

  const parts: ReadonlyArray<readonly [what: string, key: string, value: () => unknown]> = [
    ["TypeScript that does more than types", "colour", () => 7],
    ["JSX as tsconfig.json says", "jsx", () => "<h1 id=t>hi</h1><p>2</p>"],
    ["JSON", "json", () => 42],
    ["the paths of tsconfig.json", "paths", () => "tsconfig paths"],
    ["an ESM package, by its conditions for Node", "esm", () => "ESM for node"],
    [
      "a CommonJS package, which knows where it is",
      "cjs",
      () => ({ name: "CommonJS", file: "index.js", folder: "cjs-package" }),
    ],
    ["node: modules", "hash", () => "0cc175b9c0f1b6a831c399e269772661"],
    ["a dynamic import", "dynamic", () => "dynamic import"],
    ["top-level await", "loaded", () => "top-level await"],
    ["a file beside the source, where that may be read", "own", () => 42],
    ["the place of another file of the app", "level", () => join(folder, "src/deep/er")],
    [
      "the place of the source file",
      "meta",
      () => {
        const src = join(folder, "src");
        return [`file://${src}/app.tsx`, src, `${src}/app.tsx`, src];
      },
    ],
  ];
  for (const [what, key, value] of parts) it(`has ${what}`, () => assert.deepEqual(answer[key], value()));
});

const FAULTS: ReadonlyArray<readonly [what: string, files: Record<string, string>, said: RegExp[]]> = [
  [
    "a mistake of syntax",
    { "app.ts": "export default () => {\n  return new Respons e();\n};\n" },
    [
      /Cannot build ".*\/app\.ts":\n.*ERROR.*Expected ";" but found "e"/,
      /\n {4}\/\S+\/app\.ts:2:21:\n +2 │ +return new Respons e/,
    ],
  ],
  [
    "a file that is not there",
    { "app.ts": 'import { a } from "./other.ts";\nexport default () => new Response(a);\n' },
    [/Could not resolve "\.\/other\.ts"/, /app\.ts:1:18:/],
  ],
  [
    "a package that is not installed",
    { "app.ts": 'import a from "no-such-package";\nexport default () => new Response(a);\n' },
    [/Could not resolve "no-such-package"/, /app\.ts:1:14:/],
  ],
  [
    "a native addon",
    {
      "app.ts": 'import a from "addon";\nexport default () => new Response(a);\n',
      "node_modules/addon/package.json": '{ "main": "index.js" }',
      "node_modules/addon/index.js": 'module.exports = require("./build/addon.node");',
      "node_modules/addon/build/addon.node": "ELF",
    },
    [
      /"\/.*\/build\/addon\.node" is a native addon: VMs run JavaScript and WebAssembly/,
      /addon\/index\.js:1:25:/,
    ],
  ],
  [
    "an exception while it is loaded",
    {
      "app.ts": 'import { setting } from "./setting.ts";\nexport default () => new Response(setting);\n',
      "setting.ts": "interface Unused { a: 1 }\n\nexport const setting: string = JSON.parse('{');\n",
    },
    [
      /App "app" cannot be started: SyntaxError: Expected property name/,
      /at <anonymous> \(?\/.*setting\.ts:3:37|setting\.ts:3:/,
      /\/setting\.ts:3:\d+:\n +3 │ export const setting: string = JSON\.parse\('\{'\);\n +╵ +\^/,
    ],
  ],
  [
    "no handler",
    { "app.ts": "export const fetch = 1;\n" },
    [/App "app" cannot be started: .*it has no default export: expected a function, or an object/],
  ],
  [
    "a default export that is no handler",
    { "app.ts": "export default { fetsch() {} };\n" },
    [
      /the default export is \{ fetsch: \[Function.*expected a function, or an object with the method "fetch"/,
    ],
  ],
];

describe("an app that cannot be served", () => {
  for (const [what, files, said] of FAULTS) {
    it(`is refused with file and line: ${what}`, async () => {
      const folder = writeFiles(files);
      const gateway = new TestGateway(
        `apps: { app: { entry: ${folder}/app.ts } }\nrouting: { all: { app: app } }\n`,
      );
      assert.equal(await gateway.exited, 1);
      const text = gateway.log.map(({ msg }) => msg).join("\n");
      for (const part of said) assert.match(text, part);
      assert.doesNotMatch(text, /sluice-vms-|waiting/);
    });
  }

  it("says all that is wrong with several", async () => {
    const folder = writeFiles({ "one.ts": "export default 1 1;", "two.ts": "export default 2;" });
    const gateway = new TestGateway(
      `apps: { one: { entry: ${folder}/one.ts }, two: { entry: ${folder}/two.ts } }\nrouting: { all: { app: one } }\n`,
    );
    assert.equal(await gateway.exited, 1);
    const text = gateway.log.map(({ msg }) => msg).join("\n");
    assert.match(text, /Cannot build ".*one\.ts"[\s\S]*App "two" cannot be started/);
  });
});
