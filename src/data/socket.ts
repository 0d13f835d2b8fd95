// Sockets that all read into one buffer of their data thread, instead of a new one for every read: a quarter less CPU per
// proxied request (bench/README.md). The price: a chunk is valid during the call only; who keeps it copies it.

import { connect, Socket } from "node:net";
import type { BackendSpec } from "../config/snapshot.ts";

export const READ_BUFFER_BYTES = 65_536;

/** Gets the bytes of a socket, as a view of the thread's read buffer. */
export type Receive = (chunk: Buffer) => void;

export function connectSocket(spec: BackendSpec, buffer: Buffer, receive: Receive): Socket {
  const { host, port, socketPath } = spec;
  const onread = onReadOf(buffer, receive);
  return connect(socketPath === null ? { host, port, noDelay: true, onread } : { path: socketPath, onread });
}

/**
 * Takes the connection over from a socket that was accepted with `pauseOnConnect`. `node:net` has `onread` for sockets that
 * connect only, so the connection moves to a socket made here. The old one is left without it.
 */
export function adoptSocket(accepted: Socket, buffer: Buffer, receive: Receive): Socket {
  const old = accepted as unknown as { _handle: unknown };
  const options = { handle: old._handle, allowHalfOpen: true, onread: onReadOf(buffer, receive) };
  old._handle = null;
  return new Socket(options as ConstructorParameters<typeof Socket>[0]);
}

function onReadOf(buffer: Buffer, receive: Receive) {
  return {
    buffer,
    callback: (bytes: number): boolean => {
      receive(buffer.subarray(0, bytes));
      return true;
    },
  };
}
