import assert from "node:assert/strict";
import { test } from "node:test";
import { importStatements } from "./import-statements.ts";

const found: [text: string, specifier: string, typeOnly: boolean][] = [
  ['import { a } from "./a.ts";', "./a.ts", false],
  ["import { a } from './a.ts'", "./a.ts", false],
  ['import a, { type B } from "./a.ts";', "./a.ts", false],
  ['import {\n  a, // from "b"\n  c,\n} from "./a.ts";', "./a.ts", false],
  ['import * as a from "a/b";', "a/b", false],
  ['import "./a.ts";', "./a.ts", false],
  ['import type { A } from "./a.ts";', "./a.ts", true],
  ['import type A from "./a.ts";', "./a.ts", true],
  ['import type from "./a.ts";', "./a.ts", false],
  ['import type, { a } from "./a.ts";', "./a.ts", false],
  ['export { a } from "./a.ts";', "./a.ts", false],
  ['export * from "./a.ts";', "./a.ts", false],
  ['export type { A } from "./a.ts";', "./a.ts", true],
  ['const a = await import("./a.ts");', "./a.ts", false],
  ['const a = await import(\n  "./a.ts"\n);', "./a.ts", false],
];

for (const [text, specifier, typeOnly] of found) {
  test(`finds the import in ${JSON.stringify(text)}`, () => {
    assert.deepEqual(importStatements(text), [{ specifier, line: 1, typeOnly }]);
  });
}

const unrelated = [
  '// import "./a.ts"\n',
  '/* import { a } from "./a.ts" */',
  'const text = `\nimport { a } from "./a.ts";\n`;',
  "const text = 'import \"./a.ts\"';",
  'export class A {\n  // from "there"\n}',
  'export interface A {\n  from: "there";\n}',
  'export const from = "there";',
  'export default "there";',
  'module.import("./a.ts");',
];

for (const text of unrelated) {
  test(`finds no import in ${JSON.stringify(text)}`, () => {
    assert.deepEqual(importStatements(text), []);
  });
}

test("gives each statement the line it begins on", () => {
  const text = '// first\nimport {\n  a,\n} from "./a.ts";\nimport b from "./b.ts";\n';
  assert.deepEqual(
    importStatements(text).map(({ specifier, line }) => [specifier, line]),
    [
      ["./a.ts", 2],
      ["./b.ts", 5],
    ],
  );
});
