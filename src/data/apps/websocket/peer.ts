// The client of a WebSocket: its frames become messages, and messages become frames. What the protocol asks for by itself
// (pongs, the answer to a close frame) is done here. Runs in data threads.
//
//   open ─▶ closing (we have sent a close frame) ─▶ ended (nothing goes either way any more) ─▶ gone
//     └───────────────────────────────────────────────┘

import type { Exchange, TunnelEnd } from "../../../core/exchange.ts";
import { type Fault, faultOf } from "./fault.ts";
import { FrameInput } from "./frame-input.ts";
import { SocketOutput } from "./frame-output.ts";
import {
  DEFLATE,
  type Deflate,
  type Extensions,
  type Receiver as FrameReceiver,
  type Sender as FrameSender,
  Receiver,
  Sender,
} from "./ws-halves.ts";

/** Who the client talks to. */
export interface PeerUser {
  /** The bytes belong to the user. */
  onMessage(bytes: Buffer, isText: boolean): void;
  /** The client's close frame: it sends no more. 1005 is for one without a code. */
  onClose(code: number, reason: string): void;
  /** The client broke the protocol or went beyond a limit, and was told so by a close frame. */
  onFault(fault: Fault): void;
  /** The client took what was sent. */
  onDrain(): void;
  /** The client is there. */
  onSignOfLife(): void;
  /** The connection is closed: nothing comes after it. */
  onGone(): void;
}

const OPEN = 0;
const CLOSING = 1;
const ENDED = 2;

/** Of one message. */
const MAX_FRAGMENTS = 16_384;
/** Shorter ones are not worth compressing. */
const COMPRESSED_BYTES = 1024;
const NO_CODE = 1005;
const EMPTY = Buffer.alloc(0);

export class Peer {
  readonly #user: PeerUser;
  readonly #end: TunnelEnd;
  readonly #deflate: Deflate | null;
  readonly #receiver: FrameReceiver;
  readonly #sender: FrameSender;
  readonly #input: FrameInput;
  readonly #output: SocketOutput;
  #state = OPEN;
  /** The close frame was written; the compressor may keep it waiting. */
  #closeSent = false;
  /** A message to the client has begun, and whether it is compressed. */
  #inMessage = false;
  #compress = false;
  /** Of the last ping that could not be answered, because the client takes nothing. */
  #unanswered: Buffer | null = null;

  constructor(user: PeerUser, exchange: Exchange, end: TunnelEnd, options: PeerOptions) {
    const { deflate, maxMessageBytes } = options;
    this.#user = user;
    this.#end = end;
    this.#deflate = deflate;
    const extensions: Extensions = deflate === null ? {} : { [DEFLATE]: deflate };
    this.#receiver = new Receiver({
      isServer: true,
      extensions,
      maxPayload: maxMessageBytes,
      maxFragments: MAX_FRAGMENTS,
      // What comes in tiny pieces takes far more memory than its length.
      maxBufferedChunks: 1024 + Math.ceil(maxMessageBytes / 64),
    });
    this.#receiver.on("message", (bytes: Buffer, isBinary: boolean) => {
      if (this.#state !== ENDED) user.onMessage(bytes, !isBinary);
    });
    this.#receiver.on("ping", (data: Buffer) => this.#onPing(data));
    this.#receiver.on("conclude", (code: number, reason: Buffer) => this.#onClose(code, reason.toString()));
    this.#receiver.on("error", (error) => this.#onFault(faultOf(error, maxMessageBytes)));
    this.#input = new FrameInput(end, this.#receiver, deflate !== null);
    this.#output = new SocketOutput(end.socket, (bytes) => {
      exchange.bytesOut += bytes;
    });
    this.#sender = new Sender(this.#output, extensions);
    end.receive((chunk) => {
      exchange.bytesIn += chunk.length;
      user.onSignOfLife();
      this.#input.feed(chunk);
    });
  }

  start(): void {
    const { socket, early } = this.#end;
    socket.on("drain", () => this.#onDrain());
    socket.on("end", () => {
      if (this.#state !== ENDED) this.cut();
    });
    socket.on("close", () => this.#onGone());
    if (early !== null) this.#input.feed(early);
    if (!this.#input.paused) socket.resume();
  }

  /** No close frame was sent or received. */
  get open(): boolean {
    return this.#state === OPEN;
  }

  /** The client takes what is sent. */
  get flows(): boolean {
    return this.#output.flows;
  }

  /** Messages are read no further. */
  get paused(): boolean {
    return this.#input.paused;
  }

  pause(): void {
    this.#input.pause();
  }

  resume(): void {
    if (this.#state !== ENDED) this.#input.resume();
  }

  /** A message, or the next part of one. `bytes` is valid during the call only. Calls back when it was written. */
  send(bytes: Buffer, isText: boolean, last: boolean, written: () => void): void {
    if (this.#state !== OPEN) {
      written();
      return;
    }
    if (!this.#inMessage)
      this.#compress = this.#deflate !== null && (bytes.length >= COMPRESSED_BYTES || !last);
    this.#inMessage = !last;
    const options = { fin: last, binary: !isText, compress: this.#compress, mask: false } as const;
    // The compressor takes its time, and what comes behind it has to wait.
    this.#sender.send(this.#deflate === null ? bytes : Buffer.from(bytes), options, written);
  }

  ping(): void {
    if (this.#state === OPEN) this.#sender.ping(EMPTY, false);
  }

  /** Begins to close; the client is to answer. */
  close(code: number, reason: string): void {
    if (this.#state !== OPEN) return;
    this.#state = CLOSING;
    const hasCode = code !== NO_CODE;
    this.#sender.close(hasCode ? code : undefined, hasCode ? reason : "", false, () => {
      this.#closeSent = true;
      if (this.#state === ENDED) this.#end.socket.end();
    });
  }

  /** Closes without waiting for an answer. */
  leave(code: number, reason: string): void {
    this.close(code, reason);
    this.#endBoth();
  }

  /** Ends the connection at once. */
  cut(): void {
    this.#state = ENDED;
    this.#input.end();
    this.#end.socket.destroy();
  }

  // ---- from the client ----

  #onPing(data: Buffer): void {
    if (this.#state !== OPEN) return;
    // Only the last of those that wait is answered (RFC 6455 section 5.5.3), or they would pile up.
    if (this.flows) this.#sender.pong(data, false);
    else this.#unanswered = data;
  }

  #onDrain(): void {
    this.#output.flows = true;
    const data = this.#unanswered;
    this.#unanswered = null;
    if (data !== null) this.#onPing(data);
    this.#user.onSignOfLife();
    this.#user.onDrain();
  }

  #onClose(code: number, reason: string): void {
    if (this.#state === ENDED) return;
    this.close(code, "");
    this.#endBoth();
    this.#user.onClose(code, reason);
  }

  #onFault(fault: Fault): void {
    if (this.#state === ENDED) return;
    this.leave(fault.code, fault.reason);
    this.#user.onFault(fault);
  }

  /** What is left to send goes out; what still comes is discarded, so that no reset overtakes it. */
  #endBoth(): void {
    this.#state = ENDED;
    this.#input.end();
    if (this.#closeSent) this.#end.socket.end();
  }

  #onGone(): void {
    this.#state = ENDED;
    this.#output.destroyed = true;
    this.#input.end();
    this.#deflate?.cleanup();
    this.#receiver.removeAllListeners();
    this.#receiver.on("error", () => {});
    this.#user.onGone();
  }
}

export interface PeerOptions {
  readonly deflate: Deflate | null;
  readonly maxMessageBytes: number;
}
