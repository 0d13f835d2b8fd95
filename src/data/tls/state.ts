// What changes of TLS while a snapshot stays: the keys of session tickets, and what responders say of certificates. The
// control thread has it, data threads get it anew. Runs in data threads.

import type { TlsUpdate } from "../../wire/control.ts";

export class TlsState {
  ticketKeys = Buffer.alloc(0);
  /** OCSP responses in DER, by the id of the certificate. */
  staples: ReadonlyMap<string, Buffer> = new Map();

  constructor(update: TlsUpdate) {
    this.adopt(update);
  }

  adopt({ ticketKeys, staples }: TlsUpdate): void {
    this.ticketKeys = Buffer.from(ticketKeys);
    this.staples = new Map(staples.map(({ id, response }) => [id, Buffer.from(response)]));
  }
}
