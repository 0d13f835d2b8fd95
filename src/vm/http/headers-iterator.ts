// The iterators of a light Headers: sorted, and live, as WebIDL has it. VM processes.
import type { FieldList } from "./field-list.ts";

export type FieldIterator<T> = IterableIterator<T> & IteratorObject<T, undefined, unknown>;

type Kind = "keys" | "values" | "entries";

class HeadersIterator {
  readonly #list: FieldList;
  readonly #kind: Kind;
  #at = 0;

  constructor(list: FieldList, kind: Kind) {
    this.#list = list;
    this.#kind = kind;
  }

  next(): IteratorResult<unknown> {
    const sorted = this.#list.sorted();
    if (this.#at >= sorted.length) return { value: undefined, done: true };
    const [name, value] = sorted[this.#at++]!;
    if (this.#kind === "entries") return { value: [name, value], done: false };
    return { value: this.#kind === "keys" ? name : value, done: false };
  }
}

Reflect.deleteProperty(HeadersIterator.prototype, "constructor");
Object.setPrototypeOf(HeadersIterator.prototype, Iterator.prototype);
Object.defineProperty(HeadersIterator.prototype, "next", { enumerable: true });
Object.defineProperty(HeadersIterator.prototype, Symbol.toStringTag, {
  value: "Headers Iterator",
  configurable: true,
});

export function iterate<T>(list: FieldList, kind: Kind): FieldIterator<T> {
  return new HeadersIterator(list, kind) as unknown as FieldIterator<T>;
}
