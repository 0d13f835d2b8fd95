// The HTTP/1.1 connections of one data thread to one backend. The last one used is the first to be used again, so that
// a pool shrinks to what the load needs; unused ones are retired before a backend would close them.

import type { BackendSpec } from "../../config/snapshot.ts";
import { Counter } from "../../core/metrics.ts";
import { BackendShare } from "../../core/shared/backend-state.ts";
import { type ConnectionHome, Http1Connection } from "../http1/client.ts";
import type { SendBuffer } from "../socket-writer.ts";
import type { ThreadContext } from "../thread-context.ts";
import { TlsClient } from "../tls-client.ts";
import type { BackendUser } from "./backend-connection.ts";
import type { BackendPool } from "./pool.ts";
import type { Queue } from "./queue.ts";

export class Http1Pool implements BackendPool, ConnectionHome {
  readonly spec: BackendSpec;
  readonly state: BackendShare;
  readonly tls: TlsClient | null;
  readonly readBuffer: Buffer;
  readonly sendBuffer: SendBuffer;
  readonly #thread: ThreadContext;
  readonly #idle: Http1Connection[] = [];
  /** Who waits for this backend, among others. */
  #queue: Queue;
  #maxConnections: number;
  #retired = false;

  constructor(spec: BackendSpec, queue: Queue, thread: ThreadContext) {
    this.spec = spec;
    this.state = new BackendShare(spec.shared, thread.index);
    this.tls = spec.tls === null ? null : new TlsClient(spec.tls, spec);
    this.#queue = queue;
    this.#maxConnections = spec.maxConnections;
    this.readBuffer = thread.readBuffer;
    this.sendBuffer = thread.sendBuffer;
    this.#thread = thread;
  }

  adopt(spec: BackendSpec, queue: Queue): void {
    this.#maxConnections = spec.maxConnections;
    this.#queue = queue;
    for (let over = this.state.connections - spec.maxConnections; over > 0 && this.giveUpIdle(); over--);
  }

  get hasRoom(): boolean {
    return this.#idle.length > 0 || this.state.connections < this.#maxConnections;
  }

  get mayOpen(): boolean {
    return this.state.connections < this.#maxConnections && this.state.up;
  }

  acquire(user: BackendUser, connectMs: number, preferNew: boolean): Http1Connection | null {
    return preferNew
      ? (this.#open(user, connectMs) ?? this.#take(user))
      : (this.#take(user) ?? this.#open(user, connectMs));
  }

  #take(user: BackendUser): Http1Connection | null {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.usable) {
        this.#thread.unusedBackendConnections--;
        this.state.beginExchange();
        connection.take(user);
        return connection;
      }
      connection.retire();
    }
    return null;
  }

  #open(user: BackendUser, connectMs: number): Http1Connection | null {
    if (!this.state.tryConnect(this.#maxConnections)) return null;
    this.state.beginExchange();
    this.#thread.metrics.add(Counter.upstreamConnectionsOpened);
    return new Http1Connection(this, this.#thread.deadlines, user, connectMs);
  }

  released(connection: Http1Connection, reusable: boolean): void {
    const thread = this.#thread;
    this.state.endExchange();
    const isRoom = thread.unusedBackendConnections++ < thread.active.server.unusedBackendConnections;
    // There are only so many files: one too many cannot wait for its backend.
    if (!isRoom) connection.cut();
    else if (!reusable || this.#retired || this.spec.proxyProtocol !== null || this.#isOverfull)
      connection.retire();
    else {
      this.#idle.push(connection);
      if (this.#queue.wantsRoom) this.#queue.advance();
    }
  }

  closed(connection: Http1Connection): void {
    const index = this.#idle.lastIndexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
    if (connection.inUse) this.state.endExchange();
    else this.#thread.unusedBackendConnections--;
    this.state.disconnected();
    if (this.#queue.wantsRoom) this.#queue.advance();
  }

  /** A reload has lowered the limit. */
  get #isOverfull(): boolean {
    return this.state.connections > this.#maxConnections;
  }

  giveUpIdle(): boolean {
    const connection = this.#idle.shift();
    if (connection === undefined) return false;
    connection.retire();
    return true;
  }

  retire(): void {
    this.#retired = true;
    while (this.giveUpIdle());
  }
}
