// The `sluice` command under Nodes that it can and cannot run on.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { PATH_FOLDERS, ROOT, runCommand, shellEnvironment, temporaryFolder } from "./shell.ts";

const BIN = join(ROOT, "bin/sluice.js");

/** The first Node on the path, outside node_modules, that is older than 24. */
function findOldNode(): { path: string; version: string } | null {
  for (const folder of PATH_FOLDERS) {
    const path = join(folder, "node");
    const version = spawnSync(path, ["--version"], { encoding: "utf8" }).stdout?.trim();
    if (version && Number.parseInt(version.slice(1), 10) < 24) return { path, version };
  }
  return null;
}

const oldNode = findOldNode();
test("on the machine's old Node it says in one line what it needs, and exits 1", {
  skip: oldNode === null && "no Node older than 24 on the path",
}, () => {
  const { status, stdout, stderr } = spawnSync(oldNode!.path, [BIN, "run"], { encoding: "utf8" });
  assert.equal(stderr, `sluice needs Node.js 24 or newer; this is ${oldNode!.version}.\n`);
  assert.equal(stdout, "");
  assert.equal(status, 1);
});

for (const version of ["0.12.18", "9.11.2", "22.20.0"]) {
  test(`a Node that calls itself ${version} is told what is needed`, async (context) => {
    const preload = join(await temporaryFolder(context), "old.cjs");
    writeFileSync(
      preload,
      `Object.defineProperty(process, "version", { value: "v${version}" });
       Object.defineProperty(process, "versions", { value: { node: "${version}" } });`,
    );
    const args = ["-r", preload, BIN, "run"];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    assert.equal(stderr, `sluice needs Node.js 24 or newer; this is v${version}.\n`);
    assert.equal(status, 1);
  });
}

test("on this Node it runs the command line, and passes on its exit code", async () => {
  const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { version: string };
  const place = { cwd: ROOT, env: shellEnvironment() };
  assert.equal(await runCommand(process.execPath, [BIN, "--version"], place), `${version}\n`);
  await assert.rejects(runCommand(process.execPath, [BIN, "no-such-command"], place), { code: 2 });
});
