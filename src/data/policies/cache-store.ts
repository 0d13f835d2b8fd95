// The responses that one data thread keeps: by route and key, then by what they vary by; those used last stay. Everything
// that a response costs counts: its body, its fields, its key and the objects around them. Data threads.

import type { HeaderList } from "../../core/headers.ts";
import type { ThreadMetrics } from "../../core/metrics.ts";
import { Counter } from "../../core/metrics.ts";
import type { Entry } from "./cache-entry.ts";
import { Room } from "./cache-room.ts";
import { varyKey } from "./cache-vary.ts";

/** Of one resource: a field that every client fills with something else must not push all others out. */
export const MAX_VARIANTS = 32;
/** Bytes of the objects of one entry, and of one field of it, as measured with many small ones. */
const ENTRY_BYTES = 1100;
const FIELD_BYTES = 48;

/** An entry in its place. The ring of all, from the one used last, goes through `Slot`s. */
class Slot {
  entry: Entry | null;
  readonly resource: Resource | null;
  bytes = 0;
  newer: Slot;
  older: Slot;

  constructor(entry: Entry | null, resource: Resource | null) {
    this.entry = entry;
    this.resource = resource;
    this.newer = this;
    this.older = this;
  }
}

/** What is kept under one key. */
export class Resource {
  readonly zone: Zone;
  readonly key: string;
  readonly host: string;
  readonly path: string;
  /** Of the response that came last. */
  varyNames: readonly string[] = [];
  /** The one used last comes first. */
  readonly slots: Slot[] = [];

  constructor(zone: Zone, { key, host, path }: ResourceName) {
    this.zone = zone;
    this.key = key;
    this.host = host;
    this.path = path;
  }

  /** The entry that answers a request with these fields, or null. It counts as used. */
  find(headers: HeaderList): Entry | null {
    const { slots } = this;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!;
      const { varyNames, varyKey: key } = slot.entry!;
      if (varyNames.length > 0 && varyKey(varyNames, headers) !== key) continue;
      if (i > 0) {
        slots.splice(i, 1);
        slots.unshift(slot);
      }
      this.zone.store.touch(slot);
      return slot.entry;
    }
    return null;
  }
}

export interface ResourceName {
  readonly key: string;
  /** Lower case, without port. */
  readonly host: string;
  /** Without query. */
  readonly path: string;
}

/** The part of a store that belongs to one route. */
export class Zone {
  readonly store: Store;
  readonly route: string;
  readonly resources = new Map<string, Resource>();
  /** The route is gone, or is another now: nothing more is kept. */
  retired = false;

  constructor(store: Store, route: string) {
    this.store = store;
    this.route = route;
  }

  /** Keeps an entry in place of the one that answers the same requests. Returns false where it is too large. */
  keep(name: ResourceName, entry: Entry): boolean {
    if (this.retired) return false;
    let resource = this.resources.get(name.key);
    if (resource === undefined) {
      resource = new Resource(this, name);
      this.resources.set(name.key, resource);
    }
    resource.varyNames = entry.varyNames;
    return this.store.insert(resource, entry);
  }

  /** Lets go of one entry, unless another one took its place. */
  drop(key: string, entry: Entry): void {
    const slot = this.resources.get(key)?.slots.find((one) => one.entry === entry);
    if (slot !== undefined) this.store.remove(slot);
  }

  /** Lets go of all entries of the resources that fit, and returns how many they were. */
  dropWhere(fits: (resource: Resource) => boolean): number {
    let dropped = 0;
    for (const resource of this.resources.values()) {
      if (!fits(resource)) continue;
      dropped += resource.slots.length;
      for (const slot of resource.slots.slice()) this.store.remove(slot);
    }
    return dropped;
  }

  dropKey(key: string): void {
    const resource = this.resources.get(key);
    if (resource !== undefined) for (const slot of resource.slots.slice()) this.store.remove(slot);
  }

  retire(): void {
    this.retired = true;
    this.dropWhere(() => true);
  }
}

export class Store {
  readonly #metrics: Pick<ThreadMetrics, "add">;
  #maxBytes: number;
  /** Of all entries. */
  bytes = 0;
  /** For bodies that are none of an entry. */
  readonly room: Room;
  /** The one before the newest entry, and behind the oldest. */
  readonly #ends = new Slot(null, null);

  constructor(maxBytes: number, metrics: Pick<ThreadMetrics, "add">) {
    this.#maxBytes = maxBytes;
    this.#metrics = metrics;
    this.room = new Room(maxBytes);
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.room.resize(maxBytes);
    this.#shrink();
  }

  insert(resource: Resource, entry: Entry): boolean {
    const bytes = bytesOf(resource, entry);
    const before = resource.slots.find(({ entry: one }) => answersSame(one!, entry));
    if (before !== undefined) this.remove(before);
    if (bytes > this.#maxBytes) {
      this.#forgetEmpty(resource);
      return false;
    }
    // The last entry may have gone with it.
    resource.zone.resources.set(resource.key, resource);
    const slot = new Slot(entry, resource);
    slot.bytes = bytes;
    resource.slots.unshift(slot);
    this.#link(slot);
    this.#count(1, bytes);
    if (resource.slots.length > MAX_VARIANTS) this.remove(resource.slots.at(-1)!);
    this.#shrink();
    return true;
  }

  touch(slot: Slot): void {
    if (this.#ends.older === slot) return;
    unlink(slot);
    this.#link(slot);
  }

  remove(slot: Slot): void {
    const resource = slot.resource!;
    const at = resource.slots.indexOf(slot);
    if (at < 0) return;
    resource.slots.splice(at, 1);
    unlink(slot);
    this.#count(-1, -slot.bytes);
    this.#forgetEmpty(resource);
  }

  #forgetEmpty({ zone, key, slots }: Resource): void {
    if (slots.length === 0) zone.resources.delete(key);
  }

  #shrink(): void {
    while (this.bytes > this.#maxBytes) this.remove(this.#ends.newer);
  }

  #link(slot: Slot): void {
    slot.newer = this.#ends;
    slot.older = this.#ends.older;
    slot.older.newer = slot;
    this.#ends.older = slot;
  }

  #count(entries: number, bytes: number): void {
    this.bytes += bytes;
    this.#metrics.add(Counter.cacheEntries, entries);
    this.#metrics.add(Counter.cacheBytes, bytes);
  }
}

function unlink(slot: Slot): void {
  slot.newer.older = slot.older;
  slot.older.newer = slot.newer;
}

function answersSame(one: Entry, other: Entry): boolean {
  return (
    one.varyKey === other.varyKey &&
    one.varyNames.length === other.varyNames.length &&
    one.varyNames.every((name, i) => name === other.varyNames[i])
  );
}

function bytesOf({ key, path }: Resource, { headers, body, varyKey: vary }: Entry): number {
  const fields = headers.length * FIELD_BYTES + headers.forwardLines().length;
  return body.length + fields + 2 * (key.length + path.length) + vary.length + ENTRY_BYTES;
}
