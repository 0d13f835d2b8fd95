// One VM as the control thread sees it: a process that is started, watched and ended. Control thread.
//
//   starting ─▶ spare ─▶ serving ─▶ draining ─▶ ended         any of them may end at any time

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { pathToFileURL } from "node:url";
import type { AppPlan } from "../../config/snapshot.ts";
import type { VmAddress } from "../../wire/control.ts";
import type { ToVm, VmNumbers } from "../../wire/vm.ts";
import { readFromVm } from "./from-vm.ts";
import { guardChannel } from "./guarded-channel.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { Wrapping } from "./isolation.ts";
import { exitOf, type Outcome, outcomeOf, type Verdict } from "./outcome.ts";
import { Resident, vmPidOf } from "./resident.ts";
import { vmFlags } from "./vm-flags.ts";
import { type VmLine, VmOutput } from "./vm-output.ts";

export interface VmSetting {
  readonly id: number;
  readonly slot: number;
  readonly plan: AppPlan;
  /** Files of the program that VMs run, and of the app's bundle. */
  readonly program: string;
  readonly bundle: string;
  readonly socketPath: string;
  readonly wrapping: Wrapping;
  /** The app has calls of `console`. */
  readonly logs: boolean;
  readonly onLine: (line: VmLine) => void;
  /** It has nothing left to do, after `drain`. */
  readonly onDrained: () => void;
  /** The process is gone; how it ended is told by `ended` a little later. */
  readonly onExit: () => void;
}

export type VmState = "starting" | "spare" | "serving" | "draining" | "ended";

export interface VmEnd {
  readonly outcome: Outcome;
  /** Why the gateway ended it; empty where it did not. */
  readonly why: string;
  /** A signal, or an exit code. */
  readonly exit: string;
  /** What it printed last. */
  readonly output: string;
}

/** What a process printed may come after its end; a process that it started may keep its output open for ever. */
const OUTPUT_TIMEOUT_MS = 100;
/** One that was told to end, or left the gateway, has so long for its last words. */
const LEAVE_TIMEOUT_MS = 1000;

export class VmProcess {
  readonly address: VmAddress;
  state: VmState = "starting";
  /** From `performance.now()`. */
  readonly startedAt = performance.now();
  /** When its app was loaded; null before. */
  readyAt: number | null = null;
  readonly ended: Promise<VmEnd>;
  /** As it said last. */
  numbers: VmNumbers | null = null;
  /** Exchanges that came to it. */
  requests = 0;
  /** It has said, since its last link was made, that nothing is left to do. */
  drained = false;
  /** Bytes of memory, as last seen. */
  residentBytes = 0;
  readonly heartbeat = new Heartbeat(performance.now());
  readonly #setting: VmSetting;
  readonly #child: ChildProcess;
  readonly #links: Server;
  /** Connections that the VM was not given yet. */
  readonly #handing = new Set<Socket>();
  #resident: Resident | null = null;
  #verdict: Verdict | null = null;
  readonly #output: VmOutput;
  #onReady: ((failure: string | null) => void) | null = null;

