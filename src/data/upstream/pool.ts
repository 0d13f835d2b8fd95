// What one data thread has of connections to one backend, whichever protocol they speak.

import type { BackendSpec } from "../../config/snapshot.ts";
import type { BackendShare } from "../../core/shared/backend-state.ts";
import type { ThreadContext } from "../thread-context.ts";
import type { BackendConnection, BackendUser } from "./backend-connection.ts";
import { Http1Pool } from "./http1-pool.ts";
import { Http2Pool } from "./http2-pool.ts";
import type { Queue } from "./queue.ts";

export interface BackendPool {
  readonly spec: BackendSpec;
  readonly state: BackendShare;
  /** Whether `acquire` has something to give. */
  readonly hasRoom: boolean;
  /** Whether any thread might open a connection. */
  readonly mayOpen: boolean;
  /** The snapshot that serves has this backend, maybe with another limit or another queue. */
  adopt(spec: BackendSpec, queue: Queue): void;
  /**
   * A connection that is `usable` at once, or a new one whose user hears `onConnected` or `onBackendFailed`; null when
   * all threads together have `max_conn`. `preferNew`: an unused one may have been closed by the backend already.
   */
  acquire(user: BackendUser, connectMs: number, preferNew: boolean): BackendConnection | null;
  /** Closes one unused connection, so that another thread may open one. Returns false when there is none. */
  giveUpIdle(): boolean;
  /** No snapshot uses this backend any more: what is idle goes now, the rest when its response ended. */
  retire(): void;
}

/** Throws where the certificates of the file cannot be used. */
export function createPool(spec: BackendSpec, queue: Queue, thread: ThreadContext): BackendPool {
  return spec.protocol === "h2" ? new Http2Pool(spec, queue, thread) : new Http1Pool(spec, queue, thread);
}
