// The examples of docs/running.md are configurations that work, and what it names is there. Runs in the test process.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { loadConfigText } from "../../src/config/load.ts";

const page = new URL("../../docs/running.md", import.meta.url);
const text = readFileSync(page, "utf8");

test("every example about running loads without a problem or a warning", () => {
  const examples = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, example = ""]) => example);
  assert.ok(examples.length >= 2);
  for (const example of examples) {
    const result = loadConfigText(example, "example.yaml", {});
    assert.deepEqual(result.ok ? result.warnings : result.problems, [], example);
  }
});

test("every link leads to a file that is there", () => {
  const links = [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, path = ""]) => path);
  assert.ok(links.length >= 6);
  for (const link of links) assert.ok(existsSync(new URL(link, page)), link);
});
