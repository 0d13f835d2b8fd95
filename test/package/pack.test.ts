// What a user gets: the tarball of `npm pack`, installed in an empty folder.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
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

const HANDLER = `
import type { Handler } from "sluice";
export default { fetch: (request) => Response.json({ path: new URL(request.url).pathname }) } satisfies Handler;
`;
const TEST = `
import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestGateway } from "sluice/test";

test("the handler answers", async () => {
  await using gateway = await createTestGateway({ handler: new URL("./hello.ts", import.meta.url) });
  const response = await gateway.fetch("/somewhere");
  assert.deepEqual(await response.json(), { path: "/somewhere" });
});
`;
/** What users check their handlers with. */
const LIBRARIES = {
  "lib.dom": { lib: ["esnext", "dom", "dom.iterable"], types: [] },
  "@types/node": { lib: ["esnext"], types: ["node"] },
  "lib.dom and @types/node": { lib: ["esnext", "dom", "dom.iterable"], types: ["node"] },
};

const STEPS = { timeout: 240_000 };
test("the tarball, installed in an empty folder", STEPS, async (context) => {
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

  await context.test("runs a gateway", async (context) => {
    await writeFile(join(cwd, "sluice.yaml"), CONFIG);
    const gateway = await startGateway(context, "npx", ["sluice", "run"], { cwd, env });
    const response = await fetch(`${gateway.url}/hello`);
    assert.equal(await response.text(), "from the tarball");
    assert.equal(await gateway.stop(gateway.pid), 0);
  });

  await context.test("runs the tests of a handler", async () => {
    await writeFile(join(cwd, "package.json"), `{ "type": "module" }`);
    await writeFile(join(cwd, "hello.ts"), HANDLER);
    await writeFile(join(cwd, "hello.test.ts"), TEST);
    const report = await runCommand(process.execPath, ["--test", "--test-reporter=tap"], { cwd, env });
    assert.match(report, /^ok 1 - the handler answers$/m);
    assert.match(report, /^# fail 0$/m);
  });

  // The compiler that the project has, and the types that it comes with: a user would have installed them.
  for (const [name, options] of Object.entries(LIBRARIES)) {
    await context.test(`has types that go with ${name}`, async () => {
      for (const file of ["handlers.ts", "gateways.ts"])
        await cp(join(ROOT, "test/types", file), join(cwd, file));
      if (options.types.length > 0) {
        for (const types of ["@types/node", "undici-types"])
          await cp(join(ROOT, "node_modules", types), join(cwd, "node_modules", types), { recursive: true });
      }
      const isHere = options.types.length > 0;
      const files = isHere ? ["handlers.ts", "gateways.ts", "hello.test.ts"] : ["handlers.ts"];
      const compilerOptions = {
        module: "nodenext",
        target: "esnext",
        strict: true,
        noEmit: true,
        ...options,
      };
      await writeFile(join(cwd, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
      const compiler = join(createRequire(import.meta.url).resolve("typescript/package.json"), "../bin/tsc");
      assert.equal(await runCommand(process.execPath, [compiler, "-p", "."], { cwd, env }), "");
    });
  }
});
