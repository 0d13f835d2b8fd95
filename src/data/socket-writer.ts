// Writes to one socket. What is small goes to a plain socket without what `Writable` does around a write, while the kernel
// takes all of it: a tenth of the CPU of a small response. All else goes through `Writable`.

import type { Socket } from "node:net";
import { getSystemErrorName } from "node:util";
import { READ_BUFFER_BYTES } from "./socket.ts";

/** Up to this size a piece leaves with the text around it as one, which is cheaper than in two. */
export const SMALL_PIECE_BYTES = 16_384;

/**
 * Copies of what is on its way out. The kernel nearly always takes a copy at once, so that one buffer serves all of
 * them, and is in the cache. One that has to wait, as every one does for a moment under TLS, keeps its part of it; where
 * that is used up there is another one.
 */
export class SendBuffer {
  #buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  /** Before this are copies that wait. */
  #start = 0;
  #end = 0;

  /** Valid until `sent`, which has to follow when the copy was written. */
  copy(chunk: Buffer): Buffer {
    if (chunk.length > READ_BUFFER_BYTES) return Buffer.from(chunk);
    if (chunk.length > READ_BUFFER_BYTES - this.#start) {
      this.#buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
      this.#start = 0;
    }
    this.#end = this.#start + chunk.copy(this.#buffer, this.#start);
    return this.#buffer.subarray(this.#start, this.#end);
  }

  sent(socket: { readonly writableLength: number }): void {
    if (socket.writableLength > 0) this.#start = this.#end;
  }
}

/** What of the handle of a `net.Socket` is used here: `node:net` itself writes in this way, since Node 26. */
interface WriteHandle {
  /** Returns 0 where the kernel took all of it, a negative errno, or an object: libuv holds the rest, and writes it. */
  writeLatin1String(request: null, text: string): unknown;
}

const WRITES_TO_HANDLE = process.versions.node.startsWith("26.");

export class SocketWriter {
  readonly #socket: Socket;
  readonly #sendBuffer: SendBuffer;
  /**
   * Not over TLS, nor to who once did not take all at once: what waits in the handle is not in `writableLength`
   * (`unsentBytes` knows of it), so that only `socket.write` can say from then on that the other side is slow. What is
   * written keeps its order either way.
   */
  #writesAtOnce: boolean;

  constructor(socket: Socket, sendBuffer: SendBuffer, isTls: boolean) {
    this.#socket = socket;
    this.#sendBuffer = sendBuffer;
    this.#writesAtOnce = WRITES_TO_HANDLE && !isTls;
  }

  /** latin1 text of at most a few KB beside a small piece. */
  text(text: string): void {
    const socket = this.#socket;
    const { _handle: handle } = socket as unknown as { _handle: WriteHandle | null };
    if (!this.#writesAtOnce || handle === null || socket.connecting || socket.writableLength > 0) {
      socket.write(text, "latin1");
      return;
    }
    const result = handle.writeLatin1String(null, text);
    if (typeof result !== "number") this.#writesAtOnce = false;
    else if (result < 0) socket.destroy(new Error(`write ${getSystemErrorName(result)}`));
  }

  /**
   * A piece with latin1 text before and behind it: one write if it is small, one gathered write if it is large. It is
   * copied, unless it is `lent`: then it has to stay as it is until all is out.
   */
  piece(before: string, piece: Buffer, after: string, lent = false): void {
    if (piece.length <= SMALL_PIECE_BYTES) {
      this.text(before + piece.toString("latin1") + after);
      return;
    }
    const socket = this.#socket;
    if (lent && before === "" && after === "") {
      socket.write(piece);
      return;
    }
    const sendBuffer = this.#sendBuffer;
    socket.cork();
    if (before !== "") socket.write(before, "latin1");
    socket.write(lent ? piece : sendBuffer.copy(piece));
    if (after !== "") socket.write(after, "latin1");
    socket.uncork();
    sendBuffer.sent(socket);
  }
}
