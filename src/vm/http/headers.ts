// The light Headers: as the native class, on a list that the gateway's text is parsed into. VM processes.
// biome-ignore-all lint/complexity/noArguments: WebIDL counts them, and a rest parameter would be an array for each call
import { formatWithOptions, type InspectOptions, inspect } from "node:util";
import { markAsUncloneable } from "node:worker_threads";
import { FieldList } from "./field-list.ts";
import { fieldName, isPlainField, isToken, readField } from "./field-syntax.ts";
import { fill } from "./headers-init.ts";
import { type FieldIterator, iterate } from "./headers-iterator.ts";
import { needArguments, presentAs } from "./web-class.ts";

export class LightHeaders {
  #list: FieldList;
  #immutable: boolean;

  /** With a FieldList, which no app can get at: the Headers of a request or of a response. */
  constructor(init: unknown = undefined, immutable = false) {
    markAsUncloneable(this);
    // An app may call this with two arguments too: only those made from a list can be immutable.
    if (init instanceof FieldList) {
      this.#list = init;
      this.#immutable = immutable;
      return;
    }
    this.#immutable = false;
    if (typeof init === "object" && init !== null && #list in init && isPlain(init)) {
      this.#list = init.#list.copy();
      return;
    }
    this.#list = new FieldList();
    if (init !== undefined) fill(this.#list, init);
  }

  static listOf(headers: LightHeaders): FieldList {
    return headers.#list;
  }

  static isImmutable(headers: LightHeaders): boolean {
    return headers.#immutable;
  }

  append(name: string, value: string): void {
    needArguments(arguments.length, 2, "Headers.append");
    if (isPlainField(name, value)) this.#change().append(name, value);
    else {
      const [nameText, text] = readField(name, value, "Headers.append");
      this.#change().append(nameText, text);
    }
  }

  delete(name: string): void {
    needArguments(arguments.length, 1, "Headers.delete");
    const text = fieldName(name, "Headers.delete");
    this.#change().delete(text.toLowerCase());
  }

  get(name: string): string | null {
    needArguments(arguments.length, 1, "Headers.get");
    return this.#list.get(lookupName(name, "Headers.get"));
  }

  has(name: string): boolean {
    needArguments(arguments.length, 1, "Headers.has");
    return this.#list.has(lookupName(name, "Headers.has"));
  }

  set(name: string, value: string): void {
    needArguments(arguments.length, 2, "Headers.set");
    if (isPlainField(name, value)) this.#change().set(name, value);
    else {
      const [nameText, text] = readField(name, value, "Headers.set");
      this.#change().set(nameText, text);
    }
  }

  getSetCookie(): string[] {
    return this.#list.cookies();
  }

  keys(): FieldIterator<string> {
    return iterate(this.#list, "keys");
  }

  values(): FieldIterator<string> {
    return iterate(this.#list, "values");
  }

  entries(): FieldIterator<[string, string]> {
    return iterate(this.#list, "entries");
  }

  forEach(
    callback: (value: string, name: string, headers: LightHeaders) => void,
    thisArg: unknown = globalThis,
  ): void {
    const list = this.#list;
    needArguments(arguments.length, 1, "Headers.forEach");
    if (typeof callback !== "function") {
      throw new TypeError("Failed to execute 'forEach' on 'Headers': parameter 1 is not of type 'Function'.");
    }
    // The list may change on the way; what is sorted then is read anew.
    for (let i = 0; i < list.sorted().length; i++) {
      const [name, value] = list.sorted()[i]!;
      callback.call(thisArg, value, name, this);
    }
  }

  declare [Symbol.iterator]: () => FieldIterator<[string, string]>;

  [inspect.custom](depth: number, options: InspectOptions): string {
    options.depth ??= depth;
    return `Headers ${formatWithOptions(options, this.#list.toObject())}`;
  }

  #change(): FieldList {
    if (this.#immutable) throw new TypeError("immutable");
    return this.#list;
  }
}

/** An app may have put an iterator of its own on it, and that counts. */
function isPlain(headers: object): boolean {
  return Reflect.get(headers, Symbol.iterator) === LightHeaders.prototype.entries;
}

/** Names in capitals are looked up in lower case, and only after they are known to be tokens: "K" has two lower cases. */
function lookupName(name: string, operation: string): string {
  const text = typeof name === "string" && isToken(name) ? name : fieldName(name, operation);
  return text.toLowerCase();
}

/** Taken by the rest of the VM's code, out of sight of apps. */
export const { listOf, isImmutable } = LightHeaders;

presentAs(LightHeaders, "Headers", ["listOf", "isImmutable"]);
Object.defineProperty(LightHeaders.prototype, Symbol.iterator, {
  value: LightHeaders.prototype.entries,
  writable: true,
  enumerable: false,
  configurable: true,
});
