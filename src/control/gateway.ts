// The gateway as the control thread runs it: starts the data threads, swaps snapshots, replaces what dies, drains.

import { randomUUID } from "node:crypto";
import { availableParallelism } from "node:os";
import type { GatewaySpec } from "../config/compile.ts";
import type { LoadResult } from "../config/load.ts";
import type { ReadFile } from "../config/pem-files.ts";
import { formatProblem } from "../config/problem.ts";
import type { RunAsSpec } from "../config/run-as.ts";
import type { ListenerSpec, Snapshot, SnapshotPlan } from "../config/snapshot.ts";
import { createMetrics, type GatewayMetrics } from "../core/metrics.ts";
import { ClientCounts, createClientCounts } from "../core/shared/client-counts.ts";
import type { CachePurge, TlsUpdate } from "../wire/control.ts";
import { Admin, type AdminChange } from "./admin/admin.ts";
import { LiveView } from "./admin/live-view.ts";
import type { AppPool } from "./apps/app-pool.ts";
import { Apps, type CodeWanted, type DraftedApps } from "./apps/apps.ts";
import { inputsOf } from "./apps/code-error.ts";
import { keepGarbageYoung } from "./collector.ts";
import { DataThread } from "./data-thread.ts";
import { connectionsWithin, openFileLimit } from "./file-limit.ts";
import { FileWatch } from "./file-watch.ts";
import { Health } from "./health/health.ts";
import type { Log } from "./log.ts";
import { Names } from "./names/names.ts";
import { becomeUser, checkLogFile, currentIdentity, makeLogFile, userToBecome } from "./privileges.ts";
import { RateLimits } from "./rate-limits.ts";
import { settleRoutes, settleServer } from "./settle.ts";
import { SpareSockets } from "./spare-sockets.ts";
import { StateFolder } from "./state-folder.ts";
import { OcspStaples } from "./tls/ocsp-staples.ts";
import { TicketKeys } from "./tls/ticket-keys.ts";
import { Upstreams } from "./upstreams.ts";

/** Gives the configuration, anew each time it is asked. */
export type ConfigSource = () => LoadResult;

type Loaded = Extract<LoadResult, { ok: true }>;

/** Why the gateway cannot start, in words for the one who started it. */
export class StartError extends Error {
  /** Code of apps whose change may help. */
  readonly inputs: readonly ReadFile[];

  constructor(message: string, inputs: readonly ReadFile[] = []) {
    super(message);
    this.inputs = inputs;
  }
}

export interface GatewayOptions {
  /** Goes over to the code of apps as it changes. */
  readonly watch: boolean;
  /** Says where the state folder is; without it, that of this process. */
  readonly environment?: NodeJS.ProcessEnv;
}

