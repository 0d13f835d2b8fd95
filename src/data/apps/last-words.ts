// What a VM has sent before it ended is read, also where the gateway finds out by a write that fails: `node:net` closes the
// socket then, with all that is unread in it, and a frame that says that a handler was begun may be there. Data threads.

import { readSync } from "node:fs";
import type { Socket } from "node:net";
import type { Receive } from "../socket.ts";

const BUFFER_BYTES = 65_536;

/** Reads what is left whenever the socket is about to be closed by something else than an end. */
export function readLastWords(socket: Socket, receive: Receive): void {
  const destroy = socket._destroy;
  socket._destroy = function (this: Socket, error, callback) {
    const { _handle: handle } = socket as unknown as { _handle: { fd?: number } | null };
    const fd = handle?.fd ?? -1;
    if (error !== null && fd >= 0) readRest(fd, receive);
    destroy.call(this, error, callback);
  };
}

function readRest(fd: number, receive: Receive): void {
  // Not the buffer of the thread: there may be a chunk in it that is being read.
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  try {
    for (let bytes = readSync(fd, buffer); bytes > 0; bytes = readSync(fd, buffer))
      receive(buffer.subarray(0, bytes));
  } catch {
    // Nothing is left (EAGAIN), or the connection was reset.
  }
}
