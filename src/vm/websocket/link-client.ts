// The client of a WebSocket at the other end of a link: messages cross it by credit, both ways. VM processes.

import { readNumber } from "../../wire/frame-reader.ts";
import {
  FrameType,
  MAX_PIECE_BYTES,
  MESSAGE_MORE,
  MESSAGE_TEXT,
  MESSAGE_WINDOW_BYTES,
  MOST_MESSAGE_BYTES,
  messageCost,
} from "../../wire/frames.ts";
import type { GatewayLink, LinkUser } from "../gateway-link.ts";
import type { Closing } from "./events.ts";
import type { Client, Half, Message } from "./half.ts";

const NO_CLOSE_FRAME = 1006;
const TRY_AGAIN_LATER = 1013;

export class LinkClient implements LinkUser, Client {
  readonly #link: GatewayLink;
  readonly #stream: number;
  /** The app's. */
  readonly #half: Half;
  /** On top of this come answers to what may be under way to the app already, so that an echo is never over it. */
  readonly #maxBufferedBytes: number;
  /** The first parts of a message that is not whole. */
  #parts: Uint8Array<ArrayBuffer>[] = [];
  /** What may be granted again. */
  #taken = 0;
  #credit = MESSAGE_WINDOW_BYTES;
  /** Messages for the client; of the first one `#sent` bytes are out. */
  #queue: { readonly bytes: Uint8Array; readonly isText: boolean }[] = [];
  #sent = 0;
  #closing: { readonly code: number; readonly reason: string } | null = null;
  #over = false;
  bufferedBytes = 0;

  constructor(link: GatewayLink, stream: number, half: Half, maxBufferedBytes: number) {
    this.#link = link;
    this.#stream = stream;
    this.#half = half;
    this.#maxBufferedBytes = maxBufferedBytes;
  }

  // ---- from the app ----

  message(message: Message): void {
    if (this.#over) return;
    // One message may be of any length: it is on its way, and does not count.
    const underWay = this.#queue[0]?.bytes.length ?? 0;
    if (this.bufferedBytes - underWay > this.#maxBufferedBytes + MOST_MESSAGE_BYTES) {
      this.#giveUp();
      return;
    }
    const isText = typeof message === "string";
    const bytes = isText ? Buffer.from(message) : message;
    this.bufferedBytes += messageCost(bytes.length);
    this.#queue.push({ bytes, isText });
    this.#sendQueued();
  }

  close(code: number, reason: string): void {
    if (this.#over) return;
    this.#closing = { code, reason };
    this.#sendQueued();
  }

  accepted(): void {
    this.#grant();
  }

  #sendQueued(): void {
    const { writer } = this.#link;
    while (this.#credit > 0) {
      const first = this.#queue[0];
      if (first === undefined) break;
      const { bytes, isText } = first;
      const end = Math.min(this.#sent + MAX_PIECE_BYTES, bytes.length);
      const isLast = end === bytes.length;
      const flags = (isText ? MESSAGE_TEXT : 0) | (isLast ? 0 : MESSAGE_MORE);
      const piece = bytes.subarray(this.#sent, end);
      writer.flagged(FrameType.message, this.#stream, flags, piece);
      this.#credit -= messageCost(piece.length);
      this.bufferedBytes -= piece.length;
      this.#sent = end;
      if (!isLast) continue;
      this.bufferedBytes -= messageCost(0);
      this.#sent = 0;
      this.#queue.shift();
    }
    if (this.#closing === null || this.#queue.length > 0) return;
    const { code, reason } = this.#closing;
    this.#closing = null;
    const payload = Buffer.concat([Buffer.alloc(2), Buffer.from(reason)]);
    payload.writeUInt16LE(code, 0);
    writer.bytes(FrameType.close, this.#stream, payload);
  }

  /** The client takes less than the app sends. */
  #giveUp(): void {
    const reason = "too much waits for the client";
    this.#link.writer.text(FrameType.abort, this.#stream, `${TRY_AGAIN_LATER} ${reason}`);
    this.#end();
    this.#half.receiveSoon({ code: TRY_AGAIN_LATER, reason, wasClean: false, error: reason });
  }

  // ---- from the client ----

  onFrame(type: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case FrameType.message:
        this.#onMessage(bytes, start, end);
        break;
      case FrameType.credit:
        this.#credit += readNumber(bytes, start);
        this.#sendQueued();
        this.#grant();
        break;
      case FrameType.close: {
        const reason = bytes.toString("utf8", start + 2, end);
        this.#closed({ code: bytes.readUInt16LE(start), reason, wasClean: true, error: null });
        break;
      }
      case FrameType.abort: {
        const text = bytes.toString("utf8", start, end);
        const code = Number.parseInt(text, 10) || NO_CLOSE_FRAME;
        const reason = text.slice(text.indexOf(" ") + 1);
        const error = code === NO_CLOSE_FRAME ? null : reason;
        this.#closed({ code, reason, wasClean: false, error });
        break;
      }
    }
  }

  onLinkEnded(): void {
    const reason = "the link to the gateway closed";
    this.#closed({ code: NO_CLOSE_FRAME, reason, wasClean: false, error: null });
  }

  #onMessage(bytes: Buffer, start: number, end: number): void {
    const flags = bytes[start]!;
    this.#taken += messageCost(end - start - 1);
    const isText = (flags & MESSAGE_TEXT) !== 0;
    const isLast = (flags & MESSAGE_MORE) === 0;
    if (isLast && isText && this.#parts.length === 0)
      this.#half.receive(bytes.toString("utf8", start + 1, end));
    else {
      // A copy: the payload is gone after the call.
      this.#parts.push(new Uint8Array(bytes.subarray(start + 1, end)));
      if (isLast) {
        const message = joined(this.#parts);
        this.#parts = [];
        this.#half.receive(isText ? Buffer.from(message.buffer).toString("utf8") : message);
      }
    }
    this.#grant();
  }

  /**
   * Not before the app accepts, nor while much of what it has sent waits: so a client is slowed down that asks for more than
   * it takes.
   */
  #grant(): void {
    if (this.#over || !this.#half.isAccepted || this.#taken < MESSAGE_WINDOW_BYTES / 2) return;
    if (this.bufferedBytes > this.#maxBufferedBytes / 2) return;
    this.#link.writer.number(FrameType.credit, this.#stream, this.#taken);
    this.#taken = 0;
  }

  #closed(closing: Closing): void {
    if (this.#over) return;
    this.#end();
    this.#half.receive(closing);
  }

  #end(): void {
    this.#over = true;
    this.#link.forget(this.#stream);
    this.#queue = [];
    this.bufferedBytes = 0;
  }
}

function joined(parts: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
