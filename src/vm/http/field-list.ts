// The list of header fields behind a light Headers. That of a request stays the text that the link gave until more than a
// few of its fields were asked for. VM processes.
import { endOfLine, findField, MANY } from "./field-text.ts";

/** A field takes three places: its name in lower case, its name as given, its value. In one array: one allocation. */
const WIDTH = 3;
/** A longer list is searched through an index: a list that a client or an app makes long must not cost its square. */
const SEARCHED = 16 * WIDTH;
/** From this many questions on, a list costs less than looking through the text. */
const LOOKS = 4;
const SET_COOKIE = "set-cookie";

export class FieldList {
  /** A name stands once, `set-cookie` once for each cookie. */
  readonly #fields: string[] = [];
  #sorted: [string, string][] | null = null;
  #index: Map<string, number> | null = null;
  /** Not yet read into `#fields`. */
  #text: string;
  #looks = 0;

  /** `text` is `name: value\r\n` for each field. */
  constructor(text = "") {
    this.#text = text;
  }

  /** `name` is in lower case. */
  has(name: string): boolean {
    return this.get(name) !== null;
  }

  /** `name` is in lower case. */
  get(name: string): string | null {
    if (this.#text !== "" && this.#looks < LOOKS) {
      this.#looks++;
      const found = findField(this.#text, name);
      if (found !== MANY) return found;
    }
    this.#settle();
    const at = this.#find(name);
    if (at === -1) return null;
    return name === SET_COOKIE ? this.cookies().join(", ") : this.#fields[at + 2]!;
  }

  append(given: string, value: string): void {
    this.#settle();
    this.#append(given, value);
  }

  set(given: string, value: string): void {
    this.#settle();
    const name = given.toLowerCase();
    const at = this.#find(name);
    this.#sorted = null;
    if (at === -1) {
      this.#add(name, given, value);
      return;
    }
    this.#fields[at + 1] = given;
    this.#fields[at + 2] = value;
    if (name === SET_COOKIE) this.#removeFrom(at + WIDTH, name);
  }

  /** `name` is in lower case. */
  delete(name: string): void {
    this.#settle();
    this.#removeFrom(0, name);
  }

  cookies(): string[] {
    this.#settle();
    const cookies: string[] = [];
    for (let i = 0; i < this.#fields.length; i += WIDTH) {
      if (this.#fields[i] === SET_COOKIE) cookies.push(this.#fields[i + 2]!);
    }
    return cookies;
  }

  copy(): FieldList {
    const copy = new FieldList(this.#text);
    if (this.#fields.length > 0) copy.#fields.push(...this.#fields);
    return copy;
  }

  /** By name, each cookie by itself. The same array until the list changes. */
  sorted(): readonly [string, string][] {
    if (this.#sorted !== null) return this.#sorted;
    this.#settle();
    const sorted: [string, string][] = [];
    for (let i = 0; i < this.#fields.length; i += WIDTH)
      sorted.push([this.#fields[i]!, this.#fields[i + 2]!]);
    this.#sorted = sorted.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    return sorted;
  }

  /** With the names as given, for `console.log`. */
  toObject(): Record<string, string> {
    this.#settle();
    const object: Record<string, string> = {};
    for (let i = 0; i < this.#fields.length; i += WIDTH) {
      const name = this.#fields[i]!;
      if (this.#find(name) === i) object[this.#fields[i + 1]!] = this.get(name) ?? "";
    }
    return object;
  }

  /** `name: value\r\n` for each field, in order. */
  lines(): string {
    if (this.#text !== "") return this.#text;
    let lines = "";
    for (let i = 0; i < this.#fields.length; i += WIDTH) {
      lines += `${this.#fields[i + 1]}: ${this.#fields[i + 2]}\r\n`;
    }
    return lines;
  }

  #settle(): void {
    const text = this.#text;
    if (text === "") return;
    this.#text = "";
    let at = 0;
    while (at < text.length) {
      const end = endOfLine(text, at);
      const colon = text.indexOf(":", at);
      this.#append(text.slice(at, colon), text.slice(colon + 2, end));
      at = end + 2;
    }
  }

  #append(given: string, value: string): void {
    const name = given.toLowerCase();
    const at = name === SET_COOKIE ? -1 : this.#find(name);
    this.#sorted = null;
    if (at === -1) {
      this.#add(name, given, value);
    } else {
      this.#fields[at + 2] = `${this.#fields[at + 2]}${name === "cookie" ? "; " : ", "}${value}`;
    }
  }

  #find(name: string): number {
    const fields = this.#fields;
    if (fields.length > SEARCHED) return this.#indexed().get(name) ?? -1;
    for (let i = 0; i < fields.length; i += WIDTH) {
      if (fields[i] === name) return i;
    }
    return -1;
  }

  #indexed(): Map<string, number> {
    if (this.#index === null) {
      this.#index = new Map();
      for (let i = this.#fields.length - WIDTH; i >= 0; i -= WIDTH) this.#index.set(this.#fields[i]!, i);
    }
    return this.#index;
  }

  #add(name: string, given: string, value: string): void {
    if (this.#index !== null && !this.#index.has(name)) this.#index.set(name, this.#fields.length);
    this.#fields.push(name, given, value);
  }

  #removeFrom(start: number, name: string): void {
    const fields = this.#fields;
    let kept = start;
    for (let i = start; i < fields.length; i += WIDTH) {
      if (fields[i] === name) continue;
      if (kept !== i) fields.copyWithin(kept, i, i + WIDTH);
      kept += WIDTH;
    }
    if (kept === fields.length) return;
    fields.length = kept;
    this.#sorted = null;
    this.#index = null;
  }
}
