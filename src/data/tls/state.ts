// What changes of TLS while a snapshot stays: the keys of session tickets, and what responders say of certificates. The
// control thread has it, data threads get it anew. Runs in data threads.

import type { TlsUpdate } from "../../wire/control.ts";

export class TlsState {
  ticketKeys: Buffer;

  constructor(update: TlsUpdate) {
    this.ticketKeys = Buffer.from(update.ticketKeys);
  }

  /** Returns whether the keys are others than before. */
  adopt(update: TlsUpdate): boolean {
    const keys = Buffer.from(update.ticketKeys);
    if (keys.equals(this.ticketKeys)) return false;
    this.ticketKeys = keys;
    return true;
  }
}
