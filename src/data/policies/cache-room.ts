// Memory for bodies that a store does not count: those on their way into it, and those that it forgot while slow clients are
// still being sent them. Once for each store, as much again as that holds. Data threads.

export class Room {
  #maxBytes: number;
  taken = 0;
  /** Those who send a body, by the body. */
  readonly #senders = new Map<Buffer, number>();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
  }

  /** Returns false where there is no room. */
  take(bytes: number): boolean {
    if (this.taken + bytes > this.#maxBytes) return false;
    this.taken += bytes;
    return true;
  }

  give(bytes: number): void {
    this.taken -= bytes;
  }

  /** A body that is kept is held on to by one who sends it. It counts once, and in any case: it is there already. */
  hold(body: Buffer): void {
    const senders = this.#senders.get(body) ?? 0;
    if (senders === 0) this.taken += body.length;
    this.#senders.set(body, senders + 1);
  }

  letGo(body: Buffer): void {
    const senders = this.#senders.get(body)! - 1;
    if (senders > 0) {
      this.#senders.set(body, senders);
      return;
    }
    this.#senders.delete(body);
    this.taken -= body.length;
  }
}
