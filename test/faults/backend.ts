// A backend process as a test handles it: stopped, killed, brought back on the same port, told to misbehave.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { Mode } from "./backend-process.ts";

const ENTRY = new URL("./backend-process.ts", import.meta.url);

export class FaultyBackend {
  readonly name: string;
  port = 0;
  #process: ChildProcess | null = null;

  static async start(name: string): Promise<FaultyBackend> {
    const backend = new FaultyBackend(name);
    await backend.bringBack();
    return backend;
  }

  private constructor(name: string) {
    this.name = name;
  }

  /** A new process on the port of the one before. */
  async bringBack(): Promise<void> {
    const child = fork(ENTRY, [String(this.port), this.name], { stdio: "inherit" });
    this.#process = child;
    const [message] = (await once(child, "message")) as [{ readonly port: number }];
    this.port = message.port;
  }

  async behave(mode: Mode): Promise<void> {
    const told = once(this.#process!, "message");
    this.#process!.send({ mode });
    await told;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process!.kill(signal);
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
}
