// The examples of docs/backends-http2.md and docs/grpc.md are configurations that work. Runs in the test process.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { loadConfigText } from "../../src/config/load.ts";
import { ERRORS } from "../../src/core/errors.ts";

const DOCS = new URL("../../docs/", import.meta.url);

for (const page of ["backends-http2.md", "grpc.md"]) {
  describe(`docs/${page}`, () => {
    const text = readFileSync(new URL(page, DOCS), "utf8");

    it("has examples that load without a problem or a warning", () => {
      const examples = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, example = ""]) => example);
      assert.ok(examples.length > 0);
      for (const example of examples) {
        const result = loadConfigText(example, "example.yaml", {});
        assert.deepEqual(result.ok ? result.warnings : result.problems, [], example);
      }
    });

    it("names codes and pages that are there", () => {
      for (const [, code = ""] of text.matchAll(/`((?:connect|stream|upstream|response)_[a-z]+)`/g))
        assert.ok(code in ERRORS, code);
      for (const [, target = ""] of text.matchAll(/\]\(([^)#]+)/g))
        assert.ok(existsSync(new URL(target, DOCS)), target);
    });
  });
}
