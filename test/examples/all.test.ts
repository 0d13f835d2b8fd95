// Every example has a test that starts it, and a page of docs/ that names it. Runs in the test process.

import assert from "node:assert/strict";
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";

const ROOT = new URL("../../", import.meta.url);
const pages = globSync("docs/**/*.md", { cwd: ROOT }).map((page) =>
  readFileSync(new URL(page, ROOT), "utf8"),
);

for (const name of readdirSync(new URL("examples/", ROOT))) {
  describe(`the example ${name}`, () => {
    it("says how to try it", () => {
      const text = readFileSync(new URL(`examples/${name}/sluice.yaml`, ROOT), "utf8");
      assert.match(text, new RegExp(`^# .*examples/${name}/sluice.yaml`, "ms"));
    });

    it("has a test that starts it", () => {
      const file = new URL(`test/examples/${name}.test.ts`, ROOT);
      assert.ok(existsSync(file), file.pathname);
      assert.match(readFileSync(file, "utf8"), new RegExp(`startExample\\(\\s*"${name}"`));
    });

    it("is in the documents", () => {
      assert.ok(pages.some((page) => page.includes(`examples/${name}/`)));
    });
  });
}
