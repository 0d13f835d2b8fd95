// The examples of docs/static-files.md are configurations that work, and it names every setting. Runs in the test process.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { loadConfigText } from "../../src/config/load.ts";
import { staticFiles } from "../../src/config/schema/static.ts";
import { TestFiles } from "./files.ts";

const DOCS = new URL("../../docs/", import.meta.url);
const page = readFileSync(new URL("static-files.md", DOCS), "utf8");
/** What the examples call `/srv/…`. */
const files = new TestFiles({ "site/index.html": "", "files/a.txt": "" });
after(() => files.remove());

test("every example loads without a problem or a warning", () => {
  const examples = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, example = ""]) => example);
  assert.ok(examples.length > 0);
  for (const example of examples) {
    const result = loadConfigText(example.replaceAll("/srv/", `${files.root}/`), "example.yaml", {});
    assert.deepEqual(result.ok ? result.warnings : result.problems, []);
  }
});

test("every setting is in it", () => {
  for (const name of Object.keys(staticFiles.shape)) assert.match(page, new RegExp(`\`${name}\\b`), name);
});

test("every link leads to a page that is there", () => {
  for (const [, link = ""] of page.matchAll(/\]\(([^)#]+)/g)) readFileSync(new URL(link, DOCS));
});
