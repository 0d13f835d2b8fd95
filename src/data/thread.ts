// The entry of a data thread (a worker thread): carries out what the control thread says.

import { parentPort, workerData } from "node:worker_threads";
import type { ListenerSpec, Snapshot } from "../config/snapshot.ts";
import { GatewayError } from "../core/errors.ts";
import type { DataThreadData, FromDataThread, TlsUpdate, ToDataThread } from "../wire/control.ts";
import { ActiveSnapshot } from "./active-snapshot.ts";
import { Listener } from "./listener.ts";
import { Reporter } from "./reporter.ts";
import { ThreadContext } from "./thread-context.ts";

class DataThread {
  readonly #reusePort: boolean;
  readonly #context: ThreadContext;
  readonly #listeners = new Map<string, Listener>();
  #prepared: ActiveSnapshot | null = null;
  #opened: Listener[] = [];

  constructor(data: DataThreadData) {
    this.#reusePort = data.reusePort;
    this.#context = new ThreadContext(data, new Reporter(post));
  }

  receive(message: ToDataThread): void {
    switch (message.type) {
      case "prepare":
        this.#prepare(message.snapshot, message.sockets);
        break;
      case "activate":
        this.#activate(message.version);
        break;
      case "discard":
        this.#discard();
        break;
      case "reopen-logs":
        this.#context.activeOrNull?.accessLog?.reopen();
        break;
      case "purge": {
        const dropped = this.#context.activeOrNull?.caches.purge(message.purge) ?? 0;
        post({ type: "purged", dropped });
        break;
      }
      case "tls":
        this.#updateTls(message.tls);
        break;
      case "room-made":
        this.#context.roomMade(message.upstream);
        break;
      case "vms":
        this.#context.vms.serve(message.pool, message.vms, message.down);
        post({ type: "vms-taken" });
        break;
      case "vm-ended":
        this.#context.vms.ends.tell(message.vm, message.harmful);
        break;
      case "drain":
        this.#drain();
        break;
      case "cut":
        this.#cut();
        break;
    }
  }

  async #prepare(snapshot: Snapshot, sockets: readonly (number | null)[]): Promise<void> {
    try {
      const prepared = new ActiveSnapshot(snapshot, this.#context, this.#context.activeOrNull);
      this.#prepared = prepared;
      await prepared.accessLog?.opened;
      // New listeners accept from now on; until the switch they serve what the others serve.
      if (this.#context.activeOrNull === null) this.#context.activate(prepared);
      for (const [i, spec] of snapshot.server.listeners.entries()) {
        if (this.#listeners.has(addressOf(spec))) continue;
        const listener = new Listener(spec, this.#context, prepared.tlsServers.get(spec.tls) ?? null);
        await listener.open(this.#reusePort, sockets[i] ?? null);
        this.#opened.push(listener);
      }
      post({ type: "prepared", version: snapshot.version, problem: null });
    } catch (error) {
      this.#discard();
      post({
        type: "prepared",
        version: snapshot.version,
        problem: error instanceof Error ? error.message : String(error),
      });
    }
  }

  #updateTls(update: TlsUpdate): void {
    const { tls, activeOrNull } = this.#context;
    tls.adopt(update);
    for (const snapshot of [activeOrNull, this.#prepared]) {
      for (const server of snapshot?.tlsServers.values() ?? []) server.adopt(tls);
    }
  }

  #activate(version: number): void {
    const next = this.#prepared!;
    this.#prepared = null;
    for (const listener of this.#opened.splice(0)) this.#listeners.set(addressOf(listener.spec), listener);
    const wanted = new Set(next.server.listeners.map(addressOf));
    for (const [address, listener] of this.#listeners) {
      if (wanted.has(address)) continue;
      listener.close();
      this.#listeners.delete(address);
    }
    this.#context.activate(next);
    post({ type: "activated", version });
  }

  #discard(): void {
    for (const listener of this.#opened.splice(0)) listener.close();
    const prepared = this.#prepared;
    this.#prepared = null;
    prepared?.retire(this.#context.activeOrNull);
  }

  #drain(): void {
    const context = this.#context;
    context.draining = true;
    for (const listener of this.#listeners.values()) listener.close();
    for (const connection of context.connections.all()) connection.drain();
    for (const webSocket of context.webSockets) webSocket.goAway();
    context.whenEmpty(() => this.#drained(0));
  }

  #cut(): void {
    const connections = this.#context.connections.all();
    const cut = connections.filter((connection) => connection.busy).length;
    const error = new GatewayError("shutting_down", "the gateway stopped before the exchange ended");
    this.#context.whenEmpty(() => this.#drained(cut));
    for (const connection of connections) connection.destroy(error);
  }

  async #drained(cut: number): Promise<void> {
    await this.#context.activeOrNull?.accessLog?.close();
    this.#context.reporter.flush();
    post({ type: "drained", cut });
  }
}

function addressOf(spec: ListenerSpec): string {
  return `${spec.host} ${spec.port}`;
}

function post(message: FromDataThread): void {
  parentPort?.postMessage(message);
}

const thread = new DataThread(workerData as DataThreadData);
parentPort?.on("message", (message: ToDataThread) => thread.receive(message));
