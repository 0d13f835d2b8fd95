// The VMs that run one version of an app, as one data thread sees them: chooses the least loaded one for an exchange.

import type { AppSpec } from "../../config/snapshot.ts";
import { AppQueueShare } from "../../core/shared/app-queue.ts";
import { AppState } from "../../core/shared/app-state.ts";
import type { VmAddress } from "../../wire/control.ts";
import type { ThreadContext } from "../thread-context.ts";
import { AskedUpstreams } from "./asked-upstreams.ts";
import { VmLink } from "./vm-link.ts";

/** An exchange that came while no VM served. */
export interface VmWaiter {
  /** It is to look again. */
  onVm(): void;
}

const NOT_ANY_MORE = "it is no longer in the configuration";

export class VmPool {
  readonly #thread: ThreadContext;
  readonly #streams: AskedUpstreams;
  readonly #state: AppState;
  /** What is told of the waits. */
  readonly queue: AppQueueShare;
  /** Most exchanges at one VM, over all data threads. */
  readonly #most: number;
  /** Those that take new exchanges. */
  #links: VmLink[] = [];
  /** VMs that serve as the control thread knows, and whose link is gone. A VM has one link to a data thread, once. */
  readonly #lost = new Set<number>();
  #turn = 0;
  /** In the order in which they came. */
  readonly #waiters = new Set<VmWaiter>();
  readonly #mostWaiters: number;
  readonly app: string;
  /** Why nothing serves, and will not in the next moment; null where that is not so. */
  down: string | null = null;
  /** Of the version that took over. */
  #next: VmPool | null = null;

  constructor(spec: AppSpec, thread: ThreadContext) {
    this.app = spec.name;
    this.#thread = thread;
    this.#streams = new AskedUpstreams(spec, thread);
    this.#state = new AppState(spec.shared, thread.threads);
    this.queue = new AppQueueShare(spec.queueShared, thread.threads, thread.index);
    this.#most = spec.concurrency + spec.queue.size;
    this.#mostWaiters = spec.queue.size;
  }

  get size(): number {
    return this.#links.length;
  }

  /** The pool to use: this one, or that of the version which took over. */
  get current(): VmPool {
    return this.#next === null ? this : this.#next.current;
  }

  /** Another version takes over, or none does (null): what is under way goes on. */
  retire(next: VmPool | null): void {
    this.#next = next;
    this.serve([], NOT_ANY_MORE);
  }

  /** These VMs serve from now on; links to others end with the last of their exchanges. */
  serve(vms: readonly VmAddress[], down: string | null): void {
    this.down = down;
    for (const id of this.#lost) if (!vms.some((vm) => vm.id === id)) this.#lost.delete(id);
    const reachable = vms.filter(({ id }) => !this.#lost.has(id));
    const links = reachable.map((address) => {
      return this.#links.find((link) => link.address.id === address.id) ?? this.#connect(address);
    });
    const old = this.#links.filter((link) => !links.includes(link));
    this.#links = links;
    for (const link of old) link.retire();
    if (links.length === 0 && down === null) return;
    const waiters = [...this.#waiters];
    for (const waiter of waiters) this.leave(waiter);
    for (const waiter of waiters) waiter.onVm();
  }

  /** Calls `onVm` when there is a VM. Returns false where too many wait already. */
  wait(waiter: VmWaiter): boolean {
    if (!this.queue.tryWait(this.#mostWaiters)) return false;
    this.#waiters.add(waiter);
    return true;
  }

  leave(waiter: VmWaiter): void {
    if (this.#waiters.delete(waiter)) this.queue.endWait();
  }

  /** A VM with a place for one more, which is taken; null where there is none. */
  acquire(): VmLink | null {
    const links = this.#links;
    const first = this.#turn++;
    for (;;) {
      let best: VmLink | null = null;
      let least = this.#most;
      for (let i = 0; i < links.length; i++) {
        const link = links[(first + i) % links.length]!;
        if (!link.open) continue;
        const load = link.outstanding;
        if (load >= least) continue;
        best = link;
        least = load;
      }
      // Another thread may take the last place in this very moment.
      if (best === null || best.tryAcquire(this.#most)) return best;
    }
  }

  #connect(address: VmAddress): VmLink {
    return new VmLink(address, {
      thread: this.#thread,
      state: this.#state,
      streams: this.#streams,
      onUsedUp: (old) => {
        this.#links = this.#links.map((link) => (link === old ? this.#connect(address) : link));
      },
      onEnded: (link, lost, fault) => this.#ended(link, lost, fault),
    });
  }

  #ended(link: VmLink, lost: boolean, fault: string | null): void {
    const { id } = link.address;
    this.#links = this.#links.filter((other) => other !== link);
    if (lost) this.#lost.add(id);
    if (lost || fault !== null) this.#thread.reporter.linkLost(id, fault);
  }
}
