// Stands between the IPC channel of a VM and Node, which believes whatever comes: one line that is no JSON would be an
// exception that nobody catches, and a line without an end would fill the memory. Control thread.

import type { ChildProcess } from "node:child_process";

/** Of a channel, as Node has it inside. */
interface Handle {
  onread: (this: Handle, bytes: ArrayBuffer | undefined) => unknown;
  readStop(): number;
  ref(): void;
}

/** The longest message. */
const MOST_BYTES = 1_048_576;
/** In one second. What a VM says with `console` is limited there already. */
const MOST_BYTES_PER_SECOND = 8_388_608;
const SECOND_MS = 1000;
const LF = 10;
/** What Node in a VM says by itself: it took a socket, or could not. */
const OF_NODE: readonly unknown[] = ["NODE_HANDLE_ACK", "NODE_HANDLE_NACK"];

/** `onFault`: the channel is not read any more. */
export function guardChannel(child: ChildProcess, onFault: (why: string) => void): void {
  const handle = handleOf(child);
  guardOwnMessages(child, onFault);
  const { onread } = handle;
  let unfinished = 0;
  let read = 0;
  let since = performance.now();
  const stop = (why: string) => {
    handle.readStop();
    onFault(why);
  };
  handle.onread = function (bytes) {
    if (bytes !== undefined) {
      const now = performance.now();
      if (now > since + SECOND_MS) {
        since = now;
        read = 0;
      }
      read += bytes.byteLength;
      const end = new Uint8Array(bytes).lastIndexOf(LF);
      unfinished = end < 0 ? unfinished + bytes.byteLength : bytes.byteLength - end - 1;
      if (unfinished > MOST_BYTES) return stop(`a message of more than ${MOST_BYTES} bytes`);
      if (read > MOST_BYTES_PER_SECOND) return stop(`more than ${MOST_BYTES_PER_SECOND} bytes in a second`);
    }
    try {
      return onread.call(this, bytes);
    } catch {
      return stop("what is no message");
    }
  };
}

/** Node asserts that what it says to itself makes sense, and takes sockets and servers that are sent to it. */
function guardOwnMessages(child: ChildProcess, onFault: (why: string) => void): void {
  const [own] = child.rawListeners("internalMessage") as [(message: unknown, handle: unknown) => void];
  child.removeAllListeners("internalMessage");
  child.on("internalMessage", (message: { readonly cmd?: unknown }, handle: Closable | undefined) => {
    if (handle === undefined && OF_NODE.includes(message.cmd)) {
      try {
        own.call(child, message, handle);
        return;
      } catch {
        // It took what was never sent.
      }
    }
    handle?.close();
    onFault("what only Node says");
  });
}

interface Closable {
  close(): void;
}

/** Node hides it, but calls it: `ref` of the channel is that of the handle. */
function handleOf(child: ChildProcess): Handle {
  const { _handle } = child.stdout as unknown as { readonly _handle: Handle };
  const pipe = Object.getPrototypeOf(_handle) as Handle;
  const inherited = pipe.ref;
  const own = Object.getOwnPropertyDescriptor(pipe, "ref");
  let found: Handle | null = null;
  const ref = function (this: Handle): void {
    found = this;
    inherited.call(this);
  };
  Object.defineProperty(pipe, "ref", { value: ref, configurable: true });
  child.channel?.ref();
  if (own === undefined) delete (pipe as Partial<Handle>).ref;
  else Object.defineProperty(pipe, "ref", own);
  if (found === null) throw new Error("Cannot guard the channel of a VM: this Node keeps it elsewhere");
  return found;
}
