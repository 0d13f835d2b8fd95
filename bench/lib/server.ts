// Starts a server process on given cores, waits until its port answers, and stops it by its process id. Used for every
// contestant and backend; runs in the benchmark's own process.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

export interface Launch {
  readonly name: string;
  readonly command: readonly string[];
  /** On 127.0.0.1. */
  readonly port: number;
  readonly cores: string;
  /** File that the process's output is appended to. */
  readonly outputPath: string;
}

/** A running server; `await using` stops it at the end of its block and waits until it has ended. */
export interface Server extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
}

const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 10_000;

export async function startServer(launch: Launch): Promise<Server> {
  const output = openSync(launch.outputPath, "a");
  const [command = "", ...args] = pinned(launch.cores, launch.command);
  const child = spawn(command, args, { stdio: ["ignore", output, output] });
  closeSync(output);
  await once(child, "spawn");
  try {
    await untilAnswering(child, launch);
  } catch (error) {
    await stop(child);
    throw error;
  }
  const { name, port } = launch;
  return { name, port, pid: child.pid ?? 0, [Symbol.asyncDispose]: () => stop(child) };
}

/** Every link of the chain replaces itself with the next, so the process id is the command's own. */
export function pinned(cores: string, command: readonly string[]): string[] {
  // With the benchmark gone, however it ended, the kernel ends what it started.
  return ["setpriv", "--pdeathsig", "TERM", "taskset", "--cpu-list", cores, ...command];
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("Cannot find a free port");
  return address.port;
}

async function untilAnswering(child: ChildProcess, launch: Launch): Promise<void> {
  const giveUpAt = performance.now() + START_TIMEOUT_MS;
  while (!(await accepts(launch.port))) {
    const ended = hasEnded(child);
    if (ended || performance.now() > giveUpAt) {
      const output = readFileSync(launch.outputPath, "utf8").trim().split("\n").slice(-20).join("\n");
      const what = ended ? "it ended" : `nothing accepts on port ${launch.port} after ${START_TIMEOUT_MS} ms`;
      throw new Error(`Cannot start ${launch.name}: ${what}. Its output:\n${output}`);
    }
    await delay(20);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const killer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(killer);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
