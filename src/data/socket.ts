// Sockets that all read into one buffer of their data thread, instead of a new one for every read: a quarter less CPU per
// proxied request (bench/README.md). The price: a chunk is valid during the call only; who keeps it copies it.

import { connect, type Server, Socket } from "node:net";
import type { BackendSpec } from "../config/snapshot.ts";
import type { TlsClient } from "./tls-client.ts";

export const READ_BUFFER_BYTES = 65_536;

/** Gets the bytes of a socket, as a view of the thread's read buffer. */
export type Receive = (chunk: Buffer) => void;

/** Its functions may be replaced by those of who takes the socket over. */
export interface SocketReader {
  receive: Receive;
  /** `receive` threw: a bug ends its connection, not the thread with all the others. */
  failed: (bug: unknown) => void;
}

/** Where a socket is to connect to. */
export type Place = Pick<BackendSpec, "host" | "port" | "socketPath">;

/** With `tls` it is a TLS connection (tls-client.ts). */
export function connectSocket(
  place: Place,
  tls: TlsClient | null,
  buffer: Buffer,
  reader: SocketReader,
): Socket {
  const options = { ...addressOf(place), onread: onReadOf(buffer, reader) };
  return tls === null ? connect(options) : tls.connect(options);
}

/** For who reads in another way than into the buffer of the thread. */
export function connectUnread(place: Place, tls: TlsClient | null): Socket {
  return tls === null ? connect(addressOf(place)) : tls.connect(addressOf(place));
}

function addressOf({
  host,
  port,
  socketPath,
}: Place): { path: string } | { host: string; port: number; noDelay: boolean } {
  return socketPath === null ? { host, port, noDelay: true } : { path: socketPath };
}

/** A connection that no socket was made for yet. */
export interface AcceptedHandle {
  setNoDelay(on: boolean): unknown;
}

/**
 * Hands the connections of a listening server over before `node:net` makes sockets of them: it has `onread` for sockets
 * that connect only, and a second socket for each connection would make accepting twice as slow. `accept` gets a handle
 * for `acceptSocket`, or the negated errno of a failed accept.
 */
export function acceptWith(server: Server, accept: (error: number, handle: AcceptedHandle) => void): void {
  const listening = server as unknown as { _handle: { onconnection: typeof accept } };
  listening._handle.onconnection = accept;
}

/** Half-open: a client's FIN is ours to judge (http1/server.ts). */
export function acceptSocket(handle: AcceptedHandle, buffer: Buffer, reader: SocketReader): Socket {
  handle.setNoDelay(true);
  const options = { handle, allowHalfOpen: true, onread: onReadOf(buffer, reader) };
  return new Socket(options as unknown as ConstructorParameters<typeof Socket>[0]);
}

/**
 * Takes the connection back from a socket that nobody uses from then on, as `node:child_process` does to send one to
 * another process. Null where it is gone.
 */
export function detachHandle(socket: Socket): AcceptedHandle | null {
  const owner = socket as unknown as { _handle: (AcceptedHandle & { onread: () => void }) | null };
  const handle = owner._handle;
  if (handle !== null) handle.onread = () => {};
  owner._handle = null;
  return handle;
}

/**
 * Grows less with every byte that the kernel takes. `writableLength` alone does not: it has all of a piece until all of the
 * piece is out.
 */
export function unsentBytes(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { _handle: { writeQueueSize?: number } | null };
  return socket.writableLength + (handle?.writeQueueSize ?? 0);
}

/** Views of the first bytes of a buffer, by how many: every read of so many is the same one again. */
const views = new WeakMap<Buffer, Array<Buffer | undefined>>();
/** Longer reads get a view of their own. */
const MOST_KEPT_VIEW_BYTES = 2048;

/** The `onread` of a socket's options. */
export function onReadOf(buffer: Buffer, reader: SocketReader) {
  let known = views.get(buffer);
  if (known === undefined) {
    known = new Array<Buffer | undefined>(MOST_KEPT_VIEW_BYTES + 1);
    views.set(buffer, known);
  }
  const kept = known;
  return {
    buffer,
    callback: (bytes: number): boolean => {
      try {
        reader.receive(viewOf(buffer, kept, bytes));
      } catch (bug) {
        reader.failed(bug);
      }
      return true;
    },
  };
}

function viewOf(buffer: Buffer, known: Array<Buffer | undefined>, bytes: number): Buffer {
  if (bytes > MOST_KEPT_VIEW_BYTES) return buffer.subarray(0, bytes);
  known[bytes] ??= buffer.subarray(0, bytes);
  return known[bytes];
}
