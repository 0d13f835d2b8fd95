// The examples of docs/health.md are configurations that work. Runs in the test process.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { loadConfigText } from "../../src/config/load.ts";

test("every example about health loads without a problem or a warning", () => {
  const text = readFileSync(new URL("../../docs/health.md", import.meta.url), "utf8");
  const examples = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, example = ""]) => example);
  assert.ok(examples.length >= 4);
  for (const example of examples) {
    const result = loadConfigText(example, "example.yaml", {});
    assert.deepEqual(result.ok ? result.warnings : result.problems, []);
  }
});
