// How many exchanges the VMs of a pool have, exactly and over all data threads, in shared memory.
//
//   per slot: | exchanges of all threads | those of each thread … |      int32

export function createAppState(threads: number, slots: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT * slots * (1 + threads));
}

export class AppState {
  readonly slots: number;
  readonly #cells: Int32Array;
  readonly #width: number;

  /** `threads` as the memory was made for. */
  constructor(shared: SharedArrayBuffer, threads: number) {
    this.#cells = new Int32Array(shared);
    this.#width = 1 + threads;
    this.slots = this.#cells.length / this.#width;
  }

  outstanding(slot: number): number {
    return Atomics.load(this.#cells, slot * this.#width);
  }

  /** One more at a VM that has fewer than `most`. */
  tryAcquire(slot: number, thread: number, most: number): boolean {
    const total = slot * this.#width;
    let count = Atomics.load(this.#cells, total);
    while (count < most) {
      const found = Atomics.compareExchange(this.#cells, total, count, count + 1);
      if (found === count) {
        this.#cells[total + 1 + thread]! += 1;
        return true;
      }
      count = found;
    }
    return false;
  }

  release(slot: number, thread: number): void {
    const total = slot * this.#width;
    this.#cells[total + 1 + thread]! -= 1;
    Atomics.sub(this.#cells, total, 1);
  }

  /** Gives back what a data thread held that ended. */
  forgetThread(thread: number): void {
    for (let slot = 0; slot < this.slots; slot++) {
      const total = slot * this.#width;
      const own = this.#cells[total + 1 + thread]!;
      this.#cells[total + 1 + thread] = 0;
      Atomics.sub(this.#cells, total, own);
    }
  }
}
