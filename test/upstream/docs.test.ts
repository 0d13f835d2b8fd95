// The examples of docs/balancing.md are configurations that work, and it has all there is. Runs in the test process.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { loadConfigText } from "../../src/config/load.ts";
import { configSchema } from "../../src/config/schema/config.ts";

const text = readFileSync(new URL("../../docs/balancing.md", import.meta.url), "utf8");
const examples = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, example = ""]) => example);

test("every example about balancing loads without a problem or a warning", () => {
  assert.ok(examples.length >= 10);
  for (const example of examples) {
    const result = loadConfigText(example, "example.yaml", {});
    assert.deepEqual(result.ok ? result.warnings : result.problems, [], example);
  }
});

test("every balancer is in the table that helps to choose one", () => {
  const route = configSchema.shape.routing.unwrap().valueType.shape;
  const names = route.load_balancer.unwrap().options;
  assert.equal(names.length, 11);
  for (const name of names) assert.match(text, new RegExp(`^\\| \`${name}\` \\|`, "m"));
});

test("every link leads to a page and a heading that are there", () => {
  for (const [, page = "", heading] of text.matchAll(/\]\(([^)#]*)(?:#([^)]*))?\)/g)) {
    const target = page === "" ? text : readFileSync(new URL(`../../docs/${page}`, import.meta.url), "utf8");
    const anchors = [...target.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) => anchorOf(title));
    if (heading !== undefined) assert.ok(anchors.includes(heading), `${page}#${heading}`);
  }
});

/** As GitHub makes it of a heading. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");
}
