// Reads what `new Headers(init)` and the `headers` of an init were given: pairs, a record, or other Headers. VM processes.
import type { FieldList } from "./field-list.ts";
import { byteString, isPlainField, readField } from "./field-syntax.ts";

const OPERATION = "Headers.append";

/** Appends every field of `init`, which is no light Headers. Throws TypeError. */
export function fill(list: FieldList, init: unknown): void {
  if (init === null || (typeof init !== "object" && typeof init !== "function")) {
    throw new TypeError(
      "Headers constructor: Argument 1 could not be converted to one of: sequence<sequence<ByteString>>, record<ByteString, ByteString>.",
    );
  }
  const iterator: unknown = Reflect.get(init, Symbol.iterator);
  if (typeof iterator === "function") fillFromPairs(list, init as Iterable<unknown>);
  else fillFromRecord(list, init as Record<string, unknown>);
}

/** The record's own enumerable properties, as WebIDL has it. */
function fillFromRecord(list: FieldList, record: Record<string, unknown>): void {
  const [symbol] = Object.getOwnPropertySymbols(record);
  if (symbol !== undefined) byteString(symbol, `Key ${String(symbol)} in init`);
  for (const name of Object.keys(record)) {
    appendTo(list, name, record[name]);
  }
}

/** All of them are read before the first is appended: reading may run code of the app. */
function fillFromPairs(list: FieldList, init: Iterable<unknown>): void {
  const pairs: string[][] = [];
  for (const entry of init) pairs.push(pairOf(entry, pairs.length));
  for (const pair of pairs) {
    if (pair.length !== 2) {
      throw new TypeError(
        `Headers constructor: expected name/value pair to be length 2, found ${pair.length}.`,
      );
    }
    appendTo(list, pair[0], pair[1]);
  }
}

function pairOf(entry: unknown, index: number): string[] {
  const isObject = (typeof entry === "object" && entry !== null) || typeof entry === "function";
  if (!isObject || typeof Reflect.get(entry, Symbol.iterator) !== "function") {
    throw new TypeError(`Headers constructor: init[${index}] (${String(entry)}) is not iterable.`);
  }
  return Array.from(entry as Iterable<unknown>, (part) => byteString(part, `init[${index}]`));
}

function appendTo(list: FieldList, name: unknown, value: unknown): void {
  if (isPlainField(name, value)) list.append(name as string, value as string);
  else list.append(...readField(name, value, OPERATION));
}
