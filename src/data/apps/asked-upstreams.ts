// The upstreams that an app may ask, as its VMs name them: by their place in the list of the app. Runs in data threads.

import type { AppSpec } from "../../config/snapshot.ts";
import { ASKS_PER_HANDLER } from "../../wire/frames.ts";
import type { StartAction } from "../actions/route.ts";
import type { ThreadContext } from "../thread-context.ts";
import { Asked } from "./asked.ts";
import { AskedHeadReader } from "./asked-head.ts";
import type { VmLink, VmStreams } from "./vm-link.ts";

export class AskedUpstreams implements VmStreams {
  readonly most: number;
  readonly thread: ThreadContext;
  readonly heads = new AskedHeadReader();
  readonly #names: readonly string[];

  constructor({ upstreams, concurrency }: AppSpec, thread: ThreadContext) {
    this.most = upstreams.length === 0 ? 0 : ASKS_PER_HANDLER * concurrency;
    this.thread = thread;
    this.#names = upstreams;
  }

  open(link: VmLink, stream: number): Asked {
    return new Asked(this, link, stream);
  }

  /** Null where the app may not ask it, or no configuration has it any more. */
  actionFor(place: number): StartAction | null {
    const name = this.#names[place];
    return name === undefined ? null : (this.thread.active.asks.get(name) ?? null);
  }
}
