// An upstream as an app has it: `env.<name>.fetch()`, which goes through the gateway's own pools, balancing and health.
// Runs in VMs.

import type { UpstreamBinding } from "./api/handler.ts";
import { Asked } from "./asked.ts";
import type { Served } from "./served.ts";

export class Upstream implements UpstreamBinding {
  readonly #served: Served;
  readonly #place: number;
  readonly #name: string;

  /** `place` is the one in the list of the app. */
  constructor(served: Served, place: number, name: string) {
    this.#served = served;
    this.#place = place;
    this.#name = name;
  }

  /**
   * As the global `fetch()`, but that redirects are given, not followed, and that a path alone is a URL too: below the
   * host that the client named. Rejects with an UpstreamError where there is no response.
   */
  async fetch(input: Request | URL | string, init?: RequestInit): Promise<Response> {
    const isWhole = input instanceof Request && init === undefined;
    const request = isWhole ? input : new Request(this.#absolute(input), init);
    return await new Asked(this.#served, this.#place, this.#name).ask(request);
  }

  #absolute(input: Request | URL | string): Request | URL | string {
    return typeof input === "string" && input.startsWith("/") ? new URL(input, this.#served.url) : input;
  }
}
