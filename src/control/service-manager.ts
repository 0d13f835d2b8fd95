// Tells systemd, or whoever else set NOTIFY_SOCKET, how far the gateway is (the sd_notify protocol). Control thread.
//
// The socket takes datagrams, which Node has only for UDP. So systemd's own program sends them, one short-lived child for
// each of the few messages in a gateway's life. It goes on only when the manager has read the message, so that the manager
// still knows whose it was (NotifyAccess=all in the unit).

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Log } from "./log.ts";

const PROGRAM = "systemd-notify";
/** It waits 5 s for the manager by itself. */
const TIMEOUT_MS = 10_000;
/** For what comes after the last exchange: writing logs, ending threads. */
const STOP_MARGIN_MS = 5000;

export class ServiceManager {
  readonly #env: NodeJS.ProcessEnv | null;
  readonly #log: Log;
  #sending: Promise<void> = Promise.resolve();
  #failed = false;
  #isStopping = false;

  constructor(env: NodeJS.ProcessEnv, log: Log) {
    const { NOTIFY_SOCKET, PATH } = env;
    this.#env = NOTIFY_SOCKET ? { NOTIFY_SOCKET, PATH } : null;
    this.#log = log;
  }

  /** The gateway accepts connections; a reload that was under way is over. Not said of one that stops. */
  ready(status: string): Promise<void> {
    if (this.#isStopping) return this.#sending;
    return this.#send(["READY=1", statusOf(status)]);
  }

  /** To be called when the reload begins: the manager tells by the time which of its signals is meant. */
  reloading(): Promise<void> {
    if (this.#isStopping) return this.#sending;
    const now = process.hrtime.bigint() / 1000n;
    return this.#send(["RELOADING=1", `MONOTONIC_USEC=${now}`, statusOf("reloading the configuration")]);
  }

  /** `atMostMs` is how long ending what is under way may take: the manager waits for it. */
  stopping(atMostMs: number): Promise<void> {
    this.#isStopping = true;
    const extension = (atMostMs + STOP_MARGIN_MS) * 1000;
    const status = statusOf("ending what is under way");
    return this.#send(["STOPPING=1", `EXTEND_TIMEOUT_USEC=${extension}`, status]);
  }

  /** One message after the other, in the order of the calls. Never rejects. */
  #send(assignments: readonly string[]): Promise<void> {
    const env = this.#env;
    if (env !== null) this.#sending = this.#sending.then(() => this.#run(assignments, env));
    return this.#sending;
  }

  async #run(assignments: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
    try {
      await promisify(execFile)(PROGRAM, [...assignments], { env, timeout: TIMEOUT_MS });
    } catch (error) {
      // The manager may wait for READY=1 and then end the gateway: this line says why.
      if (this.#failed) return;
      this.#failed = true;
      this.#log.warn(`cannot tell the service manager ${assignments[0]}: ${reasonOf(error)}`);
    }
  }
}

function statusOf(text: string): string {
  return `STATUS=${text.replaceAll(/\s+/g, " ")}`;
}

function reasonOf(error: unknown): string {
  const { code, message, stderr } = error as NodeJS.ErrnoException & { readonly stderr?: string };
  if (code === "ENOENT") return `there is no program ${PROGRAM}`;
  return stderr?.trim() || message;
}
