// The text of every guard stands in its file exactly once: else nobody would notice that it is no longer broken. Runs in the
// test process.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { it } from "node:test";
import type { Mutation } from "./mutation.ts";

const ROOT = new URL("../../", import.meta.url);
const mutate = readFileSync(new URL("tools/mutate.ts", ROOT), "utf8");

for (const file of globSync("*.ts", { cwd: import.meta.dirname })) {
  if (file === "mutation.ts" || file.endsWith(".test.ts")) continue;
  it(`the guards of ${file} stand where they say`, async () => {
    const table = Object.entries(await import(`./${file}`)) as Array<[string, readonly Mutation[]]>;
    for (const [name, guards] of table) {
      assert.ok(mutate.includes(`...${name},`), `${name} is not among those that mutate.ts breaks`);
      for (const { name, file: place, find, tests } of guards) {
        const times = readFileSync(new URL(place, ROOT), "utf8").split(find).length - 1;
        assert.equal(times, 1, `"${name}" in ${place}`);
        for (const pattern of tests.filter((argument) => !argument.startsWith("--")))
          assert.ok(globSync(pattern, { cwd: ROOT }).length > 0, pattern);
      }
    }
  });
}
