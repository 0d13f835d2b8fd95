// A set for members that come and go all the time. A Set makes new tables as they do, and garbage that was in the old ones
// lives until a full collection.

/** A member knows where it stands, so it is in one such set at a time. */
export interface Placed {
  /** Negative outside of a set. Belongs to the set. */
  place: number;
}

export class DenseSet<T extends Placed> {
  readonly #members: T[] = [];

  get size(): number {
    return this.#members.length;
  }

  has(member: T): boolean {
    return this.#members[member.place] === member;
  }

  /** For one that is in no set. */
  add(member: T): void {
    member.place = this.#members.length;
    this.#members.push(member);
  }

  /** Returns whether it was there. */
  delete(member: T): boolean {
    const members = this.#members;
    const { place } = member;
    if (members[place] !== member) return false;
    const last = members.pop()!;
    if (last !== member) {
      last.place = place;
      members[place] = last;
    }
    member.place = -1;
    return true;
  }

  /** As they are now, in no order. */
  all(): T[] {
    return this.#members.slice();
  }
}
