// How data threads call each other: one has made room for an exchange that waits on another. Rare: only where a backend
// has all the connections it may have. (`Atomics.waitAsync` would be lighter, but its promises do not resolve while a
// thread of Node 26 waits for sockets.)

import { BroadcastChannel } from "node:worker_threads";

/** The name of the upstream. */
type Message = string | { readonly wantedBy: string };

export class Wake {
  readonly #gateway: string;
  readonly #own: BroadcastChannel;
  /** By index; the own one stays empty. */
  readonly #others: BroadcastChannel[] = [];
  readonly #threads: number;
  readonly #index: number;

  /**
   * `gateway` is unique in the process; `onWake` gets the name of the upstream, and whether the other thread wants room
   * instead of having made some.
   */
  constructor(
    gateway: string,
    index: number,
    threads: number,
    onWake: (upstream: string, isWanted: boolean) => void,
  ) {
    this.#gateway = gateway;
    this.#index = index;
    this.#threads = threads;
    this.#own = this.#channel(index);
    this.#own.onmessage = ({ data }: { readonly data: unknown }) => {
      const message = data as Message;
      if (typeof message === "string") onWake(message, false);
      else onWake(message.wantedBy, true);
    };
  }

  wake(thread: number, upstream: string): void {
    this.#post(thread, upstream);
  }

  wakeOthers(upstream: string): void {
    for (let thread = 0; thread < this.#threads; thread++) this.#post(thread, upstream);
  }

  /** For unused connections. */
  askOthers(upstream: string): void {
    for (let thread = 0; thread < this.#threads; thread++) this.#post(thread, { wantedBy: upstream });
  }

  #post(thread: number, message: Message): void {
    if (thread === this.#index) return;
    this.#others[thread] ??= this.#channel(thread);
    this.#others[thread].postMessage(message);
  }

  #channel(thread: number): BroadcastChannel {
    const channel = new BroadcastChannel(`sluice ${this.#gateway} ${thread}`);
    // Also one that is only sent on would keep its thread from ending by itself.
    channel.unref();
    return channel;
  }
}
