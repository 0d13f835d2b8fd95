// One listening address of one data thread. Data threads share a port by SO_REUSEPORT: the kernel spreads connections.

import { createServer, type Socket } from "node:net";
import { getSystemErrorMessage, getSystemErrorName } from "node:util";
import type { ListenerSpec } from "../config/snapshot.ts";
import { Counter } from "../core/metrics.ts";
import { serveConnection } from "./http1/server.ts";
import { type AcceptedHandle, acceptSocket, acceptWith } from "./socket.ts";
import type { ThreadContext } from "./thread-context.ts";

const REFUSAL =
  "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n" +
  'Content-Length: 84\r\n\r\n{"error":{"code":"too_many_connections","status":503,"message":"too many clients"}}\n';

/** A refused connection is told why; it may take this long to listen. */
const REFUSAL_TIMEOUT_MS = 1000;
/** So many may do so at once, over all listeners of a data thread (control/file-limit.ts has files for them). */
const MAX_REFUSALS = 32;

export class Listener {
  readonly spec: ListenerSpec;
  readonly #thread: ThreadContext;
  readonly #server = createServer();

  constructor(spec: ListenerSpec, thread: ThreadContext) {
    this.spec = spec;
    this.#thread = thread;
  }

  /** Resolves when connections are accepted. */
  open(reusePort: boolean): Promise<void> {
    const { host, port, backlog } = this.spec;
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port, backlog, reusePort }, () => {
        this.#server.off("error", reject);
        acceptWith(this.#server, (error, handle) => {
          if (error === 0) this.#accept(handle);
          else this.#acceptFailed(error);
        });
        resolve();
      });
    });
  }

  close(): void {
    this.#server.close();
  }

  #accept(handle: AcceptedHandle): void {
    const { metrics, active } = this.#thread;
    if (!metrics.tryAcquireConnection(active.server.maxConnections)) {
      this.#refuse(acceptSocket(handle, this.#thread.readBuffer, DISCARD));
      return;
    }
    metrics.add(Counter.connectionsAccepted);
    serveConnection(handle, this.#thread);
  }

  #refuse(socket: Socket): void {
    const thread = this.#thread;
    const { metrics, reporter, active } = thread;
    metrics.add(Counter.refusedAtMaxConnections);
    reporter.report("warn", "refused connections", "connection refused: max_conn is reached", {
      max_conn: active.server.maxConnections,
      client: socket.remoteAddress ?? "",
    });
    socket.on("error", () => socket.destroy());
    if (thread.refusals >= MAX_REFUSALS) {
      socket.destroy();
      return;
    }
    thread.refusals++;
    socket.on("close", () => {
      thread.refusals--;
    });
    socket.on("end", () => socket.destroy());
    socket.setTimeout(REFUSAL_TIMEOUT_MS, () => socket.destroy());
    socket.end(REFUSAL, "latin1");
  }

  #acceptFailed(error: number): void {
    const name = getSystemErrorName(error);
    this.#thread.metrics.add(Counter.refusedAtFileLimit);
    const message = `cannot accept a connection: ${getSystemErrorMessage(error)}`;
    this.#thread.reporter.report("error", "failed accepts", message, { code: name });
  }
}

/** Reads what a refused client sends, or closing would reset the connection before the answer is read. */
const DISCARD = { receive: () => {}, failed: () => {} };
