// How data threads tell each other that a resource was changed: exactly, so that nobody who was told of a change is then
// answered with what was kept before it, on whichever thread. The change goes to the others as a message, and then counts
// in shared memory; who is about to answer from the cache reads the messages first that count and were not read. Data threads.

import { BroadcastChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";

/** What identifies a resource, whatever of it belongs to the key of a route. */
export interface ChangedResource {
  readonly scheme: "http" | "https";
  readonly authority: string;
  readonly host: string;
  readonly path: string;
  readonly query: string;
}

export class Changes {
  readonly #gateway: string;
  readonly #index: number;
  /** Messages sent to each thread, by its index. */
  readonly #sent: Int32Array;
  readonly #own: BroadcastChannel;
  readonly #others: BroadcastChannel[] = [];
  readonly #onChange: (changed: ChangedResource) => void;
  #read: number;

  /** `gateway` is unique in the process; `shared` has an Int32 for each data thread. */
  constructor(
    { gateway, index, cacheChanges }: ChangesSetting,
    onChange: (changed: ChangedResource) => void,
  ) {
    this.#gateway = gateway;
    this.#index = index;
    this.#sent = new Int32Array(cacheChanges);
    this.#onChange = onChange;
    this.#own = this.#channel(index);
    this.#own.onmessage = ({ data }: { readonly data: unknown }) => this.#take(data);
    // What was sent to a thread before this one is of no use to it: it keeps nothing yet.
    this.#read = Atomics.load(this.#sent, index);
  }

  /** Reads what the other threads have sent. */
  apply(): void {
    while (Atomics.load(this.#sent, this.#index) !== this.#read) {
      // It takes channels, too, whatever its types say.
      const received = receiveMessageOnPort(this.#own as unknown as MessagePort);
      if (received === undefined) {
        this.#read = Atomics.load(this.#sent, this.#index);
        return;
      }
      this.#take(received.message);
    }
  }

  /** Tells the other threads. When it returns, none of them answers with what was kept before. */
  tell(changed: ChangedResource): void {
    for (let thread = 0; thread < this.#sent.length; thread++) {
      if (thread === this.#index) continue;
      const other = this.#others[thread] ?? this.#channel(thread);
      this.#others[thread] = other;
      other.postMessage(changed);
      Atomics.add(this.#sent, thread, 1);
    }
  }

  #take(message: unknown): void {
    this.#read = (this.#read + 1) | 0;
    this.#onChange(message as ChangedResource);
  }

  #channel(thread: number): BroadcastChannel {
    const channel = new BroadcastChannel(`sluice cache ${this.#gateway} ${thread}`);
    channel.unref();
    return channel;
  }
}

export interface ChangesSetting {
  readonly gateway: string;
  readonly index: number;
  readonly cacheChanges: SharedArrayBuffer;
}
