// Every kind of problem that a configuration can have, at its exact place: problems/*.txt hold files (after `=== title`)
// and what is said of them (after `>>>`). Runs in the test process.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { problemsOf } from "../support/loading.ts";

const folder = new URL("problems/", import.meta.url);

for (const file of readdirSync(folder)) {
  describe(`problems: ${file}`, () => {
    for (const text of readFileSync(new URL(file, folder), "utf8").split(/^=== /m).slice(1)) {
      const [, title = "", config = "", problems = ""] =
        /^([^\n]*)\n(.*)\n>>>\n(.*)$/s.exec(text.trimEnd()) ?? [];
      it(title, () => {
        assert.notEqual(problems, "");
        const found = problemsOf(config).map((problem) => problem.replace(/^x\.yaml:/, ""));
        assert.equal(found.join("\n"), problems);
      });
    }
  });
}
