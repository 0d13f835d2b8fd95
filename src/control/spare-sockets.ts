// Sockets for data threads that have to be started again after the gateway gave root up. Control thread.
//
// Then nobody may bind a port below 1024 any more, and no port at all that sockets of root hold: SO_REUSEPORT is for
// sockets of one user only. So some are bound beforehand, as root. As long as none listens on them, they get no connections.

import { lookup } from "node:dns/promises";
import net, { isIP } from "node:net";
import type { ListenerSpec } from "../config/snapshot.ts";

/** A data thread that ends by itself is a bug: one that happens more often wants a restart of the gateway. */
const SPARES = 8;

/** Of libuv. */
const UV_TCP_REUSEPORT = 2;

export type Place = Pick<ListenerSpec, "host" | "port">;

interface BoundSocket {
  readonly fd: number;
  close(): void;
}

/** What the cluster module of Node binds its sockets with. Returns a negative errno where that fails. */
type Bind = (host: string, port: number, family: number, fd: number, flags: number) => BoundSocket | number;

export class SpareSockets {
  readonly #sockets = new Map<string, BoundSocket[]>();

  /** The listeners are open, and their ports are real. Where a socket cannot be bound, there are fewer. */
  static async bind(listeners: readonly Place[]): Promise<SpareSockets> {
    const spares = new SpareSockets();
    for (const listener of listeners) spares.#sockets.set(keyOf(listener), await bindSpares(listener));
    return spares;
  }

  /**
   * For each listener the descriptor of a socket to listen on, or null where there is none (left). It belongs to who takes
   * it: it is not closed here any more.
   */
  take(listeners: readonly Place[]): (number | null)[] {
    return listeners.map((listener) => this.#sockets.get(keyOf(listener))?.pop()?.fd ?? null);
  }

  /** A port that is not listened on any more is free for others. */
  keepOnly(listeners: readonly Place[]): void {
    const kept = new Set(listeners.map(keyOf));
    for (const [key, sockets] of this.#sockets) {
      if (kept.has(key)) continue;
      for (const socket of sockets) socket.close();
      this.#sockets.delete(key);
    }
  }

  close(): void {
    this.keepOnly([]);
  }
}

async function bindSpares({ host, port }: Place): Promise<BoundSocket[]> {
  const { _createServerHandle: bind } = net as unknown as { readonly _createServerHandle: Bind };
  const { address, family } = isIP(host) > 0 ? { address: host, family: isIP(host) } : await lookup(host);
  const sockets: BoundSocket[] = [];
  for (let i = 0; i < SPARES; i++) {
    const socket = bind(address, port, family, -1, UV_TCP_REUSEPORT);
    if (typeof socket === "number") break;
    sockets.push(socket);
  }
  return sockets;
}

function keyOf({ host, port }: Place): string {
  return `${host} ${port}`;
}
