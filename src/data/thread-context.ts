// What the parts of one data thread share: clock, counters, the active snapshot, the connections that are open.

import { Deadlines } from "../core/deadlines.ts";
import { DenseSet, type Placed } from "../core/dense-set.ts";
import type { GatewayError } from "../core/errors.ts";
import { type ThreadMetrics, threadMetrics } from "../core/metrics.ts";
import { ClientCounts } from "../core/shared/client-counts.ts";
import type { DataThreadData } from "../wire/control.ts";
import type { ActiveSnapshot } from "./active-snapshot.ts";
import { VmPools } from "./apps/vm-pools.ts";
import { HeadParser } from "./http1/head-parser.ts";
import { Changes } from "./policies/cache-changes.ts";
import type { Reporter } from "./reporter.ts";
import { READ_BUFFER_BYTES } from "./socket.ts";
import { SendBuffer } from "./socket-writer.ts";

import { FileCache } from "./static/file-cache.ts";

import { TlsState } from "./tls/state.ts";

import { Wake } from "./wake.ts";

/** A connection of a client, as the thread knows it. */
export interface OpenConnection extends Placed {
  /** Whether an exchange is under way, or the end of its response. */
  readonly busy: boolean;
  /** At shutdown: goes now if nothing is under way, else after the answer. */
  drain(): void;
  /** Ends whatever is under way. */
  destroy(error: GatewayError): void;
}

/** A WebSocket of an app, as the thread knows it. */
export interface OpenWebSocket {
  /** At shutdown: begins to close. */
  goAway(): void;
}

export class ThreadContext {
  readonly index: number;
  /** Data threads of the gateway. */
  readonly threads: number;
  readonly deadlines = new Deadlines();
  readonly metrics: ThreadMetrics;
  readonly reporter: Reporter;
  readonly wake: Wake;
  readonly cacheChanges: Changes;
  /** Connections by the address of the client, over all data threads. */
  readonly clients: ClientCounts;
  /** What every socket of the thread reads into. */
  readonly readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  readonly sendBuffer = new SendBuffer();
  /** What is kept of the files that routes serve. */
  readonly files = new FileCache();
  readonly tls: TlsState;
  readonly vms = new VmPools(this);
  /** Set once, at shutdown: every response is the last of its connection. */
  draining = false;
  readonly connections = new DenseSet<OpenConnection>();
  /** WebSockets of apps. */
  readonly webSockets = new Set<OpenWebSocket>();
  /** Connections that are being told that there are too many; they are not among `connections`. */
  refusals = 0;
  /** Connections to backends that carry nothing, over all pools; those that are closing among them. */
  unusedBackendConnections = 0;
  #active: ActiveSnapshot | null = null;
  #onEmpty: (() => void) | null = null;
  readonly #parsers: HeadParser[] = [];

  constructor(data: DataThreadData, reporter: Reporter) {
    this.index = data.index;
    this.threads = data.threads;
    this.metrics = threadMetrics(data.metrics, data.index);
    this.reporter = reporter;
    this.tls = new TlsState(data.tls);
    this.clients = new ClientCounts(data.clients, data.threads);
    this.wake = new Wake(data.gateway, data.index, data.threads, (upstream, isWanted) => {
      if (isWanted) this.#active?.queues.get(upstream)?.giveWay();
      else this.roomMade(upstream);
    });
    this.cacheChanges = new Changes(data, (resource) => this.#active?.caches.forget(resource));
    this.deadlines.start();
  }

  /** There may be room for exchanges that wait for the upstream. */
  roomMade(upstream: string): void {
    this.#active?.queues.get(upstream)?.advance();
  }

  /** Replaced whole by a reload. An exchange keeps the route it began with. */
  get active(): ActiveSnapshot {
    if (this.#active === null) throw new Error("a connection before the first snapshot");
    return this.#active;
  }

  get activeOrNull(): ActiveSnapshot | null {
    return this.#active;
  }

  activate(next: ActiveSnapshot): void {
    const previous = this.#active;
    this.#active = next;
    next.activated(this);
    if (previous !== next) previous?.retire(next);
  }

  /** A parser belongs to a connection only while a head is arriving, so an idle connection holds none. */
  borrowParser(): HeadParser {
    const parser = this.#parsers.pop();
    if (parser === undefined) return new HeadParser("request", this.active.headLimits);
    parser.reset(this.active.headLimits);
    return parser;
  }

  returnParser(parser: HeadParser): void {
    this.#parsers.push(parser);
  }

  releaseConnection(connection: OpenConnection): void {
    if (!this.connections.delete(connection)) return;
    this.metrics.releaseConnection();
    if (this.connections.size === 0) this.#onEmpty?.();
  }

  /** Calls back when no connection is open, maybe at once. */
  whenEmpty(callback: () => void): void {
    if (this.connections.size === 0) callback();
    else this.#onEmpty = callback;
  }
}
