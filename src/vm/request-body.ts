// A body as it comes over the link, of a request or of the response of an upstream: granted piece by piece, as it is read.
// Runs in VMs.

import { FrameType } from "../wire/frames.ts";
import type { GatewayLink } from "./gateway-link.ts";
import type { BodySource } from "./http/request-source.ts";

export class RequestBody implements BodySource {
  /** Where all of it came with the head. */
  readonly whole: Uint8Array | null;
  readonly length: number | null;
  readonly #onCancel: (() => void) | null;
  readonly #link: GatewayLink;
  readonly #stream: number;
  readonly #pieces: Uint8Array[] = [];
  #ended: boolean;
  #failure: { readonly reason: unknown } | null = null;
  #reading: PromiseWithResolvers<Uint8Array | null> | null = null;
  #given = false;

  constructor(
    link: GatewayLink,
    stream: number,
    known: { readonly whole: Uint8Array | null; readonly length: number | null },
    onCancel: (() => void) | null = null,
  ) {
    this.whole = known.whole;
    this.length = known.length;
    this.#onCancel = onCancel;
    this.#link = link;
    this.#stream = stream;
    this.#ended = known.whole !== null;
  }

  async read(): Promise<Uint8Array | null> {
    if (this.whole !== null && !this.#given) {
      this.#given = true;
      return this.whole;
    }
    const piece = this.#pieces.shift();
    if (piece !== undefined) {
      this.#grant(piece.length);
      return piece;
    }
    if (this.#failure !== null) throw this.#failure.reason;
    if (this.#ended) return null;
    this.#reading = Promise.withResolvers();
    return await this.#reading.promise;
  }

  cancel(): void {
    this.#pieces.length = 0;
    this.#onCancel?.();
  }

  add(piece: Uint8Array): void {
    const reading = this.#reading;
    this.#reading = null;
    if (reading === null) this.#pieces.push(piece);
    else {
      this.#grant(piece.length);
      reading.resolve(piece);
    }
  }

  end(): void {
    this.#ended = true;
    this.#reading?.resolve(null);
    this.#reading = null;
  }

  /** The response is out: nobody sends the rest of the request any more. */
  exchangeEnded(): void {
    if (!this.#ended) this.fail(new Error("the response was sent before the request was read"));
  }

  fail(reason: unknown): void {
    if (this.#ended) return;
    this.#failure = { reason };
    this.#reading?.reject(reason);
    this.#reading = null;
  }

  #grant(bytes: number): void {
    if (this.#ended || this.#failure !== null) return;
    this.#link.writer.number(FrameType.credit, this.#stream, bytes);
  }
}
