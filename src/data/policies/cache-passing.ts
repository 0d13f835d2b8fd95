// A response that is not kept, on its way to the exchange that it was fetched for. Data threads.

import type { Exchange, ResponseHead } from "../../core/exchange.ts";
import type { HeaderList } from "../../core/headers.ts";

export class PassedOn {
  readonly #exchange: Exchange;
  readonly #head: ResponseHead;
  #headSent = false;
  /** What has to wait until the client took what it was sent before; null where nothing has to. */
  #held: Buffer[] | null = null;
  /** The trailers, where the end has to wait, too. */
  #heldEnd: { readonly trailers: HeaderList | null } | null = null;

  constructor(exchange: Exchange, head: ResponseHead) {
    this.#exchange = exchange;
    this.#head = head;
  }

  /** What comes together with the head goes out with it. */
  begin(): void {
    queueMicrotask(() => {
      if (!this.#headSent && !this.#exchange.finished) this.#sendHead(null, false);
    });
  }

  /** The head and some of the body were sent already; `isTaken` where the client took that. */
  goOn(isTaken: boolean): void {
    this.#headSent = true;
    if (!isTaken) this.#held = [];
  }

  /** Returns false to slow the backend down. */
  pass(chunk: Buffer): boolean {
    if (this.#held !== null) {
      this.#held.push(Buffer.from(chunk));
      return false;
    }
    return this.#headSent ? this.#exchange.client.sendBody(chunk) : this.#sendHead(chunk, false);
  }

  end(trailers: HeaderList | null): void {
    const exchange = this.#exchange;
    if (this.#held !== null) {
      this.#heldEnd = { trailers };
      return;
    }
    exchange.action = null;
    const isWhole = !this.#headSent && trailers === null;
    if (!this.#headSent) this.#sendHead(null, isWhole);
    if (!isWhole) exchange.client.sendEnd(trailers);
  }

  /** The client took what it was sent before. Returns whether it takes more. */
  caughtUp(): boolean {
    const held = this.#held ?? [];
    this.#held = null;
    let flows = true;
    for (const chunk of held) flows = this.#exchange.client.sendBody(chunk);
    if (this.#heldEnd !== null) this.end(this.#heldEnd.trailers);
    return flows;
  }

  #sendHead(chunk: Buffer | null, last: boolean): boolean {
    this.#headSent = true;
    return this.#exchange.client.sendHead(this.#head, chunk, last);
  }
}
