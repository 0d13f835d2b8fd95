// A connection that was let in, on its way to the protocol that is spoken on it. Runs in data threads.

import type { Socket } from "node:net";
import type { ClientTls } from "../core/exchange.ts";
import type { ConnectionEnds } from "../core/ip.ts";
import { type AcceptedHandle, acceptSocket, type SocketReader } from "./socket.ts";
import type { ThreadContext } from "./thread-context.ts";

export interface Arrival {
  readonly socket: Socket;
  /** Of the socket; whoever takes the connection over puts its own functions in. */
  readonly reader: SocketReader;
  /** As a PROXY protocol header named them, or null. */
  readonly namedEnds: ConnectionEnds | null;
  /** Where it is known already. */
  readonly peerAddress: string | null;
  /** It is one of those of its client in `thread.clients`. */
  readonly counted: boolean;
  /** Null on a plain connection. */
  readonly tls: ClientTls | null;
}

/** Of a connection that begins with its protocol. `counted` is the address under which it was counted, or null. */
export function plainArrival(
  accepted: AcceptedHandle,
  thread: ThreadContext,
  counted: string | null,
): Arrival {
  const reader = emptyReader();
  const socket = acceptSocket(accepted, thread.readBuffer, reader);
  return { socket, reader, namedEnds: null, peerAddress: counted, counted: counted !== null, tls: null };
}

export function emptyReader(): SocketReader {
  return { receive: noop, failed: noop };
}

function noop(): void {}
