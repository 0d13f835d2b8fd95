// The HTTP/2 sessions of one data thread to one backend. An exchange takes a place among `max_conn`, as it does with HTTP/1.1;
// sessions are opened as the exchanges need them, the first one that has room is filled up first.

import type { BackendSpec } from "../../config/snapshot.ts";
import { Counter } from "../../core/metrics.ts";
import { BackendShare } from "../../core/shared/backend-state.ts";
import { BackendSession, type SessionHome } from "../http2/backend-session.ts";
import { BackendStream, type StreamHome } from "../http2/backend-stream.ts";
import type { ThreadContext } from "../thread-context.ts";
import { TlsClient } from "../tls-client.ts";
import type { BackendConnection, BackendUser } from "./backend-connection.ts";
import type { BackendPool } from "./pool.ts";
import type { Queue } from "./queue.ts";

/** RFC 9113 section 6.5.2: no backend should allow fewer streams. What it does allow is known later. */
const USUAL_STREAMS = 100;

export class Http2Pool implements BackendPool, SessionHome, StreamHome {
  readonly spec: BackendSpec;
  readonly state: BackendShare;
  readonly tls: TlsClient | null;
  readonly thread: ThreadContext;
  /** Those that take streams, or will when they are open. */
  readonly #sessions: BackendSession[] = [];
  #queue: Queue;
  #maxExchanges: number;
  #connectMs = 0;
  #expectedStreams = USUAL_STREAMS;
  keepsUnused = true;

  constructor(spec: BackendSpec, queue: Queue, thread: ThreadContext) {
    this.spec = spec;
    this.state = new BackendShare(spec.shared, thread.index);
    this.tls = spec.tls === null ? null : new TlsClient(spec.tls, spec, "h2");
    this.thread = thread;
    this.#queue = queue;
    this.#maxExchanges = spec.maxConnections;
  }

  adopt(spec: BackendSpec, queue: Queue): void {
    this.#maxExchanges = spec.maxConnections;
    this.#queue = queue;
  }

  get hasRoom(): boolean {
    return this.state.connections < this.#maxExchanges;
  }

  get mayOpen(): boolean {
    return this.hasRoom && this.state.up;
  }

  acquire(user: BackendUser, connectMs: number, preferNew: boolean): BackendConnection | null {
    if (!this.state.tryConnect(this.#maxExchanges)) return null;
    this.state.beginExchange();
    this.#connectMs = connectMs;
    const stream = new BackendStream(this, this.thread.deadlines, user);
    this.#sessionFor(preferNew).join(stream);
    return stream;
  }

  /** No session is counted, and an exchange that ended has given its place back. */
  giveUpIdle(): boolean {
    return false;
  }

  retire(): void {
    this.keepsUnused = false;
    for (const session of [...this.#sessions]) if (session.users === 0) session.drain();
  }

  #sessionFor(preferNew: boolean): BackendSession {
    for (const session of this.#sessions) {
      if (session.hasRoom(this.#expectedStreams) && !(preferNew && session.mayBeStale)) return session;
    }
    this.thread.metrics.add(Counter.upstreamConnectionsOpened);
    const session = new BackendSession(this, this.#connectMs);
    this.#sessions.push(session);
    return session;
  }

  // ---- from sessions and streams ----

  place(stream: BackendStream): void {
    this.#sessionFor(false).join(stream);
  }

  streamsAllowed(count: number): void {
    this.#expectedStreams = Math.max(1, count);
  }

  sessionOver(session: BackendSession): void {
    const index = this.#sessions.indexOf(session);
    if (index >= 0) this.#sessions.splice(index, 1);
  }

  streamOver(): void {
    this.state.endExchange();
    this.state.disconnected();
    if (this.#queue.wantsRoom) this.#queue.advance();
  }
}