  constructor(setting: VmSetting) {
    const { id, slot, socketPath, plan, program, bundle } = setting;
    this.#setting = setting;
    this.#output = new VmOutput(setting.onLine);
    this.address = { id, slot, path: socketPath, key: randomBytes(16).toString("hex") };
    const { prefix, user } = setting.wrapping;
    const flags = vmFlags(plan, [program, bundle, `${bundle}.map`]);
    const command = [...prefix, process.execPath, ...flags, program];
    const child = spawn(command[0]!, command.slice(1), {
      ...user,
      cwd: "/",
      env: {},
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.#child = child;
    this.#links = createServer({ pauseOnConnect: true }, (socket) => this.#hand(socket));
    // Where it could not be started at all, there are none.
    for (const name of ["stdout", "stderr"] as const)
      child[name]?.on("data", (chunk: Buffer) => this.#output.add(name, chunk));
    child.on("message", (message) => this.#receive(message));
    if (child.channel != null) guardChannel(child, (fault) => this.#misbehaved(fault));
    child.on("disconnect", () => this.#endSoon("it closed its channel to the gateway"));
    this.ended = this.#end();
  }

  get pid(): number {
    return this.#resident?.pid ?? this.#child.pid ?? 0;
  }

  /** Resolves when links may be made; rejects with what is wrong. */
  async ready(): Promise<void> {
    const { plan, bundle, id, socketPath } = this.#setting;
    this.#links.listen({ path: socketPath, backlog: 1024 });
    await once(this.#links, "listening");
    const answered = new Promise<string | null>((resolve) => {
      this.#onReady = resolve;
    });
    this.#send({
      type: "start",
      app: plan.rules.name,
      vm: id,
      key: this.address.key,
      bundle: pathToFileURL(bundle).href,
      concurrency: plan.rules.concurrency,
      webSocketQueueBytes: plan.rules.websocket.queueBytes,
      env: plan.env,
      inspect: plan.inspect,
      upstreams: plan.rules.upstreams,
      logs: this.#setting.logs,
    });
    const late = setTimeout(() => {
      this.kill({
        outcome: "hung",
        why: `it had not loaded within ${plan.startTimeoutMs} ms (start_timeout)`,
      });
    }, plan.startTimeoutMs);
    const died = this.ended.then(({ why, output, exit }) => {
      return `it ended while it started: ${why || output.trim() || exit}`;
    });
    const failure = await Promise.race([answered, died]);
    clearTimeout(late);
    this.#onReady = null;
    if (failure !== null) {
      this.kill({ outcome: "crashed", why: failure });
      throw new Error(failure);
    }
    this.#resident = new Resident(this.#child.pid ?? 0);
    this.readyAt = performance.now();
    this.state = "spare";
  }

  /** Asks whether it lives, where that is due. */
  beat(now: number, isBusy: boolean): void {
    const question = this.heartbeat.due(now, isBusy);
    if (question !== null) this.#send({ type: "ping", ...question });
  }

  /** Bytes of memory, looked up now where the system tells, else as it said last. */
  readResident(): number {
    this.residentBytes = this.#resident?.read() ?? this.numbers?.rss ?? 0;
    return this.residentBytes;
  }

  /** No data thread sends it more: it is to say when nothing is left to do. */
  drain(): void {
    this.#send({ type: "drain" });
  }

  /** Lets it end by itself. */
  leave(verdict: Verdict): void {
    this.#verdict ??= verdict;
    if (this.#child.connected) this.#child.disconnect();
  }

  kill(verdict: Verdict): void {
    this.#verdict ??= verdict;
    const child = this.#child;
    if (child.exitCode === null && child.signalCode === null) this.#killBehind();
    child.kill("SIGKILL");
  }

  /** The VM itself, where `unshare` stands between: that it is to end with that one does not always reach it. */
  #killBehind(): void {
    const { pid: started = 0 } = this.#child;
    const resident = this.#resident;
    const pid = resident?.pid ?? vmPidOf(started);
    if (pid === started || resident?.read() === null) return;
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It was faster.
    }
  }

  /** It gave something up that it cannot do without; perhaps because it ends just now, which has the better reason. */
  #endSoon(why: string): void {
    const timer = setTimeout(() => this.kill({ outcome: "crashed", why }), LEAVE_TIMEOUT_MS);
    void this.ended.then(() => clearTimeout(timer));
  }

  /** It closed its link to a data thread, or broke the rules of it. */
  lostLink(fault: string | null): void {
    if (fault === null) this.#endSoon("it closed its link to a data thread");
    else this.kill({ outcome: "crashed", why: `it sent a data thread what no VM should: ${fault}` });
  }

  #receive(sent: unknown): void {
    const message = readFromVm(sent);
    switch (message?.type) {
      case "ready":
        this.#onReady?.(null);
        break;
      case "failed":
        this.#onReady?.(message.stack || message.message);
        break;
      case "pong":
        if (!this.heartbeat.answer(message.number)) break;
        this.requests = message.requests;
        this.numbers = message.numbers ?? this.numbers;
        break;
      case "drained":
        this.drained = true;
        this.#setting.onDrained();
        break;
      case "log":
        this.#output.say(message);
        break;
      default:
        this.#misbehaved("a message that no VM sends");
    }
  }

  #misbehaved(fault: string): void {
    this.kill({ outcome: "crashed", why: `it sent the gateway what no VM should: ${fault}` });
  }

  #hand(socket: Socket): void {
    this.drained = false;
    this.#handing.add(socket);
    socket.on("error", () => socket.destroy());
    this.#child.send({ type: "link" } satisfies ToVm, socket, (error) => {
      if (error === null) this.#handing.delete(socket);
      else socket.destroy();
    });
  }

  async #end(): Promise<VmEnd> {
    const child = this.#child;
    const closed = new Promise((resolve) => child.once("close", resolve));
    const failure = await new Promise<Error | null>((resolve) => {
      child.once("exit", () => resolve(null));
      child.on("error", (error) => {
        if (child.pid === undefined) resolve(error);
      });
    });
    this.state = "ended";
    this.#links.close();
    for (const socket of this.#handing) socket.destroy();
    if (this.#resident !== null) this.#killBehind();
    this.#resident?.close();
    this.#setting.onExit();
    const { exitCode, signalCode: signal } = child;
    if (failure === null) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise((resolve) => {
        timer = setTimeout(resolve, OUTPUT_TIMEOUT_MS);
      });
      await Promise.race([closed, late]);
      clearTimeout(timer);
    }
    // Of a VM that `unshare` left behind the channel would hold this process up.
    if (child.connected) child.disconnect();
    this.#output.end();
    const output = this.#output.last;
    const ending = { exitCode, signal, output };
    return {
      outcome: outcomeOf(ending, this.#verdict),
      why: failure?.message ?? this.#verdict?.why ?? "",
      exit: exitOf(ending),
      output,
    };
  }

  #send(message: ToVm): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }
}
