// How VMs ended, as the control thread has found out: whether an exchange that was begun in one may be begun again in
// another. The end of the link is here before that word. Data threads.

/** An exchange whose VM is gone. */
export interface EndWaiter {
  /** `harmful`: the VM hung or ran out of memory, maybe by this very exchange. */
  onVmEnd(harmful: boolean): void;
}

/** Those that ended last; who asks does so within a second. */
const MOST_KNOWN = 64;

export class VmEnds {
  readonly #known = new Map<number, boolean>();
  readonly #waiting = new Map<number, Set<EndWaiter>>();

  /** The word of the control thread. */
  tell(vm: number, harmful: boolean): void {
    this.#known.set(vm, harmful);
    if (this.#known.size > MOST_KNOWN) this.#known.delete(this.#known.keys().next().value!);
    const waiting = this.#waiting.get(vm);
    this.#waiting.delete(vm);
    for (const waiter of waiting ?? []) waiter.onVmEnd(harmful);
  }

  /** Calls back at once where it is known. */
  ask(vm: number, waiter: EndWaiter): void {
    const harmful = this.#known.get(vm);
    if (harmful !== undefined) {
      waiter.onVmEnd(harmful);
      return;
    }
    const waiting = this.#waiting.get(vm) ?? new Set();
    this.#waiting.set(vm, waiting.add(waiter));
  }

  leave(vm: number, waiter: EndWaiter): void {
    const waiting = this.#waiting.get(vm);
    if (waiting?.delete(waiter) === true && waiting.size === 0) this.#waiting.delete(vm);
  }
}
