// What is on the streams of a link, by their numbers. Runs in data threads and in VMs.
//
// Streams are short, and their numbers only grow: each has its place in a ring. One that is still there when its place comes
// round again goes over to a map. A map alone would make a new table of itself every few hundred streams, and what stood in
// the old one, with all that belongs to it, would stay until a full collection, and be copied until then.

const PLACES = 1024;

export class StreamTable<T extends object> {
  readonly #streams = new Array<number>(PLACES).fill(0);
  readonly #ring = new Array<T | null>(PLACES).fill(null);
  readonly #old = new Map<number, T>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(stream: number): T | undefined {
    const place = placeOf(stream);
    if (this.#streams[place] === stream) return this.#ring[place] ?? undefined;
    return this.#old.size === 0 ? undefined : this.#old.get(stream);
  }

  has(stream: number): boolean {
    return this.get(stream) !== undefined;
  }

  set(stream: number, value: T): void {
    const place = placeOf(stream);
    const before = this.#ring[place]!;
    if (this.#streams[place] === stream) {
      if (before === null) this.#size++;
    } else if (this.#old.size > 0 && this.#old.has(stream)) {
      this.#old.set(stream, value);
      return;
    } else {
      if (before !== null) this.#old.set(this.#streams[place]!, before);
      this.#streams[place] = stream;
      this.#size++;
    }
    this.#ring[place] = value;
  }

  /** Returns whether it was there. */
  delete(stream: number): boolean {
    const place = placeOf(stream);
    if (this.#streams[place] !== stream) {
      if (!this.#old.delete(stream)) return false;
    } else {
      if (this.#ring[place] === null) return false;
      this.#ring[place] = null;
    }
    this.#size--;
    return true;
  }

  /** A copy, in no order. */
  entries(): Array<[stream: number, value: T]> {
    const entries = [...this.#old];
    for (const [place, value] of this.#ring.entries())
      if (value !== null) entries.push([this.#streams[place]!, value]);
    return entries;
  }

  clear(): void {
    this.#ring.fill(null);
    this.#old.clear();
    this.#size = 0;
  }
}

/** Those of both sides, odd and even, share the places. */
function placeOf(stream: number): number {
  return (stream >>> 1) % PLACES;
}
