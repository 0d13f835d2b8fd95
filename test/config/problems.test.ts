// Every kind of problem that a configuration can have, at its exact place: problems/*.txt hold files (after `=== title`)
// and what is said of them (after `>>>`). Runs in the test process.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { loadConfigText } from "../../src/config/load.ts";
import { formatProblem } from "../../src/config/problem.ts";

const folder = new URL("problems/", import.meta.url);

function problemsOf(text: string): string {
  const result = loadConfigText(text, "x.yaml", {});
  const problems = result.ok ? [] : result.problems;
  return problems.map((problem) => formatProblem(problem).replace(/^x\.yaml:/, "")).join("\n");
}

for (const file of readdirSync(folder)) {
  describe(`problems: ${file}`, () => {
    for (const text of readFileSync(new URL(file, folder), "utf8").split(/^=== /m).slice(1)) {
      const [, title = "", config = "", problems = ""] =
        /^([^\n]*)\n(.*)\n>>>\n(.*)$/s.exec(text.trimEnd()) ?? [];
      it(title, () => {
        assert.notEqual(problems, "");
        assert.equal(problemsOf(config), problems);
      });
    }
  });
}
