// What one data thread keeps of files in memory, over all its routes: the entries that were used last, within a number of
// bytes. Runs in data threads.

/** For the entry itself, its place in a map, and the heads of its answers. */
const ENTRY_BYTES = 2048;
const MAX_BYTES = 32 * 1024 * 1024;

export abstract class CacheEntry {
  /** Besides what every entry takes. */
  bytes = 0;
  newer: CacheEntry | null = null;
  older: CacheEntry | null = null;
  cached = false;

  /** Others need the room. */
  abstract onDropped(): void;
}

export class FileCache {
  readonly #maxBytes: number;
  #newest: CacheEntry | null = null;
  #oldest: CacheEntry | null = null;
  #bytes = 0;

  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Puts an entry in, with `bytes`, or puts it first again. */
  keep(entry: CacheEntry, bytes: number): void {
    if (entry.cached) this.drop(entry);
    entry.bytes = bytes;
    entry.cached = true;
    this.#bytes += bytes + ENTRY_BYTES;
    this.#putFirst(entry);
    while (this.#bytes > this.#maxBytes && this.#oldest !== null) {
      const oldest = this.#oldest;
      this.drop(oldest);
      oldest.onDropped();
    }
  }

  used(entry: CacheEntry): void {
    if (entry === this.#newest || !entry.cached) return;
    this.#takeOut(entry);
    this.#putFirst(entry);
  }

  drop(entry: CacheEntry): void {
    if (!entry.cached) return;
    entry.cached = false;
    this.#bytes -= entry.bytes + ENTRY_BYTES;
    this.#takeOut(entry);
  }

  #putFirst(entry: CacheEntry): void {
    entry.older = this.#newest;
    entry.newer = null;
    if (this.#newest !== null) this.#newest.newer = entry;
    this.#newest = entry;
    this.#oldest ??= entry;
  }

  #takeOut(entry: CacheEntry): void {
    const { newer, older } = entry;
    if (newer === null) this.#newest = older;
    else newer.older = older;
    if (older === null) this.#oldest = newer;
    else older.newer = newer;
    entry.newer = null;
    entry.older = null;
  }
}
