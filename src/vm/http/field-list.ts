// The list of header fields behind a light Headers: names in lower case, as given, and values. VM processes.

/** A longer list is searched through an index: a list that a client or an app makes long must not cost its square. */
const SEARCHED = 16;
const SET_COOKIE = "set-cookie";

export class FieldList {
  /** In lower case. A name stands once, `set-cookie` once for each cookie. */
  readonly #names: string[] = [];
  readonly #given: string[] = [];
  readonly #values: string[] = [];
  #sorted: [string, string][] | null = null;
  #index: Map<string, number> | null = null;

  /** `name: value\r\n` for each field. */
  static parse(lines: string): FieldList {
    const list = new FieldList();
    let at = 0;
    while (at < lines.length) {
      const colon = lines.indexOf(":", at);
      const end = lines.indexOf("\r\n", colon);
      list.append(lines.slice(at, colon), lines.slice(colon + 2, end));
      at = end + 2;
    }
    return list;
  }

  get length(): number {
    return this.#names.length;
  }

  /** `name` is in lower case. */
  has(name: string): boolean {
    return this.#find(name) !== -1;
  }

  /** `name` is in lower case. */
  get(name: string): string | null {
    const at = this.#find(name);
    if (at === -1) return null;
    return name === SET_COOKIE ? this.cookies().join(", ") : this.#values[at]!;
  }

  append(given: string, value: string): void {
    const name = given.toLowerCase();
    const at = name === SET_COOKIE ? -1 : this.#find(name);
    this.#sorted = null;
    if (at === -1) {
      this.#add(name, given, value);
    } else {
      this.#values[at] = `${this.#values[at]}${name === "cookie" ? "; " : ", "}${value}`;
    }
  }

  set(given: string, value: string): void {
    const name = given.toLowerCase();
    const at = this.#find(name);
    this.#sorted = null;
    if (at === -1) {
      this.#add(name, given, value);
      return;
    }
    this.#given[at] = given;
    this.#values[at] = value;
    if (name === SET_COOKIE) this.#removeFrom(at + 1, name);
  }

  /** `name` is in lower case. */
  delete(name: string): void {
    this.#removeFrom(0, name);
  }

  cookies(): string[] {
    return this.#values.filter((_, at) => this.#names[at] === SET_COOKIE);
  }

  copyTo(other: FieldList): void {
    for (let i = 0; i < this.#names.length; i++) other.append(this.#given[i]!, this.#values[i]!);
  }

  /** By name, each cookie by itself. The same array until the list changes. */
  sorted(): readonly [string, string][] {
    this.#sorted ??= this.#names
      .map((name, at): [string, string] => [name, this.#values[at]!])
      .sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    return this.#sorted;
  }

  /** With the names as given, for `console.log`. */
  toObject(): Record<string, string> {
    const fields: Record<string, string> = {};
    for (let i = 0; i < this.#names.length; i++) {
      const name = this.#names[i]!;
      if (this.#find(name) === i) fields[this.#given[i]!] = this.get(name) ?? "";
    }
    return fields;
  }

  /** `name: value\r\n` for each field, in order. */
  lines(): string {
    let lines = "";
    for (let i = 0; i < this.#names.length; i++) lines += `${this.#given[i]}: ${this.#values[i]}\r\n`;
    return lines;
  }

  #find(name: string): number {
    const names = this.#names;
    if (names.length > SEARCHED) return this.#indexed().get(name) ?? -1;
    for (let i = 0; i < names.length; i++) {
      if (names[i] === name) return i;
    }
    return -1;
  }

  #indexed(): Map<string, number> {
    if (this.#index === null) {
      this.#index = new Map();
      for (let i = this.#names.length - 1; i >= 0; i--) this.#index.set(this.#names[i]!, i);
    }
    return this.#index;
  }

  #add(name: string, given: string, value: string): void {
    if (this.#index !== null && !this.#index.has(name)) this.#index.set(name, this.#names.length);
    this.#names.push(name);
    this.#given.push(given);
    this.#values.push(value);
  }

  #removeFrom(start: number, name: string): void {
    let kept = start;
    for (let i = start; i < this.#names.length; i++) {
      if (this.#names[i] === name) continue;
      this.#names[kept] = this.#names[i]!;
      this.#given[kept] = this.#given[i]!;
      this.#values[kept] = this.#values[i]!;
      kept++;
    }
    if (kept === this.#names.length) return;
    this.#names.length = kept;
    this.#given.length = kept;
    this.#values.length = kept;
    this.#sorted = null;
    this.#index = null;
  }
}
