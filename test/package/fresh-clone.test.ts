// What a newcomer types first: the commands of the README in a fresh clone, with whatever Node the machine has.
// The clone has what is committed. The demo's port is the one the README names, so nothing else may hold it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { takeDemoPort } from "../support/demo-port.ts";
import { ROOT, runCommand, shellEnvironment, startGateway, temporaryFolder } from "./shell.ts";

interface Manifest {
  readonly version: string;
  readonly devDependencies: { readonly node: string };
}

test("npm ci && npm start runs the demo on the pinned Node", { timeout: 180_000 }, async (context) => {
  const env = shellEnvironment();
  const folder = await temporaryFolder(context);
  const cwd = join(folder, "sluice");
  await runCommand("git", ["clone", "--quiet", ROOT, cwd], { cwd: folder, env });
  await runCommand("npm", ["ci", "--prefer-offline"], { cwd, env });

  const manifest = JSON.parse(await readFile(join(cwd, "package.json"), "utf8")) as Manifest;
  const nodeVersion = await runCommand("npm", ["exec", "-c", "node --version"], { cwd, env });
  assert.equal(nodeVersion, `v${manifest.devDependencies.node}\n`);
  assert.equal(await runCommand("npx", ["sluice", "--version"], { cwd, env }), `${manifest.version}\n`);

  const served = await startGateway(
    context,
    "npx",
    ["sluice", "serve", "examples/hello/hello.ts", "--port", "0"],
    { cwd, env },
  );
  const hello = await fetch(`${served.url}/from/a/clone`);
  assert.deepEqual(await hello.json(), { hello: "world", path: "/from/a/clone" });
  assert.equal(await served.stop(served.pid), 0);

  context.after(await takeDemoPort());
  const gateway = await startGateway(context, "npm", ["start"], { cwd, env });
  assert.equal(gateway.url, "http://127.0.0.1:8080");
  const answered = new Set<string | undefined>();
  for (let i = 0; i < 8; i++) {
    const page = await (await fetch(gateway.url)).text();
    answered.add(/from backend <strong>(\w+)</.exec(page)?.[1]);
  }
  assert.deepEqual(answered, new Set(["one", "two"]));
  assert.equal(await gateway.stop(gateway.commandPid), 0);
});
