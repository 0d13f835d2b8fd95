// The examples of docs/http2.md are configurations that work, and it has every setting. Runs in the test process.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { z } from "zod";
import { loadConfigText } from "../../src/config/load.ts";
import { configSchema } from "../../src/config/schema/config.ts";

const text = readFileSync(new URL("../../docs/http2.md", import.meta.url), "utf8");
const examples = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, example = ""]) => example);

test("every example about HTTP/2 loads without a problem or a warning", () => {
  assert.equal(examples.length, 2);
  for (const example of examples) {
    const result = loadConfigText(example, "example.yaml", {});
    assert.deepEqual(result.ok ? result.warnings : result.problems, [], example);
  }
});

test("every setting of HTTP/2 is in the table, and the example has its default", () => {
  const { properties } = z.toJSONSchema(configSchema.shape.server, { io: "input" }).properties!["http2"] as {
    properties: Record<string, { default: unknown }>;
  };
  for (const [name, { default: standard }] of Object.entries(properties)) {
    assert.match(text, new RegExp(`^\\| \`server.http2.${name}\` \\|`, "m"));
    assert.match(text, new RegExp(`^    ${name}: ${standard}$`, "m"));
  }
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
