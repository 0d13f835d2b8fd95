// The examples of the pages about policies are configurations that work, and every policy has its page. Runs in the test
// process.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { loadConfigText } from "../../src/config/load.ts";
import { policies } from "../../src/config/policies/policies.ts";

const DOCS = new URL("../../docs/", import.meta.url);
const overview = readFileSync(new URL("policies.md", DOCS), "utf8");

for (const page of ["policies.md", ...globSync("policies/*.md", { cwd: DOCS })]) {
  describe(`docs/${page}`, () => {
    const text = readFileSync(new URL(page, DOCS), "utf8");
    const examples = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, example = ""]) => example);
    it("has examples that load without a problem or a warning", () => {
      assert.ok(examples.length > 0);
      for (const example of examples) {
        const result = loadConfigText(example, "example.yaml", {});
        assert.deepEqual(result.ok ? result.warnings : result.problems, [], example);
      }
    });
  });
}

for (const name of Object.keys(policies.shape)) {
  it(`${name} has its page, and its place in the order`, () => {
    const page = name.replaceAll("_", "-");
    assert.ok(globSync(`policies/${page}.md`, { cwd: DOCS }).length === 1, page);
    const off = loadConfigText(
      `routing: { a: { respond: {}, policies: { ${name}: { enabled: false } } } }`,
      "x",
      {},
    );
    assert.ok(off.ok, "a route can do without it, and needs to say no more");
    assert.match(overview, new RegExp(`\\[${name}\\]\\(policies/${page}\\.md\\)`));
  });
}
