// The one lock of the gateway: a cell of shared memory. It guards what is touched only where something is full.

const FREE = 0;
const HELD = 1;
/** Held, and somebody may sleep until it is free (Drepper, "Futexes Are Tricky", the second mutex). */
const AWAITED = 2;

/**
 * Runs `critical` while no other thread is in a section of the same cell. It must be short, throw nothing and wait for
 * nothing: a thread that ended inside would hold the others up for ever.
 */
export function exclusively<T>(cells: Int32Array, cell: number, critical: () => T): T {
  lock(cells, cell);
  const result = critical();
  unlock(cells, cell);
  return result;
}

/** Begins such a section where it cannot be one function. Who holds several locks takes them in one order everywhere. */
export function lock(cells: Int32Array, cell: number): void {
  if (Atomics.compareExchange(cells, cell, FREE, HELD) !== FREE) {
    while (Atomics.exchange(cells, cell, AWAITED) !== FREE) Atomics.wait(cells, cell, AWAITED);
  }
}

export function unlock(cells: Int32Array, cell: number): void {
  if (Atomics.exchange(cells, cell, FREE) === AWAITED) Atomics.notify(cells, cell, 1);
}
