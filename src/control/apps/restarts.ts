// How long to wait before a VM is started in place of one that ended: not at all the first time, then longer and longer
// while they end soon after one another. Control thread.

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 30_000;
/** One that lived so long was healthy: its end is the first one again. */
export const HEALTHY_MS = 10_000;

export class Restarts {
  /** Ends of VMs that were not healthy, one after the other. */
  inARow = 0;

  /** One ended that had served for so long, 0 where it failed to start. Returns the pause in ms. */
  ended(livedMs: number): number {
    if (livedMs >= HEALTHY_MS) this.inARow = 0;
    this.inARow++;
    return this.inARow === 1 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (this.inARow - 2), LONGEST_PAUSE_MS);
  }
}
