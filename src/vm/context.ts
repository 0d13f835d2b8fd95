// `ctx` of a handler: who the client is, the id of the request, and what goes on beside the exchange. Nothing of it is made
// until somebody asks. Runs in VMs.

import type { Client, ExecutionContext } from "./api/handler.ts";
import { clientOf } from "./client.ts";
import type { Served } from "./served.ts";

export class Context implements ExecutionContext {
  readonly #served: Served;
  #client: Client | null = null;

  constructor(served: Served) {
    this.#served = served;
  }

  get client(): Client {
    this.#client ??= clientOf(this.#served.clientLine, this.#served.url);
    return this.#client;
  }

  /** As in the gateway's log. */
  get requestId(): string {
    const { link, stream } = this.#served;
    return link.requestId(stream);
  }

  /**
   * The VM is not replaced before the promise is settled, for 30 seconds at most. What asks upstreams meanwhile does so for
   * the client of this request. Throws where the VM waits for too many promises already.
   */
  waitUntil(promise: unknown): void {
    const served = this.#served;
    served.link.turns.waits.add(promise, this.requestId, () => served.letGo());
    served.hold();
  }
}
