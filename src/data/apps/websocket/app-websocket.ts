// A WebSocket between a client and a handler: messages cross the link by credit, both ways. What the VM does not take waits
// here, and past a limit the client is not read any further. Runs in data threads.

import { isUtf8 } from "node:buffer";
import type { AppSpec } from "../../../config/snapshot.ts";
import { Timed } from "../../../core/deadlines.ts";
import { GatewayError } from "../../../core/errors.ts";
import type { Exchange, ResponseHead } from "../../../core/exchange.ts";
import { Counter } from "../../../core/metrics.ts";
import { readNumber } from "../../../wire/frame-reader.ts";
import {
  FrameType,
  MAX_PIECE_BYTES,
  MESSAGE_MORE,
  MESSAGE_TEXT,
  MESSAGE_WINDOW_BYTES,
  MOST_MESSAGE_BYTES,
  messageCost,
} from "../../../wire/frames.ts";
import type { OpenWebSocket, ThreadContext } from "../../thread-context.ts";
import type { StreamUser, VmLink } from "../vm-link.ts";
import type { Fault } from "./fault.ts";
import type { Agreement } from "./handshake.ts";
import { Peer, type PeerUser } from "./peer.ts";

export interface WebSocketSetting {
  readonly thread: ThreadContext;
  readonly exchange: Exchange;
  readonly app: AppSpec;
  readonly link: VmLink;
  readonly stream: number;
  /** How long a client may show no sign of life. */
  readonly idleMs: number;
}

/** How long a close frame may be without an answer, or a connection without an end. */
const CLOSE_TIMEOUT_MS = 5000;

const GOING_AWAY = 1001;
const NO_CLOSE_FRAME = 1006;
const INTERNAL_ERROR = 1011;
const SERVICE_RESTART = 1012;
const TRY_AGAIN_LATER = 1013;

/** `head` is the 101, with all fields. */
export function startAppWebSocket(setting: WebSocketSetting, head: ResponseHead, agreement: Agreement): void {
  new AppWebSocket(setting, head, agreement).start();
}

interface Waiting {
  readonly bytes: Buffer;
  readonly isText: boolean;
}

class AppWebSocket extends Timed implements StreamUser, PeerUser, OpenWebSocket {
  readonly #setting: WebSocketSetting;
  readonly #peer: Peer;
  /** Null when the VM has heard or said the last. */
  #link: VmLink | null;
  /** Messages for the VM; of the first one `#sent` bytes are out. */
  #queue: Waiting[] = [];
  #sent = 0;
  #queuedBytes = 0;
  #credit = MESSAGE_WINDOW_BYTES;
  /** The last frame for the VM: it goes behind the messages. */
  #last: { readonly type: number; readonly payload: Buffer } | null = null;
  /** Of messages of the VM: came since credit was granted last, and of these what the client has not taken. */
  #came = 0;
  #unwritten = 0;
  /** The kind of the message whose first parts have come, or null. */
  #partsAreText: boolean | null = null;
  /** The client was asked for a sign of life. */
  #pinged = false;
  /** The VM took something since the deadline was set. */
  #tookSome = false;
  #gone = false;

  constructor(setting: WebSocketSetting, head: ResponseHead, { deflate }: Agreement) {
    super();
    const { exchange, app, link } = setting;
    this.#setting = setting;
    this.#link = link;
    const end = exchange.client.switchProtocols(head, "websocket");
    const { maxMessageBytes } = app.websocket;
    this.#peer = new Peer(this, exchange, end, { deflate, maxMessageBytes });
  }

  get exchange(): Exchange {
    return this.#setting.exchange;
  }

  start(): void {
    const { thread, link, stream } = this.#setting;
    link.handOver(stream, this);
    thread.webSockets.add(this);
    thread.metrics.add(Counter.webSocketsOpen);
    this.onSignOfLife();
    this.#peer.start();
    if (thread.draining) this.goAway();
  }

  goAway(): void {
    this.#close(GOING_AWAY, "the gateway is stopping");
  }

  // ---- from the client ----

