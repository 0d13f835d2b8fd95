// Bounds how many checks are made at a time. Control thread.

export class Turns {
  #free: number;
  /** First in, first out. */
  readonly #waiting = new Set<() => void>();

  constructor(atATime: number) {
    this.#free = atATime;
  }

  /** Calls `begin` when it is its turn, which may be at once. `end` follows. */
  ask(begin: () => void): void {
    if (this.#free === 0) this.#waiting.add(begin);
    else {
      this.#free--;
      begin();
    }
  }

  /** Takes back what asked. Returns false when its turn has come already. */
  withdraw(begin: () => void): boolean {
    return this.#waiting.delete(begin);
  }

  end(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#free++;
    else {
      this.#waiting.delete(next);
      next();
    }
  }
}
