// The connections of one data thread to one backend. The last one used is the first to be used again, so that
// a pool shrinks to what the load needs; unused ones are retired before a backend would close them.

import type { BackendSpec } from "../../config/snapshot.ts";
import type { Deadlines } from "../../core/deadlines.ts";
import { BackendConnection, type BackendUser, type ConnectionHome } from "../http1/client.ts";
import type { SendBuffer } from "../socket.ts";
import type { ThreadContext } from "../thread-context.ts";

export class BackendPool implements ConnectionHome {
  readonly spec: BackendSpec;
  readonly readBuffer: Buffer;
  readonly sendBuffer: SendBuffer;
  readonly #deadlines: Deadlines;
  readonly #idle: BackendConnection[] = [];
  #retired = false;

  constructor(spec: BackendSpec, thread: Pick<ThreadContext, "deadlines" | "readBuffer" | "sendBuffer">) {
    this.spec = spec;
    this.readBuffer = thread.readBuffer;
    this.sendBuffer = thread.sendBuffer;
    this.#deadlines = thread.deadlines;
  }

  /** A connection that can be used at once, or null. */
  take(user: BackendUser): BackendConnection | null {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.usable) {
        connection.take(user);
        return connection;
      }
      connection.destroy();
    }
    return null;
  }

  /** A new connection; the user hears `onConnected` or `onBackendFailed`. */
  open(user: BackendUser, connectMs: number): BackendConnection {
    return new BackendConnection(this, this.#deadlines, user, connectMs);
  }

  released(connection: BackendConnection): void {
    if (this.#retired) connection.destroy();
    else this.#idle.push(connection);
  }

  closed(connection: BackendConnection): void {
    const index = this.#idle.lastIndexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
  }

  /** No snapshot uses this backend any more: what is idle goes now, the rest when its response ended. */
  retire(): void {
    this.#retired = true;
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }
}
