// Files that change, with time that the test moves. Runs in the test process.

import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { stampOf } from "../config/pem-files.ts";
import { FileWatch } from "./file-watch.ts";

const LOOK_MS = 1000;

function setting(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "sluice-watch-"));
  t.after(() => rmSync(folder, { recursive: true }));
  t.mock.timers.enable({ apis: ["setInterval"] });
  let changes = 0;
  const watch = new FileWatch(() => changes++);
  const looks = (count: number) => t.mock.timers.tick(count * LOOK_MS);
  const follow = (path: string) => watch.watch([{ path, stamp: stampOf(path) }]);
  return { folder, watch, follow, looks, changes: () => changes };
}

test("a change is told once, when nothing more changes", (t) => {
  const { folder, follow, looks, changes } = setting(t);
  const file = join(folder, "a.pem");
  writeFileSync(file, "1");
  follow(file);
  looks(3);
  assert.equal(changes(), 0);
  for (const text of ["12", "123", "1234"]) {
    writeFileSync(file, text);
    looks(1);
    assert.equal(changes(), 0);
  }
  looks(1);
  assert.equal(changes(), 1);
  looks(5);
  assert.equal(changes(), 1);
});

test("another file in its place is a change, and so is a link that points elsewhere, and one that is gone", (t) => {
  const { folder, follow, looks, changes } = setting(t);
  const [live, one, two] = ["live", "one", "two"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(one, "1");
  writeFileSync(two, "2");
  symlinkSync(one, live);
  follow(live);
  symlinkSync(two, `${live}.new`);
  renameSync(`${live}.new`, live);
  looks(2);
  assert.equal(changes(), 1);
  rmSync(two);
  looks(2);
  assert.equal(changes(), 2);
});

test("a change between reading and watching is seen", (t) => {
  const { folder, watch, looks, changes } = setting(t);
  const file = join(folder, "a.pem");
  writeFileSync(file, "1");
  const stamp = stampOf(file);
  writeFileSync(file, "12");
  watch.watch([{ path: file, stamp }]);
  looks(2);
  assert.equal(changes(), 1);
});
