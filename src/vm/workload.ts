// What a VM has to do beside its turns, and whether anything is left of it when it is to end. Runs in VMs.

export class Workload {
  /** Connections to data threads. */
  #links = 0;
  #pending = 0;
  /** Handlers under way whose exchange is over. */
  abandoned = 0;
  /** Called whenever nothing is left, once the VM is to end. */
  #onIdle: (() => void) | null = null;

  get pending(): number {
    return this.#pending;
  }

  linkOpened(): void {
    this.#links++;
  }

  linkEnded(): void {
    this.#links--;
    this.#look();
  }

  /** Work that goes on after its exchange: the VM does not end before it. */
  pendingBegun(): void {
    this.#pending++;
  }

  pendingEnded(): void {
    this.#pending--;
    this.#look();
  }

  whenIdle(onIdle: () => void): void {
    this.#onIdle = onIdle;
    this.#look();
  }

  #look(): void {
    if (this.#links === 0 && this.#pending === 0) this.#onIdle?.();
  }
}
