// The gateway as the control thread runs it: starts the data threads, swaps snapshots, replaces what dies, drains.

import { randomUUID } from "node:crypto";
import { availableParallelism } from "node:os";
import type { GatewaySpec } from "../config/compile.ts";
import type { LoadResult } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import type { BackendPlan, ListenerSpec, Snapshot, SnapshotPlan } from "../config/snapshot.ts";
import { createMetrics, type GatewayMetrics } from "../core/metrics.ts";
import { ClientCounts, createClientCounts } from "../core/shared/client-counts.ts";
import { claimAddress } from "./addresses.ts";
import { DataThread } from "./data-thread.ts";
import { connectionsWithin, openFileLimit } from "./file-limit.ts";
import { Health } from "./health/health.ts";
import type { Log } from "./log.ts";
import { type LiveUpstream, type Place, Upstreams } from "./upstreams.ts";

/** Gives the configuration, anew each time it is asked. */
export type ConfigSource = () => LoadResult;

/** Why the gateway cannot start, in words for the one who started it. */
export class StartError extends Error {}

/** A data thread that dies again at once is started again after this pause. */
const RESTART_PAUSE_MS = 1000;

export class Gateway {
  readonly metrics: GatewayMetrics;
  readonly #source: ConfigSource;
  readonly #log: Log;
  #gateway: GatewaySpec;
  /** Data threads. */
  readonly workers: number;
  readonly #reusePort: boolean;
  readonly #threads: DataThread[] = [];
  /** Tells gateways of one process apart. */
  readonly #id = randomUUID();
  readonly #upstreams: Upstreams;
  readonly #health: Health;
  readonly #clients: SharedArrayBuffer;
  /** The configuration that was accepted last, and what it became on this machine. */
  #plan: SnapshotPlan;
  #snapshot: Snapshot;
  #reloading: Promise<unknown> = Promise.resolve();
  #stopping: Promise<number> | null = null;

  /** Resolves when every data thread accepts connections. */
  static async start(source: ConfigSource, log: Log): Promise<Gateway> {
    const loaded = source();
    if (!loaded.ok) throw new StartError(loaded.problems.map((problem) => formatProblem(problem)).join("\n"));
    for (const warning of loaded.warnings) log.warn(formatProblem(warning));
    const gateway = new Gateway(source, log, loaded.gateway, loaded.snapshot);
    try {
      await gateway.#open();
    } catch (error) {
      await gateway.#terminate();
      throw new StartError(error instanceof Error ? error.message : String(error));
    }
    return gateway;
  }

