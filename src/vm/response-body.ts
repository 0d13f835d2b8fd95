// Sends a body as it comes, of a response or of a request to an upstream, at the pace of the other side. Runs in VMs.

import { MAX_PIECE_BYTES } from "../wire/frames.ts";

/** Who the body is sent for. */
export interface BodyWriter {
  /** Bytes that may be sent now. */
  readonly credit: number;
  sendBody(piece: Uint8Array): void;
  sendEnd(): void;
  breakOff(error: unknown): void;
}

export class ResponseBody {
  /** Null where the body is at hand. */
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | null;
  readonly #bytes: Uint8Array | null;
  readonly #writer: BodyWriter;
  #onCredit: (() => void) | null = null;
  #cancelled = false;

  constructor(body: ReadableStream<Uint8Array> | Uint8Array, writer: BodyWriter) {
    this.#reader = body instanceof Uint8Array ? null : body.getReader();
    this.#bytes = body instanceof Uint8Array ? body : null;
    this.#writer = writer;
  }

  async start(): Promise<void> {
    try {
      if (this.#bytes !== null && !(await this.#send(this.#bytes))) return;
      while (this.#reader !== null) {
        const { done, value } = await this.#reader.read();
        if (this.#cancelled) return;
        if (done) break;
        if (!(value instanceof Uint8Array))
          throw new TypeError(`a body of ${typeof value}: expected Uint8Array`);
        if (!(await this.#send(value))) return;
      }
      this.#writer.sendEnd();
    } catch (error) {
      if (!this.#cancelled) this.#writer.breakOff(error);
    }
  }

  onCredit(): void {
    const onCredit = this.#onCredit;
    this.#onCredit = null;
    onCredit?.();
  }

  cancel(reason: unknown): void {
    this.#cancelled = true;
    this.onCredit();
    this.#reader?.cancel(reason).catch(() => {});
  }

  /** Returns false when nobody wants the rest. */
  async #send(piece: Uint8Array): Promise<boolean> {
    let at = 0;
    while (at < piece.length) {
      const room = Math.min(this.#writer.credit, MAX_PIECE_BYTES);
      if (room > 0) {
        this.#writer.sendBody(piece.subarray(at, at + room));
        at += room;
      } else {
        await new Promise<void>((resolve) => {
          this.#onCredit = resolve;
        });
        if (this.#cancelled) return false;
      }
    }
    return true;
  }
}
