// The keys of TLS session tickets: made here, the same for all data threads, another one from time to time. They are in
// memory only, and go with the process. Control thread.

import { randomBytes } from "node:crypto";

/** What the tickets of a while were made with is of no use to who gets hold of a later key. */
const ROTATE_MS = 12 * 60 * 60 * 1000;
/** Name, HMAC key and AES key, as Node has them. */
const KEY_BYTES = 48;

export class TicketKeys {
  current: Buffer = randomBytes(KEY_BYTES);
  readonly #timer: NodeJS.Timeout;

  constructor(onChange: () => void, rotateMs = ROTATE_MS) {
    this.#timer = setInterval(() => {
      this.current = randomBytes(KEY_BYTES);
      onChange();
    }, rotateMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
