// The heartbeat of one VM: when it is to be asked, and for how long it has not answered. Control thread.

/** Between one answer and the next question, where exchanges are at the VM and where none is. */
export const BUSY_INTERVAL_MS = 50;
const IDLE_INTERVAL_MS = 1000;
/** What a VM tells of itself takes longer than an answer, so it is asked for that less often. */
const NUMBERS_INTERVAL_MS = 1000;

export class Heartbeat {
  #sentAt: number;
  #answered = true;
  #number = 0;
  #numbersAt = Number.NEGATIVE_INFINITY;

  /** Of a VM that has just shown that it lives. Times are those of `performance.now()`. */
  constructor(now: number) {
    this.#sentAt = now - IDLE_INTERVAL_MS;
  }

  /** The question to ask now, or null. One is asked at a time. */
  due(now: number, isBusy: boolean): { readonly number: number; readonly numbers: boolean } | null {
    const interval = isBusy ? BUSY_INTERVAL_MS : IDLE_INTERVAL_MS;
    // Half a beat early is better than half a beat late.
    if (!this.#answered || now < this.#sentAt + interval - BUSY_INTERVAL_MS / 2) return null;
    const numbers = now >= this.#numbersAt + NUMBERS_INTERVAL_MS - BUSY_INTERVAL_MS / 2;
    if (numbers) this.#numbersAt = now;
    this.#answered = false;
    this.#sentAt = now;
    return { number: ++this.#number, numbers };
  }

  /** Returns whether that was asked. */
  answer(number: number): boolean {
    if (this.#answered || number !== this.#number) return false;
    this.#answered = true;
    return true;
  }

  /** For how long a question has been unanswered. */
  silentMs(now: number): number {
    return this.#answered ? 0 : now - this.#sentAt;
  }

  /** The control thread was away for so long: nobody could hear an answer. */
  excuse(ms: number): void {
    this.#sentAt += ms;
  }
}