  private constructor(source: ConfigSource, log: Log, spec: GatewaySpec, plan: SnapshotPlan) {
    this.#source = source;
    this.#log = log;
    this.#gateway = spec;
    this.#reusePort = process.platform === "linux";
    const wanted = spec.workers === "auto" ? availableParallelism() : spec.workers;
    this.workers = this.#reusePort ? wanted : 1;
    if (this.workers < wanted) {
      log.warn(
        `one data thread instead of ${wanted}: only Linux spreads the connections of a port over several`,
      );
    }
    this.#plan = plan;
    this.#snapshot = { ...plan, upstreams: [] };
    this.#upstreams = new Upstreams(this.workers);
    this.#health = new Health(log, (upstream) => {
      for (const thread of this.#threads) thread.roomMade(upstream);
    });
    this.metrics = createMetrics(this.workers);
    const mostClients = connectionsWithin(openFileLimit(), this.workers).clients;
    this.#clients = createClientCounts(this.workers, mostClients);
  }

  /** The addresses that are listened on, with the real ports. */
  get listeners(): readonly ListenerSpec[] {
    return this.#snapshot.server.listeners;
  }

  /** Swaps to the configuration as it is now. Returns whether it was accepted; if not, nothing has changed. */
  reload(): Promise<boolean> {
    const next = this.#reloading.then(() => (this.#stopping === null ? this.#reload() : false));
    this.#reloading = next.catch(() => undefined);
    return next;
  }

  reopenLogs(): void {
    for (const thread of this.#threads) thread.reopenLogs();
  }

  /** Ends what is under way, at most for `server.shutdown_timeout`. Resolves with the connections that were cut. */
  stop(): Promise<number> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #open(): Promise<void> {
    const next = await this.#settle(this.#plan, this.#gateway, []);
    for (let index = 0; index < this.workers; index++) this.#threads.push(this.#startThread(index));
    await this.#switch(next);
    for (const thread of this.#threads) this.#watch(thread);
  }

  /** Goes over to a snapshot on all data threads, or on none. */
  async #switch({ snapshot, upstreams }: Settled): Promise<void> {
    const problems = await Promise.all(this.#threads.map((thread) => thread.prepare(snapshot)));
    const problem = problems.find((found) => found !== null);
    if (problem != null) {
      for (const thread of this.#threads) thread.discard(snapshot.version);
      throw new StartError(problem);
    }
    this.#snapshot = snapshot;
    this.#upstreams.adopt(upstreams);
    await Promise.all(this.#threads.map((thread) => thread.activate(snapshot.version)));
    this.#health.update(this.#upstreams.live);
  }

  async #reload(): Promise<boolean> {
    const loaded = this.#source();
    if (!loaded.ok) {
      for (const problem of loaded.problems) this.#log.error(formatProblem(problem));
      this.#log.error("configuration not reloaded: the one before goes on");
      return false;
    }
    for (const warning of loaded.warnings) this.#log.warn(formatProblem(warning));
    if (
      loaded.gateway.workers !== this.#gateway.workers ||
      loaded.gateway.reusePort !== this.#gateway.reusePort
    ) {
      this.#log.warn("server.workers and server.reuse_port change with a restart only: the old values go on");
    }
    const started = performance.now();
    try {
      const wanted = { ...loaded.snapshot, version: this.#snapshot.version + 1 };
      const next = await this.#settle(wanted, loaded.gateway, this.#snapshot.server.listeners);
      await this.#switch(next);
      this.#plan = loaded.snapshot;
      const { workers, reusePort } = this.#gateway;
      this.#gateway = { ...loaded.gateway, workers, reusePort };
    } catch (error) {
      this.#log.error(error instanceof Error ? error.message : String(error));
      this.#log.error("configuration not reloaded: the one before goes on");
      return false;
    }
    const ms = Math.round(performance.now() - started);
    this.#log.info({ version: this.#snapshot.version, ms }, "configuration reloaded");
    return true;
  }

  /** Fits a snapshot to this machine: real ports, and no more connections than the file limit allows. */
  async #settle(plan: SnapshotPlan, spec: GatewaySpec, open: readonly ListenerSpec[]): Promise<Settled> {
    const listeners: ListenerSpec[] = [];
    for (const [i, wanted] of plan.server.listeners.entries()) {
      // Port 0 stays the port that the listener in its place got before.
      const same = open.find(
        (old, at) =>
          old.host === wanted.host && (old.port === wanted.port || (wanted.port === 0 && at === i)),
      );
      // A port that is ours under another host cannot be claimed; who else is in the way makes opening it fail.
      const ours = wanted.port !== 0 && open.some(({ port }) => port === wanted.port);
      if (same !== undefined) listeners.push({ ...wanted, port: same.port });
      else
        listeners.push(ours || (spec.reusePort && wanted.port !== 0) ? wanted : await claimAddress(wanted));
    }
    const fileLimit = openFileLimit();
    const allowed = connectionsWithin(fileLimit, this.workers);
    const requested = spec.requestedMaxConnections ?? allowed.clients;
    if (requested > allowed.clients) {
      this.#log.warn(
        `server.max_conn ${requested}: lowered to ${allowed.clients}, because this process may open ${fileLimit} files (two per proxied connection)`,
      );
    }
    const server = {
      ...plan.server,
      listeners,
      maxConnections: Math.min(requested, allowed.clients),
      unusedBackendConnections: allowed.idlePerThread,
    };
    const upstreams = this.#upstreams.draft(plan.upstreams, placesOf);
    return { snapshot: { ...plan, server, upstreams: upstreams.map(({ spec: made }) => made) }, upstreams };
  }

  #startThread(index: number): DataThread {
    const data = {
      index,
      threads: this.workers,
      gateway: this.#id,
      metrics: this.metrics.shared,
      clients: this.#clients,
      reusePort: this.#reusePort,
    };
    return new DataThread(data, this.#log);
  }

  /** A data thread ends only at shutdown. One that ends before is a bug; the others go on and it is replaced. */
  async #watch(thread: DataThread): Promise<void> {
    const failure = await thread.ended;
    if (this.#stopping !== null) return;
    this.metrics.forgetThread(thread.index);
    this.#upstreams.forgetThread(thread.index);
    new ClientCounts(this.#clients, this.workers).forgetThread(thread.index);
    this.#log.error(
      { stack: failure?.stack ?? "" },
      `data thread ${thread.index} ended by itself: starting it again`,
    );
    await new Promise((resolve) => setTimeout(resolve, RESTART_PAUSE_MS));
    // In turn with reloads: a thread prepares one snapshot at a time.
    const restarted = this.#reloading.then(() => this.#restart(thread.index));
    this.#reloading = restarted;
    const next = await restarted;
    if (next !== null) await this.#watch(next);
  }

  async #restart(index: number): Promise<DataThread | null> {
    if (this.#stopping !== null) return null;
    const thread = this.#startThread(index);
    this.#threads[index] = thread;
    const problem = await thread.prepare(this.#snapshot);
    if (problem === null) {
      await thread.activate(this.#snapshot.version);
      this.#log.info(`data thread ${index} is back`);
    } else this.#log.error(`data thread ${index}: ${problem}`);
    return thread;
  }

  async #stop(): Promise<number> {
    await this.#reloading;
    this.#health.stop();
    const drained = Promise.all(this.#threads.map((thread) => thread.drain()));
    const timer = setTimeout(() => {
      for (const thread of this.#threads) thread.cut();
    }, this.#gateway.shutdownTimeoutMs);
    const cut = await drained;
    clearTimeout(timer);
    await this.#terminate();
    return cut.reduce((sum, count) => sum + count, 0);
  }

  async #terminate(): Promise<void> {
    this.#stopping ??= Promise.resolve(0);
    this.#health.stop();
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }
}

/** A snapshot that fits this machine, and the upstreams in it as the control thread holds them. */
interface Settled {
  readonly snapshot: Snapshot;
  readonly upstreams: readonly LiveUpstream[];
}

function placesOf({ host, port, weight, backup }: BackendPlan): readonly Place[] {
  return [{ address: host, port, weight, backup, hostName: host }];
}
