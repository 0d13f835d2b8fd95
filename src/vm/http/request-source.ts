// What the link gives the light Request of a VM, and what leaves again: nothing here knows of frames. VM processes.

/** What a request is made of. */
export interface RequestSource {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  /** latin1 text, `name: value\r\n` for each field, already validated by the gateway. */
  readonly headerLines: string;
  readonly body: BodySource | null;
  /** Made on first use. */
  signal(): AbortSignal;
}

export interface BodySource {
  /** The whole body if it is at hand already (small bodies come with the head), else null. Nobody may change it. */
  readonly whole: Uint8Array | null;
  /** Bytes of all of it, where somebody has said. */
  readonly length?: number | null;
  /**
   * The next piece, or null at the end. Rejects when the client went away. Asking is what gives credit.
   * A piece is the reader's own: its memory may be passed on.
   */
  read(): Promise<Uint8Array | null>;
  /** Nobody reads on. */
  cancel(): void;
}

/** What leaves for the gateway, or for one of its upstreams. */
export type BodyParts = null | string | Uint8Array | ReadableStream<Uint8Array>;
