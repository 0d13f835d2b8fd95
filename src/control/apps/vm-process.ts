// One VM as the control thread sees it: a process that is started, watched and ended. Control thread.

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { pathToFileURL } from "node:url";
import type { AppPlan } from "../../config/snapshot.ts";
import type { VmAddress } from "../../wire/control.ts";
import type { FromVm, ToVm, VmNumbers } from "../../wire/vm.ts";
import type { Wrapping } from "./isolation.ts";

export interface VmSetting {
  readonly id: number;
  readonly slot: number;
  readonly plan: AppPlan;
  /** Files of the program that VMs run, and of the app's bundle. */
  readonly program: string;
  readonly bundle: string;
  readonly socketPath: string;
  readonly wrapping: Wrapping;
  readonly onLog: (message: Extract<FromVm, { type: "log" }>) => void;
}

export class VmProcess {
  readonly address: VmAddress;
  readonly startedAt = performance.now();
  /** Resolves when the process ended. */
  readonly ended: Promise<void>;
  /** As it said last. */
  numbers: VmNumbers | null = null;
  /** From `performance.now()`: when it answered a heartbeat last. */
  aliveAt = performance.now();
  readonly #setting: VmSetting;
  readonly #child: ChildProcess;
  readonly #links: Server;
  #pings = 0;
  #output = "";

  constructor(setting: VmSetting) {
    const { id, slot, socketPath } = setting;
    this.#setting = setting;
    this.address = { id, slot, path: socketPath, key: randomBytes(16).toString("hex") };
    const { prefix, user } = setting.wrapping;
    const command = [...prefix, process.execPath, ...flagsOf(setting), setting.program];
    const child = spawn(command[0]!, command.slice(1), {
      ...user,
      cwd: "/",
      env: {},
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.#child = child;
    this.#links = createServer({ pauseOnConnect: true }, (socket) => {
      // A VM that ended meanwhile cannot take it; then its end closes the socket.
      child.send({ type: "link" } satisfies ToVm, socket, (error) => {
        if (error !== null) socket.destroy();
      });
    });
    for (const output of [child.stdout!, child.stderr!]) {
      output.setEncoding("utf8");
      output.on("data", (text: string) => {
        this.#output = (this.#output + text).slice(-4096);
      });
    }
    child.on("message", (message: FromVm) => {
      if (message.type === "pong") {
        this.aliveAt = performance.now();
        this.numbers = message.numbers;
      } else if (message.type === "log") setting.onLog(message);
    });
    child.on("error", () => {});
    this.ended = once(child, "close").then(
      () => this.#links.close(),
      () => this.#links.close(),
    ) as Promise<unknown> as Promise<void>;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it printed last. */
  get output(): string {
    return this.#output;
  }

  /** Resolves when links may be made; rejects with what is wrong. */
  async ready(): Promise<void> {
    const { plan, bundle, id, socketPath } = this.#setting;
    this.#links.listen({ path: socketPath, backlog: 1024 });
    await once(this.#links, "listening");
    this.#send({
      type: "start",
      app: plan.rules.name,
      vm: id,
      key: this.address.key,
      bundle: pathToFileURL(bundle).href,
      concurrency: plan.rules.concurrency,
      env: plan.env,
    });
    const answered = new Promise<void>((resolve, reject) => {
      this.#child.on("message", (message: FromVm) => {
        if (message.type === "ready") resolve();
        if (message.type === "failed") reject(new Error(message.stack || message.message));
      });
    });
    const died = this.ended.then(() => {
      throw new Error(`it ended while it started: ${this.#output.trim() || this.exit}`);
    });
    await Promise.race([answered, died]);
    this.aliveAt = performance.now();
  }

  /** How it ended. */
  get exit(): string {
    const { exitCode, signalCode } = this.#child;
    return signalCode ?? `exit code ${exitCode}`;
  }

  ping(): void {
    this.#send({ type: "ping", number: ++this.#pings });
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #send(message: ToVm): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }
}

function flagsOf({ plan, program, bundle }: VmSetting): string[] {
  const { permissions, memoryBytes } = plan;
  const flags = [
    `--max-old-space-size=${Math.floor(memoryBytes / 1_048_576)}`,
    "--disable-sigusr1",
    "--enable-source-maps",
    "--permission",
    ...[program, bundle, `${bundle}.map`, ...permissions.read, ...permissions.write].map(
      (path) => `--allow-fs-read=${path}`,
    ),
    ...permissions.write.map((path) => `--allow-fs-write=${path}`),
  ];
  if (permissions.net) flags.push("--allow-net");
  if (permissions.run) flags.push("--allow-child-process");
  if (permissions.threads) flags.push("--allow-worker");
  if (!permissions.sqlite) flags.push("--no-experimental-sqlite");
  return flags;
}
