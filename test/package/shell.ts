// Runs commands as a user's shell does: without what npm and the test runner put into the environment of a test.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { promisify } from "node:util";

/** The project's folder. */
export const ROOT = new URL("../../", import.meta.url).pathname;

const ADDED = /^(?:npm_(?!config_)\w+|npm_config_local_prefix|NODE|NODE_OPTIONS|NODE_TEST_CONTEXT)$/;

/** The folders of the path that are not npm's. */
export const PATH_FOLDERS = (process.env["PATH"] ?? "")
  .split(delimiter)
  .filter((folder) => !folder.includes("node_modules"));

export interface Place {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/** The environment of a user's shell; `folders` come first on its path. */
export function shellEnvironment(...folders: string[]): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !ADDED.test(name));
  return { ...Object.fromEntries(kept), PATH: [...folders, ...PATH_FOLDERS].join(delimiter) };
}

/** A new folder, gone after the test. */
export async function temporaryFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-package-"));
  context.after(() => rm(folder, { recursive: true }));
  return folder;
}

/** Resolves with what the command printed on its standard output; rejects with the rest where it fails. */
export async function runCommand(command: string, args: readonly string[], place: Place): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, place).catch(
    (error: Error & { stdout?: string }) => {
      error.message += error.stdout ?? "";
      throw error;
    },
  );
  return stdout;
}

export interface RunningGateway {
  readonly url: string;
  /** Of the gateway itself. */
  readonly pid: number;
  /** Of the command that started it. */
  readonly commandPid: number;
  /** Sends SIGTERM to one of the two; resolves with the exit code of the command. */
  stop(pid: number): Promise<number | null>;
}

/** Starts a command that runs a gateway, and waits until it listens. Nothing of it outlives the test. */
export async function startGateway(
  context: TestContext,
  command: string,
  args: readonly string[],
  place: Place,
): Promise<RunningGateway> {
  const child = spawn(command, args, { ...place, detached: true, stdio: ["ignore", "ignore", "pipe"] });
  const commandPid = child.pid!;
  const closed = once(child, "close");
  context.after(() => {
    if (!child.stderr.closed) process.kill(-commandPid, "SIGKILL");
  });
  let printed = "";
  for await (const line of createInterface({ input: child.stderr })) {
    printed += `${line}\n`;
    if (!line.includes('"listening on ')) continue;
    child.stderr.resume();
    const { pid, msg } = JSON.parse(line) as { pid: number; msg: string };
    return {
      url: msg.slice("listening on ".length),
      pid,
      commandPid,
      async stop(target) {
        process.kill(target, "SIGTERM");
        const [code] = await closed;
        return code as number | null;
      },
    };
  }
  const [code] = await closed;
  throw new Error(`${[command, ...args].join(" ")} ended with ${code}:\n${printed}`);
}
