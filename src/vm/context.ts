// `ctx` of a handler: who the client is, the id of the request, and what goes on beside the exchange. Nothing of it is made
// until somebody asks. Runs in VMs.

import { FrameType } from "../wire/frames.ts";
import type { Client, ExecutionContext } from "./api/handler.ts";
import { clientOf } from "./client.ts";
import type { Served } from "./served.ts";

const HOLD = Uint8Array.of(1);
const LET_GO = Uint8Array.of(0);

export class Context implements ExecutionContext {
  readonly #served: Served;
  #client: Client | null = null;
  #waits = 0;

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
    const { link, stream } = this.#served;
    const { waits, app } = link.turns;
    waits.add(promise, this.requestId, () => {
      if (--this.#waits === 0 && app.asks) link.writer.bytes(FrameType.hold, stream, LET_GO);
    });
    if (this.#waits++ === 0 && app.asks) link.writer.bytes(FrameType.hold, stream, HOLD);
  }
}