  onMessage(bytes: Buffer, isText: boolean): void {
    this.#setting.thread.metrics.add(Counter.webSocketMessagesIn);
    if (this.#link === null) return;
    this.#queue.push({ bytes, isText });
    this.#queuedBytes += messageCost(bytes.length);
    this.#sendQueued();
    if (this.#queuedBytes <= this.#setting.app.websocket.queueBytes || this.#peer.paused) return;
    this.#peer.pause();
    this.#tookSome = false;
    this.#wait(this.#setting.idleMs);
  }

  onClose(code: number, reason: string): void {
    this.#wait(CLOSE_TIMEOUT_MS);
    this.#tellLast(FrameType.close, closePayload(code, reason));
  }

  onFault({ code, reason, limit }: Fault): void {
    if (limit) this.#setting.thread.metrics.add(Counter.webSocketsOverLimit);
    this.#wait(CLOSE_TIMEOUT_MS);
    this.#tellLast(FrameType.abort, Buffer.from(`${code} ${reason}`));
  }

  onDrain(): void {
    this.#grant();
  }

  onSignOfLife(): void {
    this.#pinged = false;
    if (this.#peer.open) this.#wait(this.#setting.idleMs / 2);
  }

  onGone(): void {
    if (this.#gone) return;
    this.#gone = true;
    const { thread, exchange, idleMs } = this.#setting;
    thread.webSockets.delete(this);
    thread.metrics.add(Counter.webSocketsOpen, -1);
    this.#tellLast(FrameType.abort, Buffer.from(`${NO_CLOSE_FRAME} the client went away`));
    if (this.#link === null) thread.deadlines.remove(this);
    else this.#wait(idleMs);
    exchange.client.finishTunnel();
  }

  // ---- to the VM ----

  #sendQueued(): void {
    const { stream } = this.#setting;
    const link = this.#link;
    if (link === null) return;
    while (this.#credit > 0) {
      const first = this.#queue[0];
      if (first === undefined) break;
      const { bytes, isText } = first;
      const end = Math.min(this.#sent + MAX_PIECE_BYTES, bytes.length);
      const piece = this.#sent === 0 && end === bytes.length ? bytes : bytes.subarray(this.#sent, end);
      const isLast = end === bytes.length;
      link.writer.flagged(
        FrameType.message,
        stream,
        (isText ? MESSAGE_TEXT : 0) | (isLast ? 0 : MESSAGE_MORE),
        piece,
      );
      this.#credit -= messageCost(piece.length);
      this.#queuedBytes -= piece.length;
      this.#sent = end;
      if (!isLast) continue;
      this.#queuedBytes -= messageCost(0);
      this.#sent = 0;
      this.#queue.shift();
    }
    if (this.#queue.length === 0 && this.#last !== null) {
      link.writer.bytes(this.#last.type, stream, this.#last.payload);
      this.#letGo();
    } else if (this.#peer.paused && this.#queuedBytes <= this.#setting.app.websocket.queueBytes / 2) {
      this.onSignOfLife();
      this.#peer.resume();
    }
  }

  /** The last word, once the messages before it are out. */
  #tellLast(type: number, payload: Buffer): void {
    this.#last ??= { type, payload };
    this.#sendQueued();
  }

  #letGo(): void {
    const link = this.#link;
    this.#link = null;
    this.#queue = [];
    this.#queuedBytes = 0;
    link?.leave(this.#setting.stream);
    if (this.#gone) this.#setting.thread.deadlines.remove(this);
  }

  // ---- from the VM ----

  onFrame(type: number, bytes: Buffer, start: number, end: number): string | null {
    switch (type) {
      case FrameType.message:
        return this.#onMessageFrame(bytes, start, end);
      case FrameType.credit:
        this.#credit += readNumber(bytes, start);
        if (this.#credit > MESSAGE_WINDOW_BYTES) return "more credit than there was to give back";
        this.#tookSome = true;
        this.#sendQueued();
        return null;
      case FrameType.close:
        return this.#onCloseFrame(bytes.subarray(start, end));
      case FrameType.abort:
        this.#setting.thread.metrics.add(Counter.webSocketsOverLimit);
        this.#letGo();
        this.#close(TRY_AGAIN_LATER, "too much waits for the client");
        return null;
      default:
        return `a frame of type ${type} on the stream of a WebSocket`;
    }
  }

  #onMessageFrame(bytes: Buffer, start: number, end: number): string | null {
    const flags = bytes[start]!;
    if ((flags & ~(MESSAGE_TEXT | MESSAGE_MORE)) !== 0) return `a message with flags ${flags}`;
    const isText = (flags & MESSAGE_TEXT) !== 0;
    const isLast = (flags & MESSAGE_MORE) === 0;
    if (this.#partsAreText !== null && this.#partsAreText !== isText)
      return "a message of text and binary parts";
    this.#partsAreText = isLast ? null : isText;
    const cost = messageCost(end - start - 1);
    this.#came += cost;
    if (this.#came > MOST_MESSAGE_BYTES) return "more of messages than there was credit for";
    if (isLast) this.#setting.thread.metrics.add(Counter.webSocketMessagesOut);
    this.#unwritten += cost;
    this.#peer.send(bytes.subarray(start + 1, end), isText, isLast, () => {
      this.#unwritten -= cost;
      this.#grant();
    });
    return null;
  }

  /** Grants as much again as the client has taken. */
  #grant(): void {
    const written = this.#came - this.#unwritten;
    if (this.#link === null || !this.#peer.flows || written < MESSAGE_WINDOW_BYTES / 2) return;
    this.#link.writer.number(FrameType.credit, this.#setting.stream, written);
    this.#came -= written;
  }

  #onCloseFrame(payload: Buffer): string | null {
    const code = payload.readUInt16LE(0);
    if (!maySend(code)) return `a close with code ${code}`;
    if (!isUtf8(payload.subarray(2))) return "a close with a reason that is no UTF-8";
    this.#close(code, payload.toString("utf8", 2));
    return null;
  }

  onLinkEnded(why: string): void {
    const { link, exchange, app } = this.#setting;
    this.#letGo();
    if (this.#gone) return;
    if (link.retired) this.#close(SERVICE_RESTART, "the app was replaced");
    else {
      exchange.error = new GatewayError("vm_ended", `${exchange.backend} of app "${app.name}" ended: ${why}`);
      this.#close(INTERNAL_ERROR, "the app ended");
    }
  }

  // ---- ending ----

  /** Sends a close frame. The client has to answer it, which it can only where it is read. */
  #close(code: number, reason: string): void {
    if (!this.#peer.open) return;
    this.#peer.close(code, reason);
    this.#wait(CLOSE_TIMEOUT_MS);
    if (this.#peer.paused && this.#link === null) this.#peer.resume();
  }

  override onDeadline(): void {
    const { thread, exchange, idleMs } = this.#setting;
    if (this.#gone) {
      // Nobody will take what is left.
      thread.metrics.add(Counter.webSocketsOverLimit);
      this.#link?.abort(this.#setting.stream, `${NO_CLOSE_FRAME} the client went away`);
      this.#letGo();
    } else if (!this.#peer.open) this.#peer.cut();
    else if (this.#peer.paused) this.#onStill();
    else if (!this.#pinged) {
      this.#pinged = true;
      this.#peer.ping();
      this.#wait(idleMs / 2);
    } else {
      exchange.error = new GatewayError("tunnel_idle", `no sign of life of the client within ${idleMs} ms`);
      this.#peer.cut();
    }
  }

  /** The VM's queue is full. */
  #onStill(): void {
    const { thread, stream, idleMs } = this.#setting;
    if (this.#tookSome) {
      this.#tookSome = false;
      this.#wait(idleMs);
      return;
    }
    thread.metrics.add(Counter.webSocketsOverLimit);
    const reason = "the app takes no messages";
    this.#link?.abort(stream, `${TRY_AGAIN_LATER} ${reason}`);
    this.#letGo();
    this.#close(TRY_AGAIN_LATER, reason);
  }

  #wait(timeoutMs: number): void {
    this.#setting.thread.deadlines.set(this, timeoutMs);
  }
}

/** Whether a close frame may have this code; 1005 is for none. */
function maySend(code: number): boolean {
  return (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1006) || (code >= 3000 && code <= 4999);
}

function closePayload(code: number, reason: string): Buffer {
  const payload = Buffer.concat([Buffer.alloc(2), Buffer.from(reason)]);
  payload.writeUInt16LE(code, 0);
  return payload;
}
