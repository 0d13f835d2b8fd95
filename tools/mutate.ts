// Breaks named guards one at a time, in a copy of the repository, and shows that some test fails for each.
// Usage: node tools/mutate.ts [part of a name, or of the path of a file …]

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { ACCESS_MUTATIONS } from "./mutations/access.ts";
import { ADMISSION_MUTATIONS } from "./mutations/admission.ts";
import { APP_ASK_MUTATIONS } from "./mutations/app-asks.ts";
import { APP_CODE_MUTATIONS } from "./mutations/app-code.ts";
import { APP_SURFACE_MUTATIONS } from "./mutations/app-surface.ts";
import { APP_WEBSOCKET_MUTATIONS } from "./mutations/app-websockets.ts";
import { CACHE_MUTATIONS } from "./mutations/cache.ts";
import { CLIENT_MUTATIONS } from "./mutations/client.ts";
import { CONTROL_MUTATIONS } from "./mutations/control.ts";
import { H2_BACKEND_MUTATIONS } from "./mutations/h2-backends.ts";
import { HTTP_MUTATIONS } from "./mutations/http.ts";
import { HTTP2_MUTATIONS } from "./mutations/http2.ts";
import type { Mutation } from "./mutations/mutation.ts";
import { POLICY_MUTATIONS } from "./mutations/policies.ts";
import { SERVICE_MUTATIONS } from "./mutations/service.ts";
import { SHARED_MUTATIONS } from "./mutations/shared.ts";
import { STATIC_MUTATIONS } from "./mutations/static.ts";
import { SUPERVISOR_MUTATIONS } from "./mutations/supervisor.ts";
import { TLS_MUTATIONS } from "./mutations/tls.ts";
import { TRAFFIC_MUTATIONS } from "./mutations/traffic.ts";
import { UPSTREAM_MUTATIONS } from "./mutations/upstream.ts";
import { VM_HTTP_MUTATIONS } from "./mutations/vm-http.ts";

const MUTATIONS = [
  ...HTTP_MUTATIONS,
  ...HTTP2_MUTATIONS,
  ...SHARED_MUTATIONS,
  ...UPSTREAM_MUTATIONS,
  ...H2_BACKEND_MUTATIONS,
  ...TLS_MUTATIONS,
  ...CLIENT_MUTATIONS,
  ...CONTROL_MUTATIONS,
  ...SERVICE_MUTATIONS,
  ...POLICY_MUTATIONS,
  ...ACCESS_MUTATIONS,
  ...TRAFFIC_MUTATIONS,
  ...APP_WEBSOCKET_MUTATIONS,
  ...CACHE_MUTATIONS,
  ...STATIC_MUTATIONS,
  ...APP_ASK_MUTATIONS,
  ...APP_CODE_MUTATIONS,
  ...SUPERVISOR_MUTATIONS,
  ...ADMISSION_MUTATIONS,
  ...APP_SURFACE_MUTATIONS,
  ...VM_HTTP_MUTATIONS,
];

const ROOT = new URL("..", import.meta.url).pathname;
const COPIED = ["src", "test", "tools", "bin", "docs", "examples", "package.json", "tsconfig.json"];
/** A broken guard may also show by a test that never ends. */
const TIMEOUT_MS = 120_000;

/** "tests fail" without anything being broken: then they would prove nothing. */
const OUTCOMES = ["killed", "survived", "not applicable", "tests fail"] as const;
type Outcome = (typeof OUTCOMES)[number];

/** By their names, whether tests pass while nothing is broken. */
const sound = new Map<string, Promise<boolean>>();

async function main(): Promise<number> {
  const wanted = process.argv.slice(2);
  const queue = MUTATIONS.filter(
    ({ name, file }) => wanted.length === 0 || wanted.some((part) => `${name} ${file}`.includes(part)),
  );
  const outcomes = new Map<Mutation, Outcome>();
  const lanes = Array.from({ length: availableParallelism() }, async () => {
    const folder = copyRepository();
    for (let mutation = queue.shift(); mutation !== undefined; mutation = queue.shift()) {
      const outcome = await attempt(mutation, folder);
      outcomes.set(mutation, outcome);
      process.stdout.write(`${outcome.padEnd(14)} ${mutation.name}\n`);
    }
    rmSync(folder, { recursive: true });
  });
  await Promise.all(lanes);
  const count = (outcome: Outcome) => [...outcomes.values()].filter((found) => found === outcome).length;
  const counts = OUTCOMES.map((outcome) => `${count(outcome)} ${outcome}`);
  process.stdout.write(`${outcomes.size} mutations: ${counts.join(", ")}\n`);
  return count("killed") === outcomes.size && outcomes.size > 0 ? 0 : 1;
}

function copyRepository(): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-mutate-"));
  // Some tests run the gateway as another user, who has to read it.
  chmodSync(folder, 0o755);
  for (const name of COPIED) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return folder;
}

async function attempt({ file, find, replace, tests }: Mutation, folder: string): Promise<Outcome> {
  const path = join(folder, file);
  const original = readFileSync(path, "utf8");
  if (original.split(find).length !== 2) return "not applicable";
  const key = tests.join(" ");
  if (!sound.has(key)) sound.set(key, passes(tests, folder));
  if (!(await sound.get(key))) return "tests fail";
  writeFileSync(
    path,
    original.replace(find, () => replace),
  );
  try {
    return (await passes(tests, folder)) ? "survived" : "killed";
  } finally {
    writeFileSync(path, original);
  }
}

async function passes(tests: readonly string[], folder: string): Promise<boolean> {
  // A group of its own: a test that is ended leaves programs behind that it would have stopped.
  const child = spawn(process.execPath, ["--test", "--test-force-exit", ...tests], {
    cwd: folder,
    stdio: "ignore",
    detached: true,
    timeout: TIMEOUT_MS,
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, NODE_COMPILE_CACHE: join(folder, "compiled") },
  });
  const [code] = await once(child, "exit");
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch {
    // Nothing was left.
  }
  return code === 0;
}

process.exitCode = await main();
