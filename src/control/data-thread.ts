// The control thread's handle of one data thread: starts the worker and turns its messages into promises.

import { Worker } from "node:worker_threads";
import type { Snapshot } from "../config/snapshot.ts";
import type {
  CachePurge,
  DataThreadData,
  FromDataThread,
  TlsUpdate,
  ToDataThread,
  VmAddress,
} from "../wire/control.ts";
import type { Log } from "./log.ts";

// The same ending as this file: source by type stripping, or compiled.
const ENTRY = new URL(`../data/thread${import.meta.url.slice(-3)}`, import.meta.url);

export class DataThread {
  readonly index: number;
  readonly #worker: Worker;
  readonly #log: Log;
  /** `fault`: null where the VM closed its link. */
  readonly #onLinkLost: (vm: number, fault: string | null) => void;
  /** Who waits for `vms-taken`, in the order of the questions. */
  readonly #vmsTold: (() => void)[] = [];
  /** Who waits for an answer of that type. */
  readonly #waiting = new Map<FromDataThread["type"], (message: FromDataThread) => void>();
  /** It serves: from the first snapshot that it activated to its end. */
  running = false;
  /** Resolves when the worker ended, with the error that ended it or null. */
  readonly ended: Promise<Error | null>;

  constructor(data: DataThreadData, log: Log, onLinkLost: (vm: number, fault: string | null) => void) {
    this.index = data.index;
    this.#log = log;
    this.#onLinkLost = onLinkLost;
    const worker = new Worker(ENTRY, { workerData: data, name: `data thread ${data.index}` });
    worker.on("message", (message: FromDataThread) => this.#receive(message));
    this.ended = new Promise((resolve) => {
      let failure: Error | null = null;
      worker.on("error", (error) => {
        failure = error instanceof Error ? error : new Error(String(error));
      });
      worker.on("exit", () => {
        this.running = false;
        resolve(failure);
      });
    });
    this.#worker = worker;
  }

  /** How long its event loop worked and waited, in ms. */
  get eventLoop(): { readonly active: number; readonly idle: number } {
    return this.#worker.performance.eventLoopUtilization();
  }

  /** Resolves with what went wrong, or null. `sockets`: bound ones for the listeners (spare-sockets.ts). */
  async prepare(snapshot: Snapshot, sockets: readonly (number | null)[] = []): Promise<string | null> {
    const answer = await this.#ask({ type: "prepare", snapshot, sockets }, "prepared");
    return answer === null ? `data thread ${this.index} ended` : answer.problem;
  }

  async activate(version: number): Promise<void> {
    const answer = await this.#ask({ type: "activate", version }, "activated");
    if (answer !== null) this.running = true;
  }

  discard(version: number): void {
    this.#send({ type: "discard", version });
  }

  reopenLogs(): void {
    this.#send({ type: "reopen-logs" });
  }

  /** Resolves with the number of responses that its caches have forgotten; one that ended keeps none. */
  async purgeCaches(purge: CachePurge): Promise<number> {
    const answer = await this.#ask({ type: "purge", purge }, "purged");
    return answer?.dropped ?? 0;
  }

  updateTls(tls: TlsUpdate): void {
    this.#send({ type: "tls", tls });
  }

  /** Resolves when the thread goes by it, or ended. `down`: why nothing serves, or null. */
  async serveVms(pool: number, vms: readonly VmAddress[], down: string | null): Promise<void> {
    const told = new Promise<void>((resolve) => this.#vmsTold.push(resolve));
    this.#send({ type: "vms", pool, vms, down });
    await Promise.race([told, this.ended]);
  }

  vmEnded(vm: number, harmful: boolean): void {
    this.#send({ type: "vm-ended", vm, harmful });
  }

  roomMade(upstream: string): void {
    this.#send({ type: "room-made", upstream });
  }

  /** Resolves when the last connection closed, with the number of connections that were cut. */
  async drain(): Promise<number> {
    const answer = await this.#ask({ type: "drain" }, "drained");
    return answer?.cut ?? 0;
  }

  cut(): void {
    this.#send({ type: "cut" });
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  /** Null when the thread ended instead of answering. */
  #ask<Type extends FromDataThread["type"]>(
    message: ToDataThread,
    type: Type,
  ): Promise<Extract<FromDataThread, { type: Type }> | null> {
    const answered = new Promise<Extract<FromDataThread, { type: Type }>>((resolve) => {
      this.#waiting.set(type, (answer) => resolve(answer as Extract<FromDataThread, { type: Type }>));
    });
    this.#send(message);
    return Promise.race([answered, this.ended.then(() => null)]);
  }

  #send(message: ToDataThread): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromDataThread): void {
    if (message.type === "log") {
      this.#log[message.level](message.fields, message.message);
      return;
    }
    if (message.type === "vms-taken") {
      this.#vmsTold.shift()?.();
      return;
    }
    if (message.type === "link-lost") {
      this.#onLinkLost(message.vm, message.fault);
      return;
    }
    const resolve = this.#waiting.get(message.type);
    this.#waiting.delete(message.type);
    resolve?.(message);
  }
}
