// What a user gets: the tarball of `npm pack`, installed in an empty folder.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { ROOT, runCommand, shellEnvironment, startGateway, temporaryFolder } from "./shell.ts";

const CONFIG = `
server: { host: 127.0.0.1, port: 0 }
routing:
  hello: { path: /hello, respond: { body: "from the tarball" } }
`;

const PACKED = ["CHANGELOG.md", "LICENSE", "README.md", "bin", "docs", "package.json", "packaging"];
const BUILT_FROM = ["src", "tsconfig.json", "tsconfig.build.json"];

/** Packs a copy of the project, so that no `dist` appears in this one; resolves with the path of the tarball. */
async function pack(folder: string, env: NodeJS.ProcessEnv): Promise<string> {
  for (const name of [...PACKED, ...BUILT_FROM]) {
    await cp(join(ROOT, name), join(folder, name), { recursive: true });
  }
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  await runCommand("npm", ["pack"], { cwd: folder, env });
  const tarball = (await readdir(folder)).find((name) => name.endsWith(".tgz"));
  return join(folder, tarball!);
}

test("the tarball, installed in an empty folder, runs a gateway", { timeout: 180_000 }, async (context) => {
  const env = shellEnvironment(dirname(process.execPath));
  const folder = await temporaryFolder(context);
  const project = join(folder, "project");
  const cwd = join(folder, "user");
  await mkdir(project);
  await mkdir(cwd);
  const tarball = await pack(project, env);

  await writeFile(join(cwd, "package.json"), "{}");
  await runCommand("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", tarball], { cwd, env });
  const installed = join(cwd, "node_modules/sluice");
  assert.deepEqual(new Set(await readdir(installed)), new Set([...PACKED, "dist"]));
  const compiled = await readdir(join(installed, "dist"), { recursive: true });
  assert.deepEqual(
    compiled.filter((name) => /\.test\./.test(name)),
    [],
  );
  assert.ok(!existsSync(join(cwd, "node_modules/node")), "the pinned Node came along");

  await writeFile(join(cwd, "sluice.yaml"), CONFIG);
  const gateway = await startGateway(context, "npx", ["sluice", "run"], { cwd, env });
  const response = await fetch(`${gateway.url}/hello`);
  assert.equal(await response.text(), "from the tarball");
  assert.equal(await gateway.stop(gateway.pid), 0);
});
