// Placeholders: what is put in their place, and what is refused. Runs in the test process.

import assert from "node:assert/strict";
import { test } from "node:test";
import { substitute } from "./environment.ts";

const ENVIRONMENT = { HOST: "example.com", PORT: "8080", EMPTY: "", NESTED: `\${HOST}` };

test("placeholders are replaced", () => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["nothing to do: $HOST $ {HOST} }", "nothing to do: $HOST $ {HOST} }"],
    [`\${HOST}`, "example.com"],
    [`\${HOST}:\${PORT}`, "example.com:8080"],
    [`\${MISSING:-fallback}`, "fallback"],
    [`\${MISSING:-}`, ""],
    [`\${MISSING:-a:-b c}`, "a:-b c"],
    [`\${HOST:-fallback}`, "example.com"],
    [`\${EMPTY}`, ""],
    [`\${EMPTY:-fallback}`, "fallback"],
    [`$\${HOST}`, `\${HOST}`],
    [`$$\${HOST}`, `$\${HOST}`],
    ["$$HOST", "$$HOST"],
  ];
  for (const [text, expected] of cases) {
    assert.deepEqual(substitute(text, ENVIRONMENT), { text: expected, problems: [] }, text);
  }
});

test("a placeholder in the value of a variable is left alone", () => {
  assert.equal(substitute(`\${NESTED}`, ENVIRONMENT).text, `\${HOST}`);
});

test("what cannot be replaced is said, each on its own", () => {
  const cases: ReadonlyArray<readonly [string, readonly RegExp[]]> = [
    [`\${MISSING}`, [/variable MISSING is not set/]],
    [`\${A_1}-\${B}`, [/variable A_1 is not set/, /variable B is not set/]],
    [`\${}`, [/cannot read "\$\{\}": expected \$\{NAME\}/]],
    [`\${1A}`, [/cannot read "\$\{1A\}"/]],
    [`\${HOST-x}`, [/cannot read "\$\{HOST-x\}"/]],
    [`\${HOST`, [/cannot read "\$\{HOST"/]],
    [`\${A:-\${HOST}}`, [/cannot read "\$\{A:-\$\{HOST\}"/]],
  ];
  for (const [text, expected] of cases) {
    const { problems } = substitute(text, ENVIRONMENT);
    assert.equal(problems.length, expected.length, text);
    for (const [index, pattern] of expected.entries()) assert.match(problems[index]!, pattern);
  }
});

test("names that every object has are not variables", () => {
  assert.match(substitute(`\${constructor}`, process.env).problems[0]!, /constructor is not set/);
});
