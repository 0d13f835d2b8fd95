// The tables in which a session of `node:http2` keeps its streams, made so that they leave no garbage behind. Runs in data
// threads.
//
// V8 makes a `Map` anew after some deletions, and the old one keeps its entries and points to the new one. Once one of them
// is old space, all that follow, and every stream in them, live until the next full collection. These forget what they
// are told to: with `--no-allocation-site-pretenuring` (control/collector.ts) a tenth less CPU per request.

import { types } from "node:util";

const { isMap, isSet } = types;

/** The part of a session that is meant; under a symbol of its own. */
interface SessionState {
  streams: object;
  pendingStreams: object;
}

/**
 * For a session that has no streams yet. Returns false where its inside is another one than that of Node 26: then it keeps
 * its own tables.
 */
export function replaceStreamTables(session: object): boolean {
  const key = Object.getOwnPropertySymbols(session).find(({ description }) => description === "state");
  const state = key === undefined ? undefined : (session as Record<symbol, unknown>)[key];
  if (!isReplaceable(state)) return false;
  state.streams = new StreamTable();
  state.pendingStreams = new PendingStreams();
  return true;
}

function isReplaceable(state: unknown): state is SessionState {
  if (typeof state !== "object" || state === null) return false;
  const { streams, pendingStreams } = state as Partial<SessionState>;
  // Of a class of their own, without the prototype of a `Map`.
  return (
    isMap(streams) &&
    Reflect.get(streams, "size") === 0 &&
    isSet(pendingStreams) &&
    Reflect.get(pendingStreams, "size") === 0
  );
}

/** What `node:http2` uses of a `Map`. There are few streams at a time, and those looked for are the latest ones. */
export class StreamTable {
  readonly #ids: number[] = [];
  readonly #streams: object[] = [];

  get size(): number {
    return this.#ids.length;
  }

  get(id: number): object | undefined {
    const at = this.#ids.lastIndexOf(id);
    return at === -1 ? undefined : this.#streams[at];
  }

  set(id: number, stream: object): this {
    const at = this.#ids.lastIndexOf(id);
    if (at === -1) {
      this.#ids.push(id);
      this.#streams.push(stream);
    } else this.#streams[at] = stream;
    return this;
  }

  delete(id: number): boolean {
    const at = this.#ids.lastIndexOf(id);
    if (at === -1) return false;
    const lastId = this.#ids.pop()!;
    const last = this.#streams.pop()!;
    if (at < this.#ids.length) {
      this.#ids[at] = lastId;
      this.#streams[at] = last;
    }
    return true;
  }

  /** As it was at the call: those it is called for leave meanwhile. */
  forEach(each: (stream: object, id: number) => void): void {
    const ids = [...this.#ids];
    for (const [at, stream] of [...this.#streams].entries()) each(stream, ids[at]!);
  }
}

/** What `node:http2` uses of a `Set`. A stream is in it for a moment, or until its session is connected. */
export class PendingStreams {
  readonly #streams: object[] = [];

  get size(): number {
    return this.#streams.length;
  }

  add(stream: object): this {
    if (!this.#streams.includes(stream)) this.#streams.push(stream);
    return this;
  }

  delete(stream: object): boolean {
    const at = this.#streams.lastIndexOf(stream);
    if (at === -1) return false;
    const last = this.#streams.pop()!;
    if (at < this.#streams.length) this.#streams[at] = last;
    return true;
  }

  forEach(each: (stream: object) => void): void {
    for (const stream of [...this.#streams]) each(stream);
  }
}
