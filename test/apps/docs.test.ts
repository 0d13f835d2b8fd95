// docs/apps.md and docs/threat-model.md: their examples run, their defaults are those of the schema, their links lead somewhere.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadConfigText } from "../../src/config/load.ts";
import { app } from "../../src/config/schema/app.ts";

const DOCS = new URL("../../docs/", import.meta.url);
const page = readFileSync(new URL("apps.md", DOCS), "utf8");

/** Where the user of the page has his files, and `sluice` installed. */
const folder = mkdtempSync(join(tmpdir(), "sluice-docs-"));
before(() => {
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(fileURLToPath(new URL("../..", import.meta.url)), join(folder, "node_modules/sluice"));
  writeFileSync(join(folder, "package.json"), `{ "type": "module" }`);
  writeFileSync(join(folder, "hello.ts"), blockAfter("`hello.ts`:", "ts"));
  for (const name of ["notes.ts", "front.ts", "api-key.txt"]) writeFileSync(join(folder, name), "");
  process.chdir(folder);
});
after(() => {
  process.chdir("/");
  rmSync(folder, { recursive: true });
});

function blocksOf(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, name, block]) =>
    name === language ? [block!] : [],
  );
}

function blockAfter(text: string, language: string): string {
  const [block] = blocksOf(page.slice(page.indexOf(text)), language);
  assert.ok(block !== undefined, text);
  return block;
}

test("the first handler passes the test of the page", () => {
  writeFileSync(join(folder, "hello.test.ts"), blockAfter("## Testing", "ts"));
  const env = { ...process.env };
  delete env["NODE_TEST_CONTEXT"];
  const ran = spawnSync(process.execPath, ["--test"], { cwd: folder, env, encoding: "utf8" });
  assert.equal(ran.status, 0, ran.stdout);
  assert.match(ran.stdout, /says hello/);
});

test("every configuration loads without a problem or a warning", () => {
  const examples = blocksOf(page, "yaml");
  assert.ok(examples.length > 0);
  for (const example of examples) {
    const result = loadConfigText(example, "example.yaml", {});
    assert.deepEqual(result.ok ? result.warnings : result.problems, []);
  }
});

test("the table of limits has the defaults of the schema", () => {
  const table = page.slice(page.indexOf("## Limits"), page.indexOf("## The queue"));
  const rows = [...table.matchAll(/^\| `([\w.]+)` \| (.*?) \|/gm)].map(([, name = "", value = ""]) => [
    name,
    value,
  ]);
  const given: Record<string, unknown> = { entry: "x" };
  for (const [name = "", value = ""] of rows) {
    const [outer = "", inner] = name.split(".");
    const isDefault = !/^none$|^as /.test(value);
    const found = isDefault ? (/^\d+$/.test(value) ? Number(value) : value) : undefined;
    if (inner === undefined) given[outer] = found;
    else given[outer] = { ...(given[outer] as object | undefined), [inner]: found };
  }
  const [wanted, written] = [app.parse({ entry: "x" }), app.parse(given)];
  assert.deepEqual(JSON.parse(JSON.stringify(written)), JSON.parse(JSON.stringify(wanted)));
  const names = new Set(rows.map(([name = ""]) => name.split(".")[0]));
  for (const [name, value] of Object.entries(wanted))
    if (typeof value === "number") assert.ok(names.has(name), `${name} is in no row`);
});

test("every permission is in its table", () => {
  const table = page.slice(page.indexOf("## Permissions"));
  for (const name of Object.keys(app.parse({ entry: "x" }).permissions))
    assert.match(table, new RegExp(`^\\| \`${name}: `, "m"));
});

for (const name of ["apps.md", "threat-model.md"]) {
  test(`every link of ${name} leads to a heading that is there`, () => {
    const text = readFileSync(new URL(name, DOCS), "utf8");
    const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, link = ""]) => link);
    assert.ok(links.length > 0);
    for (const link of links.filter((link) => !link.startsWith("http"))) {
      const { pathname, hash } = new URL(link, new URL(name, DOCS));
      assert.ok(existsSync(pathname), link);
      if (hash !== "") assert.ok(anchorsOf(pathname).has(hash.slice(1)), link);
    }
  });
}

/** As GitHub makes them of headings. */
function anchorsOf(path: string): Set<string> {
  const headings = [...readFileSync(path, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, text = ""]) => text);
  return new Set(
    headings.map((text) =>
      text
        .toLowerCase()
        .replace(/[^\w\- ]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
}
