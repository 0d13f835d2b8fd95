// What is behind one half of a WebSocketPair: what the other half sends is kept until this one is accepted, or goes to the
// client once this one is in a response. VM processes.
//
//   fresh ─▶ accepted: the app listens to it
//     └────▶ given: it is the client's

import { type Closing, closeEvent, errorEvent, messageEvent } from "./events.ts";

/** Binary data is a copy that nobody else writes to, and all of its buffer. */
export type Message = string | Uint8Array<ArrayBuffer>;

/** The client, as its half knows it. */
export interface Client {
  /** Of messages that were not sent yet. */
  readonly bufferedBytes: number;
  message(message: Message): void;
  close(code: number, reason: string): void;
  /** The other half was accepted. */
  accepted(): void;
}

const FRESH = 0;
const ACCEPTED = 1;
const GIVEN = 2;

export class Half {
  readonly #events: EventTarget;
  #other: Half | null = null;
  #state = FRESH;
  #client: Client | null = null;
  /** Came before there was anybody for it. */
  #held: (Message | Closing)[] = [];
  #heldBytes = 0;
  #scheduled = false;
  /** `close` was called. */
  #closed = false;
  /** The other side sends no more, or takes no more. */
  #finished = false;

  constructor(events: EventTarget) {
    this.#events = events;
  }

  static couple(one: Half, other: Half): void {
    one.#other = other;
    other.#other = one;
  }

  get other(): Half {
    return this.#other!;
  }

  get isAccepted(): boolean {
    return this.#state === ACCEPTED;
  }

  get isFresh(): boolean {
    return this.#state === FRESH;
  }

  /** As `readyState` of the web's. */
  get readyState(): number {
    if (this.#finished) return 3;
    return this.#closed ? 2 : 1;
  }

  get bufferedBytes(): number {
    const other = this.other;
    return other.#client === null ? other.#heldBytes : other.#client.bufferedBytes;
  }

  /** Listeners are often added right after this, so what is there comes a moment later. */
  accept(): void {
    if (this.#state === GIVEN)
      throw new TypeError("Cannot accept a WebSocket that was used in a response: accept the other half");
    if (this.#state === ACCEPTED) return;
    this.#state = ACCEPTED;
    this.other.#client?.accepted();
    this.#flushSoon();
  }

  /** It is in a response: what was and will be sent to it is the client's. */
  give(client: Client): void {
    this.#state = GIVEN;
    this.#client = client;
    const held = this.#held;
    this.#held = [];
    for (const item of held) this.#pass(item, client);
  }

  send(message: Message): void {
    this.#needAccepted("send");
    if (this.#closed) throw new TypeError("Cannot send on a WebSocket after close()");
    if (!this.#finished) this.other.#deliver(message);
  }

  /** 1005 is for no code. */
  close(code: number, reason: string): void {
    this.#needAccepted("close");
    if (this.#closed || this.#finished) return;
    this.#closed = true;
    this.other.#deliver({ code, reason, wasClean: true, error: null });
  }

  /** Something came from the client, whose half is the other one. */
  receive(item: Message | Closing): void {
    if (this.#state === ACCEPTED && this.#held.length === 0) this.#dispatch(item);
    else this.#hold(item);
  }

  /** The same, from within a call of the app. */
  receiveSoon(item: Message | Closing): void {
    this.#hold(item);
    this.#flushSoon();
  }

  /** The other half sends. */
  #deliver(item: Message | Closing): void {
    if (this.#client !== null) this.#pass(item, this.#client);
    else this.receiveSoon(item);
  }

  #pass(item: Message | Closing, client: Client): void {
    if (isMessage(item)) client.message(item);
    else client.close(item.code, item.reason);
  }

  #hold(item: Message | Closing): void {
    this.#held.push(item);
    if (isMessage(item)) this.#heldBytes += item.length;
  }

  #flushSoon(): void {
    if (this.#scheduled || this.#state !== ACCEPTED || this.#held.length === 0) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      for (let item = this.#held[0]; item !== undefined; item = this.#held[0]) {
        this.#held.shift();
        if (isMessage(item)) this.#heldBytes -= item.length;
        this.#dispatch(item);
      }
    });
  }

  #dispatch(item: Message | Closing): void {
    if (this.#finished) return;
    if (isMessage(item)) {
      this.#events.dispatchEvent(messageEvent(item));
      return;
    }
    this.#finished = true;
    // The answer, where the other half is the app's too.
    if (!this.#closed) this.other.#deliver({ ...item });
    if (item.error !== null) this.#events.dispatchEvent(errorEvent(item.error));
    this.#events.dispatchEvent(closeEvent(item));
  }

  #needAccepted(what: string): void {
    if (this.#state !== ACCEPTED)
      throw new TypeError(`Cannot ${what} on a WebSocket before it is accepted: call accept()`);
  }
}

function isMessage(item: Message | Closing): item is Message {
  return typeof item === "string" || item instanceof Uint8Array;
}
