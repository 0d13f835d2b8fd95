// The one lock of the gateway: a cell of shared memory. It guards what is touched only where something is full.

const FREE = 0;
const HELD = 1;
/** A holder that the system took the processor from is waited for in steps of this. */
const WAIT_MS = 1;

/**
 * Runs `critical` while no other thread is in a section of the same cell. It must be short, throw nothing and wait for
 * nothing: a thread that ended inside would hold the others up for ever.
 */
export function exclusively<T>(cells: Int32Array, cell: number, critical: () => T): T {
  while (Atomics.compareExchange(cells, cell, FREE, HELD) !== FREE) Atomics.wait(cells, cell, HELD, WAIT_MS);
  const result = critical();
  Atomics.store(cells, cell, FREE);
  Atomics.notify(cells, cell, 1);
  return result;
}
