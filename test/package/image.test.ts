// The steps of the Dockerfile without Docker: its own commands in a folder, and what they make, run as another user.
// The first `npm ci` is left out (fresh-clone.test.ts runs it): the packages are those of this repository.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdir, symlink } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { type Instruction, readDockerfile, type Stage, textsOf } from "../service/dockerfile.ts";
import { AS_NOBODY, needsReadableSource } from "../service/privileged.ts";
import { ROOT, runCommand, shellEnvironment, startGateway, temporaryFolder } from "./shell.ts";

const [packing, installing, image] = readDockerfile(join(ROOT, "Dockerfile")) as [Stage, Stage, Stage];

/** `before` is the working directory of the stage that a COPY is from. */
async function copy({ text }: Instruction, folder: string, before: string): Promise<void> {
  const sources = text.split(" ");
  const target = join(folder, sources.pop()!);
  for (const source of sources) {
    // Of a folder Docker copies what is in it.
    const isFile = sources.length > 1;
    await cp(join(before, source), isFile ? join(target, basename(source)) : target, { recursive: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

test("what the Dockerfile makes runs as another user than root, and its health check works", {
  timeout: 180_000,
}, async (context) => {
  const env = { ...shellEnvironment(dirname(process.execPath)), npm_config_prefer_offline: "true" };
  const folder = await temporaryFolder(context);
  await chmod(folder, 0o755);
  const build = join(folder, "build");
  const installed = join(folder, "sluice");
  for (const path of [build, installed]) await mkdir(path);

  for (const instruction of packing.instructions) {
    const { name, text } = instruction;
    if (name === "COPY") await copy(instruction, build, ROOT);
    else if (text === "npm ci") await symlink(join(ROOT, "node_modules"), join(build, "node_modules"));
    else if (name === "RUN") await runCommand("sh", ["-c", text], { cwd: build, env });
  }
  for (const instruction of installing.instructions) {
    const { name, flags, text } = instruction;
    const local = { ...instruction, text: text.replace("/build/", "") };
    if (name === "COPY") await copy(local, installed, flags.get("from") === "package" ? build : ROOT);
    else if (name === "RUN") await runCommand("sh", ["-c", text], { cwd: installed, env });
  }

  const [entry] = JSON.parse(textsOf(image, "ENTRYPOINT")[0]!) as string[];
  const [command, ...args] = JSON.parse(textsOf(image, "CMD")[0]!) as string[];
  assert.equal(entry, "sluice");
  assert.ok(textsOf(image, "RUN")[0]!.includes("/opt/sluice/bin/sluice.js /usr/local/bin/sluice"));
  // As in the image: a state folder of that user's, and nothing else to write to.
  const state = join(folder, "state");
  await mkdir(state);
  await chmod(state, 0o777);
  const adminPort = await freePort();
  const [, ...asNobody] = AS_NOBODY;
  const user = needsReadableSource.skip ? [] : asNobody;
  const program = [process.execPath, join(installed, "bin/sluice.js"), command!];
  const config = args.map((arg) =>
    arg.replace("/etc/sluice/sluice.yaml", join(ROOT, "packaging/docker.yaml")),
  );
  const place = {
    cwd: state,
    env: { ...env, STATE_DIRECTORY: join(state, "sluice"), PORT: "0", ADMIN_PORT: String(adminPort) },
  };
  const gateway = await startGateway(context, "setpriv", [...user, ...program, ...config], place);
  const response = await fetch(gateway.url.replace("0.0.0.0", "127.0.0.1"));
  assert.match(await response.text(), /^Sluice runs\./);

  const [, check = ""] = textsOf(image, "HEALTHCHECK")[0]!.split("CMD ");
  const [node, ...script] = JSON.parse(check.replace(":9091/", `:${adminPort}/`)) as string[];
  const healthOf = () => spawnSync(node!, script, { env, encoding: "utf8" }).status;
  assert.equal(healthOf(), 0);
  assert.equal(await gateway.stop(gateway.pid), 0);
  assert.equal(healthOf(), 1);
});
