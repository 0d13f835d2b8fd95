// One listening address of one data thread. Data threads share a port by SO_REUSEPORT: the kernel spreads connections.

import { createServer, type Socket } from "node:net";
import { getSystemErrorMessage, getSystemErrorName } from "node:util";
import type { ListenerSpec } from "../config/snapshot.ts";
import { plainAddress } from "../core/ip.ts";
import { Counter } from "../core/metrics.ts";
import type { ActiveSnapshot } from "./active-snapshot.ts";
import { plainArrival } from "./arrival.ts";
import { IncomingConnection } from "./incoming.ts";
import { admitClient, refuse, TOO_MANY_CLIENTS, TOO_MANY_OF_CLIENT } from "./refusal.ts";
import { serve } from "./serve.ts";
import { type AcceptedHandle, acceptSocket, acceptWith } from "./socket.ts";
import type { ThreadContext } from "./thread-context.ts";
import type { TlsServer } from "./tls/server.ts";

export class Listener {
  readonly spec: ListenerSpec;
  readonly #thread: ThreadContext;
  readonly #server = createServer();
  /** Of the snapshot that was looked at last: a reload may change them while the listener stays open. */
  #proxyProtocol: boolean;
  #h2c: boolean;
  #tls: TlsServer | null;
  #seen: ActiveSnapshot | null = null;

  /** `tls` serves it until a snapshot is active that has the listener. */
  constructor(spec: ListenerSpec, thread: ThreadContext, tls: TlsServer | null) {
    this.spec = spec;
    this.#thread = thread;
    this.#tls = tls;
    this.#proxyProtocol = spec.proxyProtocol;
    this.#h2c = spec.h2c;
  }

  /** Resolves when connections are accepted, on the socket that is bound already where one is given. */
  open(reusePort: boolean, socket: number | null): Promise<void> {
    const { host, port, backlog } = this.spec;
    const place = socket === null ? { host, port, reusePort } : { fd: socket };
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ ...place, backlog }, () => {
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
    const thread = this.#thread;
    const { metrics, active } = thread;
    if (active !== this.#seen) this.#adopt(active);
    const { maxConnections, maxConnectionsPerClient } = active.server;
    if (!metrics.tryAcquireConnection(maxConnections)) {
      this.#refuse(handle);
      return;
    }
    let counted: string | null = null;
    // Behind a PROXY protocol header the client is known later.
    if (maxConnectionsPerClient !== null && !this.#proxyProtocol) {
      const client = peerAddressOf(handle);
      const admission = admitClient(thread, client, maxConnectionsPerClient);
      if (admission === "refused") {
        metrics.releaseConnection();
        this.#tell(acceptSocket(handle, thread.readBuffer, DISCARD), TOO_MANY_OF_CLIENT);
        return;
      }
      if (admission === "counted") counted = client;
    }
    metrics.add(Counter.connectionsAccepted);
    if (this.#proxyProtocol || this.#tls !== null) {
      const opening = { proxyProtocol: this.#proxyProtocol, tls: this.#tls, h2c: this.#h2c };
      new IncomingConnection(handle, thread, opening, counted);
    } else serve(plainArrival(handle, thread, counted), thread, this.#h2c);
  }

  #refuse(handle: AcceptedHandle): void {
    const thread = this.#thread;
    const { metrics, reporter, active } = thread;
    const socket = acceptSocket(handle, thread.readBuffer, DISCARD);
    metrics.add(Counter.refusedAtMaxConnections);
    reporter.report("warn", "refused connections", "connection refused: max_conn is reached", {
      max_conn: active.server.maxConnections,
      client: plainAddress(socket.remoteAddress ?? ""),
    });
    this.#tell(socket, TOO_MANY_CLIENTS);
  }

  /** Who speaks TLS could not read it. */
  #tell(socket: Socket, message: string): void {
    if (this.#tls === null) refuse(socket, this.#thread, message);
    else socket.destroy();
  }

  #adopt(active: ActiveSnapshot): void {
    this.#seen = active;
    const { host, port } = this.spec;
    // A listener that is about to be opened, or closed, is not in it.
    const spec = active.server.listeners.find((found) => found.host === host && found.port === port);
    if (spec === undefined) return;
    this.#proxyProtocol = spec.proxyProtocol;
    this.#h2c = spec.h2c;
    this.#tls = active.tlsServers.get(spec.tls) ?? null;
  }

  #acceptFailed(error: number): void {
    const name = getSystemErrorName(error);
    this.#thread.metrics.add(Counter.refusedAtFileLimit);
    const message = `cannot accept a connection: ${getSystemErrorMessage(error)}`;
    this.#thread.reporter.report("error", "failed accepts", message, { code: name });
  }
}

/** Of a connection that has no socket yet; empty where the client has gone already. */
function peerAddressOf(handle: AcceptedHandle): string {
  const peer: { address?: string } = {};
  (handle as unknown as { getpeername(out: object): number }).getpeername(peer);
  return plainAddress(peer.address ?? "");
}

/** Reads what a refused client sends. */
const DISCARD = { receive: () => {}, failed: () => {} };