/** A data thread that dies again at once is started again after this pause. */
const RESTART_PAUSE_MS = 1000;
/** Addresses that could not be gone over to, for want of a data thread perhaps, are tried again after this. */
const FOLLOW_AGAIN_MS = 1000;

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
  /** Whom the gateway becomes once everything is open, or null. */
  readonly #runAs: RunAsSpec | null;
  #spares: SpareSockets | null = null;
  readonly #state: StateFolder;
  readonly #upstreams: Upstreams;
  readonly #rateLimits = new RateLimits();
  readonly #health: Health;
  readonly #apps: Apps;
  readonly #clients: SharedArrayBuffer;
  readonly #cacheChanges: SharedArrayBuffer;
  readonly #view: LiveView;
  readonly #admin: Admin;
  readonly #staples: OcspStaples;
  readonly #tickets = new TicketKeys(() => this.#updateTls());
  readonly #files = new FileWatch(() => this.#readFilesAgain());
  #names: Names | null = null;
  /** Going over to changed code has its turn after a reload. */
  #isCodeToFollow = false;
  /** Going over to the addresses of `#names` has its turn after a reload. */
  #isToFollow = false;
  /** The configuration that was accepted last, and what it became on this machine. */
  #plan: SnapshotPlan;
  /** Loads the text of that configuration once more. */
  #again: ConfigSource;
  #snapshot: Snapshot;
  #reloading: Promise<unknown> = Promise.resolve();
  #purging: Promise<unknown> = Promise.resolve();
  #stopping: Promise<number> | null = null;

  /** Resolves when every data thread accepts connections. */
  static async start(
    source: ConfigSource,
    log: Log,
    options: GatewayOptions = { watch: false },
  ): Promise<Gateway> {
    const loaded = source();
    if (!loaded.ok) throw new StartError(loaded.problems.map((problem) => formatProblem(problem)).join("\n"));
    for (const warning of loaded.warnings) log.warn(formatProblem(warning));
    const runAs = runAsOf(loaded.gateway);
    keepGarbageYoung();
    const gateway = new Gateway(source, log, { ...options, runAs, loaded });
    try {
      const { accessLog } = loaded.snapshot;
      if (runAs !== null && accessLog?.path != null) makeLogFile(accessLog.path, runAs);
      const going = gateway.#go(loaded.snapshot, loaded.gateway);
      gateway.#reloading = going.catch(() => undefined);
      await going;
      await gateway.#giveRootUp();
      for (const thread of gateway.#threads) gateway.#watch(thread);
    } catch (error) {
      await gateway.#terminate();
      throw new StartError(reasonOf(error), inputsOf(error));
    }
    return gateway;
  }

  private constructor(
    source: ConfigSource,
    log: Log,
    {
      watch,
      environment = process.env,
      runAs,
      loaded,
    }: GatewayOptions & { readonly runAs: RunAsSpec | null; readonly loaded: Loaded },
  ) {
    const { gateway: spec, snapshot: plan, again } = loaded;
    this.#source = source;
    this.#again = again;
    this.#log = log;
    this.#staples = new OcspStaples(log, () => this.#updateTls());
    this.#gateway = spec;
    this.#runAs = runAs;
    this.#state = StateFolder.of(environment, runAs);
    this.#reusePort = process.platform === "linux";
    const wanted = spec.workers === "auto" ? availableParallelism() : spec.workers;
    this.workers = this.#reusePort ? wanted : 1;
    if (this.workers < wanted) {
      log.warn(
        `one data thread instead of ${wanted}: only Linux spreads the connections of a port over several`,
      );
    }
    this.#plan = plan;
    this.#snapshot = { ...plan, version: 0, upstreams: [], apps: [] };
    this.#upstreams = new Upstreams(this.workers);
    this.#health = new Health(log, (upstream) => {
      for (const thread of this.#threads) thread.roomMade(upstream);
    });
    this.#apps = new Apps({
      threads: this.workers,
      log,
      runAs,
      onChange: (pool) => this.#tellVms(pool),
      onVmEnd: (vm, harmful) => {
        for (const thread of this.#threads) thread.vmEnded(vm, harmful);
      },
      onCode: watch ? () => this.#followCode() : null,
    });
    this.metrics = createMetrics(this.workers);
    const mostClients = connectionsWithin(openFileLimit(), this.workers).clients;
    this.#clients = createClientCounts(this.workers, mostClients);
    this.#cacheChanges = new SharedArrayBuffer(this.workers * Int32Array.BYTES_PER_ELEMENT);
    this.#view = new LiveView({
      metrics: this.metrics,
      upstreams: this.#upstreams,
      health: this.#health,
      apps: this.#apps,
      threads: this.#threads,
      purgeCaches: (purge) => this.#purgeCaches(purge),
    });
    this.#admin = new Admin(this.#view, this.#state, log);
  }

  /** The addresses that are listened on, with the real ports. */
  get listeners(): readonly ListenerSpec[] {
    return this.#snapshot.server.listeners;
  }

  /** Swaps to the configuration as it is now. Returns whether it was accepted; if not, nothing has changed. */
  reload(): Promise<boolean> {
    return this.#reloadFrom(this.#source, "configuration");
  }

  /** Files that the configuration names have changed. What else is new in its file, or in the code of apps, has to wait. */
  #readFilesAgain(): void {
    void this.#reloadFrom(() => this.#again(), "changed files");
  }

  #reloadFrom(source: ConfigSource, what: "configuration" | "changed files"): Promise<boolean> {
    const next = this.#reloading.then(() => (this.#stopping === null ? this.#reload(source, what) : false));
    this.#reloading = next.catch(() => undefined);
    return next;
  }

  /** How long `stop` waits for what is under way. */
  get shutdownTimeoutMs(): number {
    return this.#gateway.shutdownTimeoutMs;
  }

  #updateTls(): void {
    for (const thread of this.#threads) thread.updateTls(this.#tlsUpdate);
  }

  get #tlsUpdate(): TlsUpdate {
    return { ticketKeys: this.#tickets.current, staples: this.#staples.current };
  }

  reopenLogs(): void {
    for (const thread of this.#threads) thread.reopenLogs();
  }

  /** Ends what is under way, at most for `server.shutdown_timeout`. Resolves with the connections that were cut. */
  stop(): Promise<number> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** One after the other: a data thread answers one question of a kind at a time. */
  #purgeCaches(purge: CachePurge): Promise<number> {
    const purged = this.#purging.then(async () => {
      const dropped = await Promise.all(this.#threads.map((thread) => thread.purgeCaches(purge)));
      return dropped.reduce((sum, count) => sum + count, 0);
    });
    this.#purging = purged.catch(() => 0);
    return purged;
  }

  /** Goes over to a configuration, whole or not at all. */
  async #go(plan: SnapshotPlan, spec: GatewaySpec, code: CodeWanted = "as it is now"): Promise<void> {
    const before = this.#names;
    const names = new Names({
      resolver: spec.resolver,
      upstreams: plan.upstreams,
      log: this.#log,
      onChange: () => this.#followNames(),
      previous: before,
    });
    let admin: AdminChange | null = null;
    let apps: DraftedApps | null = null;
    let settled: SnapshotPlan;
    try {
      await names.resolved();
      const { workers } = this;
      const open = before === null ? [] : this.#snapshot.server.listeners;
      const server = await settleServer(plan, spec, open, { workers, log: this.#log });
      settled = { ...plan, server, routes: settleRoutes(plan.routes, this.#state) };
      admin = await this.#admin.prepare(spec.admin);
      apps = await this.#apps.draft(plan.apps, code);
      if (before === null) for (let i = 0; i < workers; i++) this.#threads.push(this.#startThread(i));
      await this.#switch(settled, names, apps);
    } catch (error) {
      names.stop();
      if (apps !== null) await this.#apps.discard(apps);
      await admin?.discard();
      throw error;
    }
    this.#names = names;
    this.#apps.adopt(apps);
    this.#plan = settled;
    this.#files.watch(spec.files);
    this.#staples.follow(settled.server.listeners, spec.ocsp);
    before?.stop();
    this.#view.lifecycle = "ready";
    await admin.commit();
  }

  /** Everything is open: from here on nothing needs root. */
  async #giveRootUp(): Promise<void> {
    const runAs = this.#runAs;
    if (runAs === null) {
      if (currentIdentity()?.uid === 0 && this.#gateway.runAs === null)
        this.#log.warn("running as root: server.run_as names the user to go on as once the ports are open");
      return;
    }
    this.#spares = await SpareSockets.bind(this.listeners);
    becomeUser(runAs);
    const { accessLog } = this.#plan;
    if (accessLog?.path != null) checkLogFile(accessLog.path, runAs);
    this.#log.info({ user: runAs.text, uid: runAs.uid, gid: runAs.gid }, "gave root up");
    const again = this.#source();
    if (again.ok) return;
    for (const problem of again.problems) this.#log.warn(formatProblem(problem));
    this.#log.warn(`a reload will fail: ${runAs.text} cannot read all of the configuration`);
  }

  /** Goes over to a snapshot on all data threads, or on none. */
  async #switch(plan: SnapshotPlan, names: Names, apps: DraftedApps): Promise<void> {
    const live = this.#upstreams.draft(plan.upstreams, (backend) => names.placesOf(backend));
    const limits = this.#rateLimits.draft(plan);
    const version = this.#snapshot.version + 1;
    const upstreams = live.map(({ spec }) => spec);
    const snapshot: Snapshot = { ...plan, ...limits.specs, version, upstreams, apps: apps.specs };
    for (const pool of apps.pools) void this.#tellVms(pool);
    const problems = await Promise.all(this.#threads.map((thread) => thread.prepare(snapshot)));
    const problem = problems.find((found) => found !== null);
    if (problem != null) {
      for (const thread of this.#threads) thread.discard(version);
      throw new StartError(problem);
    }
    this.#snapshot = snapshot;
    this.#spares?.keepOnly(snapshot.server.listeners);
    this.#upstreams.adopt(live);
    this.#rateLimits.adopt(limits);
    await Promise.all(this.#threads.map((thread) => thread.activate(version)));
    this.#view.snapshotVersion = version;
    this.#view.routes = plan.routes.map(({ name }) => name);
    this.#health.update(this.#upstreams.live);
  }

  #tellVms({ spec, serving, down }: AppPool): Promise<unknown> {
    return Promise.all(this.#threads.map((thread) => thread.serveVms(spec.pool, serving, down)));
  }

  /** The name of a backend stands for other addresses than before: the same configuration, with these. */
  #followNames(): void {
    if (this.#isToFollow) return;
    this.#isToFollow = true;
    this.#reloading = this.#reloading.then(async () => {
      this.#isToFollow = false;
      if (this.#stopping !== null || this.#names === null) return;
      try {
        await this.#switch(this.#plan, this.#names, this.#apps.current);
        this.#log.info({ version: this.#snapshot.version }, "addresses of backends changed");
      } catch (error) {
        this.#log.error(`addresses of backends not followed: ${reasonOf(error)}`);
        setTimeout(() => this.#followNames(), FOLLOW_AGAIN_MS).unref();
      }
    });
  }

  /** The code of apps has changed: the same configuration, with VMs that run the code as it is now. */
  #followCode(): void {
    if (this.#isCodeToFollow) return;
    this.#isCodeToFollow = true;
    this.#reloading = this.#reloading.then(async () => {
      this.#isCodeToFollow = false;
      if (this.#stopping !== null || this.#names === null) return;
      const started = performance.now();
      let apps: DraftedApps | null = null;
      try {
        apps = await this.#apps.draft(this.#plan.apps, "as it is now");
        const isNew = apps.pools.some((pool) => !this.#apps.current.pools.includes(pool));
        if (isNew) await this.#switch(this.#plan, this.#names, apps);
        this.#apps.adopt(apps);
        const ms = Math.round(performance.now() - started);
        if (isNew) this.#log.info({ version: this.#snapshot.version, ms }, "code of apps reloaded");
      } catch (error) {
        if (apps !== null) await this.#apps.discard(apps);
        this.#log.error(reasonOf(error));
        this.#log.error("code of apps not reloaded: the one before goes on");
      }
    });
  }

  async #reload(source: ConfigSource, what: "configuration" | "changed files"): Promise<boolean> {
    const goesOn = what === "configuration" ? "the one before goes on" : "those before go on";
    const loaded = source();
    if (!loaded.ok) {
      for (const problem of loaded.problems) this.#log.error(formatProblem(problem));
      this.#log.error(`${what} not reloaded: ${goesOn}`);
      return false;
    }
    for (const warning of loaded.warnings) this.#log.warn(formatProblem(warning));
    const { workers, reusePort, runAs } = this.#gateway;
    const changed = (["workers", "reusePort"] as const).some((key) => {
      return loaded.gateway[key] !== this.#gateway[key];
    });
    if (changed || loaded.gateway.runAs?.text !== runAs?.text) {
      this.#log.warn(
        "server.reuse_port, server.run_as and server.workers change with a restart only: the old values go on",
      );
    }
    const started = performance.now();
    try {
      await this.#go(
        loaded.snapshot,
        loaded.gateway,
        what === "configuration" ? "as it is now" : "as before",
      );
    } catch (error) {
      this.#log.error(reasonOf(error));
      this.#log.error(`${what} not reloaded: ${goesOn}`);
      return false;
    }
    this.#gateway = { ...loaded.gateway, workers, reusePort, runAs };
    this.#again = loaded.again;
    const ms = Math.round(performance.now() - started);
    this.#log.info({ version: this.#snapshot.version, ms }, `${what} reloaded`);
    return true;
  }

  #startThread(index: number): DataThread {
    const data = {
      index,
      threads: this.workers,
      gateway: this.#id,
      metrics: this.metrics.shared,
      clients: this.#clients,
      cacheChanges: this.#cacheChanges,
      tls: this.#tlsUpdate,
      reusePort: this.#reusePort,
    };
    return new DataThread(data, this.#log, (vm, fault) => this.#apps.lostLink(vm, fault));
  }

  /** A data thread ends only at shutdown. One that ends before is a bug; the others go on and it is replaced. */
  async #watch(thread: DataThread): Promise<void> {
    const failure = await thread.ended;
    if (this.#stopping !== null) return;
    this.metrics.forgetThread(thread.index);
    this.#upstreams.forgetThread(thread.index);
    this.#apps.forgetThread(thread.index);
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
    const sockets = this.#spares?.take(this.listeners) ?? [];
    for (const { spec, serving, down } of this.#apps.current.pools)
      void thread.serveVms(spec.pool, serving, down);
    const problem = await thread.prepare(this.#snapshot, sockets);
    if (problem === null) {
      await thread.activate(this.#snapshot.version);
      this.#log.info(`data thread ${index} is back`);
    } else this.#log.error(`data thread ${index}: ${problem}`);
    return thread;
  }

  async #stop(): Promise<number> {
    await this.#reloading;
    this.#view.lifecycle = "draining";
    // Another gateway may have the ports from here on.
    this.#spares?.close();
    const drained = Promise.all(this.#threads.map((thread) => thread.drain()));
    const timer = setTimeout(() => {
      for (const thread of this.#threads) thread.cut();
    }, this.#gateway.shutdownTimeoutMs);
    const stopBy = performance.now() + this.#gateway.shutdownTimeoutMs;
    const cut = await drained;
    clearTimeout(timer);
    await this.#terminate(Math.max(0, stopBy - performance.now()));
    return cut.reduce((sum, count) => sum + count, 0);
  }

  async #terminate(graceMs = 0): Promise<void> {
    this.#stopping ??= Promise.resolve(0);
    this.#health.stop();
    this.#tickets.stop();
    this.#staples.stop();
    this.#files.stop();
    this.#names?.stop();
    await this.#admin.close();
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
    // What they had not given back at VMs, VMs do not wait for.
    for (const { index } of this.#threads) this.#apps.forgetThread(index);
    await this.#apps.stop(graceMs);
  }
}

/** Whom the gateway has to become, or null. */
function runAsOf({ runAs }: GatewaySpec): RunAsSpec | null {
  try {
    return userToBecome(runAs, currentIdentity());
  } catch (error) {
    throw new StartError(reasonOf(error));
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
