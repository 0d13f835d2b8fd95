// Header fields in the order they came, with the ids of the names the gateway itself acts on.

/**
 * Ids of the field names that the gateway acts on. Every other name is `other`.
 * The ids up to `lastHopByHop` name fields that belong to one connection (RFC 9110 section 7.6.1) or to the
 * framing of one message, and are never forwarded: each writer makes its own.
 */
export const Field = {
  removed: -1,
  other: 0,
  connection: 1,
  keepAlive: 2,
  proxyConnection: 3,
  transferEncoding: 4,
  te: 5,
  upgrade: 6,
  contentLength: 7,
  proxyAuthorization: 8,
  proxyAuthenticate: 9,
  http2Settings: 10,
  expect: 11,
  lastHopByHop: 11,
  host: 12,
  xForwardedFor: 13,
  xForwardedProto: 14,
  xForwardedHost: 15,
  xForwardedOther: 16,
  forwarded: 17,
  via: 18,
  trailer: 19,
  date: 20,
  contentType: 21,
  ifMatch: 22,
  ifUnmodifiedSince: 23,
  ifNoneMatch: 24,
  ifModifiedSince: 25,
  ifRange: 26,
  range: 27,
  acceptEncoding: 28,
} as const;

const KNOWN: ReadonlyArray<readonly [string, number]> = [
  ["connection", Field.connection],
  ["keep-alive", Field.keepAlive],
  ["proxy-connection", Field.proxyConnection],
  ["transfer-encoding", Field.transferEncoding],
  ["te", Field.te],
  ["upgrade", Field.upgrade],
  ["content-length", Field.contentLength],
  ["proxy-authorization", Field.proxyAuthorization],
  ["proxy-authenticate", Field.proxyAuthenticate],
  ["http2-settings", Field.http2Settings],
  ["expect", Field.expect],
  ["host", Field.host],
  ["x-forwarded-for", Field.xForwardedFor],
  ["x-forwarded-proto", Field.xForwardedProto],
  ["x-forwarded-host", Field.xForwardedHost],
  ["x-forwarded-port", Field.xForwardedOther],
  ["x-forwarded-prefix", Field.xForwardedOther],
  ["x-forwarded-server", Field.xForwardedOther],
  ["x-forwarded-ssl", Field.xForwardedOther],
  ["x-forwarded-scheme", Field.xForwardedOther],
  ["x-forwarded-uri", Field.xForwardedOther],
  ["x-forwarded-method", Field.xForwardedOther],
  ["x-forwarded-by", Field.xForwardedOther],
  ["forwarded", Field.forwarded],
  ["via", Field.via],
  ["trailer", Field.trailer],
  ["date", Field.date],
  ["content-type", Field.contentType],
  ["if-match", Field.ifMatch],
  ["if-unmodified-since", Field.ifUnmodifiedSince],
  ["if-none-match", Field.ifNoneMatch],
  ["if-modified-since", Field.ifModifiedSince],
  ["if-range", Field.ifRange],
  ["range", Field.range],
  ["accept-encoding", Field.acceptEncoding],
];

const CR = 13;
const SPACE = 32;
const DASH = 45;
const UNDERSCORE = 95;
/** Makes an ASCII letter lower case. */
const LOWER = 0x20;

interface KnownName {
  readonly name: Uint8Array;
  readonly id: number;
}

/** By length: nearly every other name is told from these by its length and its first letter. */
const byLength: KnownName[][] = [];
for (const [name, id] of KNOWN) {
  while (byLength.length <= name.length) byLength.push([]);
  byLength[name.length]!.push({ name: Buffer.from(name, "latin1"), id });
}

/**
 * The `Field` id of the token in `bytes` from `start` to `end`, in any case. A name that a backend could take for one of
 * the forwarding fields (`X_Forwarded_For`) is `removed`: nobody can say whose it is.
 */
export function fieldIdAt(bytes: Uint8Array, start: number, end: number): number {
  const candidates = byLength[end - start];
  if (candidates === undefined) return Field.other;
  const first = bytes[start]! | LOWER;
  for (let i = 0; i < candidates.length; i++) {
    const { name, id } = candidates[i]!;
    if (name[0] !== first) continue;
    let at = 1;
    // In a token only an upper-case letter becomes a letter by this bit.
    while (at < name.length && (bytes[start + at]! | LOWER) === name[at]) at++;
    if (at === name.length) return id;
    const forwarding = id >= Field.xForwardedFor && id <= Field.xForwardedOther;
    if (forwarding && isVariableAt(bytes, start, name, at)) return Field.removed;
  }
  return Field.other;
}

/** `fieldIdAt` for a name by itself. */
export function fieldId(name: string): number {
  return fieldIdAt(Buffer.from(name, "latin1"), 0, name.length);
}

/** Whether the rest from `at` on is the same where `_` and `-` are the same. */
function isVariableAt(bytes: Uint8Array, start: number, name: Uint8Array, at: number): boolean {
  for (let i = at; i < name.length; i++) {
    const byte = bytes[start + i]!;
    if ((byte | LOWER) !== name[i] && !(byte === UNDERSCORE && name[i] === DASH)) return false;
  }
  return true;
}

/** Whether `text` is `lower` in any case. `lower` is a lower-case token. */
export function equalsIgnoreCase(text: string, lower: string): boolean {
  return text.length === lower.length && isNameAt(text, 0, lower);
}

function isNameAt(text: string, start: number, lower: string): boolean {
  for (let i = 0; i < lower.length; i++) {
    const code = text.charCodeAt(start + i);
    const want = lower.charCodeAt(i);
    if (code !== want && (code < 65 || code > 90 || code + 32 !== want)) return false;
  }
  return true;
}

/** Whether CGI, FastCGI, WSGI or PHP make one variable of both names: there `_` and `-` are the same. */
function isSameVariableAt(text: string, start: number, lower: string): boolean {
  for (let i = 0; i < lower.length; i++) {
    const code = text.charCodeAt(start + i);
    const want = lower.charCodeAt(i);
    if (code === want || (code >= 65 && code <= 90 && code + 32 === want)) continue;
    if ((code !== DASH && code !== UNDERSCORE) || (want !== DASH && want !== UNDERSCORE)) return false;
  }
  return true;
}

/** Numbers that say where a field stands in the text: start and end of its name, of its value, and its `Field` id. */
export const MARKS_PER_FIELD = 5;

/**
 * Header fields in the order received. Names keep their case; values are latin1 without outer white space.
 * They stay in the text they came in: most are only passed on, and never become strings.
 */
export class HeaderList {
  #text = "";
  /** Four for each field: start and end of its name, start and end of its value. */
  #places: number[] = [];
  #ids: number[] = [];
  /** Another list has the same arrays: they are copied when one of them changes. */
  #isShared = false;
  /** What `forwardLines` has made, until a field changes. */
  #lines: string | null = null;

  /** The fields of a head. `marks` has MARKS_PER_FIELD numbers for each and is copied. */
  static parsed(text: string, marks: Int32Array, count: number): HeaderList {
    const list = new HeaderList();
    const places = new Array<number>(4 * count);
    const ids = new Array<number>(count);
    for (let field = 0; field < count; field++) {
      const mark = field * MARKS_PER_FIELD;
      const place = 4 * field;
      places[place] = marks[mark]!;
      places[place + 1] = marks[mark + 1]!;
      places[place + 2] = marks[mark + 2]!;
      places[place + 3] = marks[mark + 3]!;
      ids[field] = marks[mark + 4]!;
    }
    list.#text = text;
    list.#places = places;
    list.#ids = ids;
    return list;
  }

  /** `Field` id of each name; `Field.removed` for a field taken out. */
  get ids(): readonly number[] {
    return this.#ids;
  }

  get length(): number {
    return this.#ids.length;
  }

  get names(): string[] {
    return this.#ids.map((_, i) => this.nameAt(i));
  }

  get values(): string[] {
    return this.#ids.map((_, i) => this.valueAt(i));
  }

  nameAt(index: number): string {
    return this.#text.slice(this.#places[4 * index], this.#places[4 * index + 1]);
  }

  valueAt(index: number): string {
    return this.#text.slice(this.#places[4 * index + 2], this.#places[4 * index + 3]);
  }

  /** `id` is the one of the name, or `Field.other` for a field that the gateway is to leave alone. */
  add(name: string, value: string, id = fieldId(name)): void {
    this.#change();
    const start = this.#text.length;
    const nameEnd = start + name.length;
    this.#places.push(start, nameEnd, nameEnd + 2, nameEnd + 2 + value.length);
    this.#text += `${name}: ${value}\r\n`;
    this.#ids.push(id);
  }

  /** Another list with the same fields. */
  copy(): HeaderList {
    const list = new HeaderList();
    list.#text = this.#text;
    list.#places = this.#places;
    list.#ids = this.#ids;
    list.#lines = this.#lines;
    list.#isShared = true;
    this.#isShared = true;
    return list;
  }

  /** The first value of a known field, or null. */
  get(id: number): string | null {
    const index = this.#ids.indexOf(id);
    return index < 0 ? null : this.valueAt(index);
  }

  /** The first value of a field by its lower-case name, or null. */
  find(lowerName: string): string | null {
    const index = this.#indexOf(lowerName, 0);
    return index < 0 ? null : this.valueAt(index);
  }

  /** The value of a field that is there exactly once, by its lower-case name, or null. */
  findOnly(lowerName: string): string | null {
    const index = this.#indexOf(lowerName, 0);
    return index < 0 || this.#indexOf(lowerName, index + 1) >= 0 ? null : this.valueAt(index);
  }

  /** Whether there is a field of this lower-case name, with this value unless that is null. */
  has(lowerName: string, value: string | null): boolean {
    for (let i = this.#indexOf(lowerName, 0); i >= 0; i = this.#indexOf(lowerName, i + 1)) {
      if (value === null || this.valueAt(i) === value) return true;
    }
    return false;
  }

  /** All values of a known field as one list (RFC 9110 section 5.3), or null. */
  join(id: number): string | null {
    let joined: string | null = null;
    for (let i = 0; i < this.#ids.length; i++) {
      if (this.#ids[i] === id) joined = joined === null ? this.valueAt(i) : `${joined}, ${this.valueAt(i)}`;
    }
    return joined;
  }

  /** All values of a field by its lower-case name as one list (RFC 9110 section 5.3), or null. */
  joinNamed(lowerName: string): string | null {
    let joined: string | null = null;
    for (let i = this.#indexOf(lowerName, 0); i >= 0; i = this.#indexOf(lowerName, i + 1)) {
      joined = joined === null ? this.valueAt(i) : `${joined}, ${this.valueAt(i)}`;
    }
    return joined;
  }

  removeAt(index: number): void {
    this.#change();
    this.#ids[index] = Field.removed;
  }

  remove(id: number): void {
    for (let i = 0; i < this.#ids.length; i++) if (this.#ids[i] === id) this.removeAt(i);
  }

  removeNamed(lowerName: string): void {
    for (let i = this.#indexOf(lowerName, 0); i >= 0; i = this.#indexOf(lowerName, i + 1)) {
      this.removeAt(i);
    }
  }

  /** Takes out every field that a backend could take for the one of this lower-case name. */
  removeVariable(lowerName: string): void {
    for (let i = 0; i < this.#ids.length; i++) {
      const start = this.#places[4 * i]!;
      const sameLength = this.#places[4 * i + 1]! - start === lowerName.length;
      if (sameLength && isSameVariableAt(this.#text, start, lowerName)) this.removeAt(i);
    }
  }

  /**
   * All fields that may be forwarded, as lines `name: value`. Neighbours that stand so in the text already, which is
   * nearly always, are taken over together.
   */
  forwardLines(): string {
    this.#lines ??= this.#joinLines();
    return this.#lines;
  }

  #joinLines(): string {
    const text = this.#text;
    const places = this.#places;
    let lines = "";
    let runStart = 0;
    let runEnd = 0;
    for (let i = 0; i < this.#ids.length; i++) {
      const id = this.#ids[i]!;
      if (id <= Field.lastHopByHop && id !== Field.other) continue;
      const start = places[4 * i]!;
      const valueEnd = places[4 * i + 3]!;
      const plain =
        places[4 * i + 2] === places[4 * i + 1]! + 2 && text.charCodeAt(places[4 * i + 1]! + 1) === SPACE;
      if (!plain || text.charCodeAt(valueEnd) !== CR) {
        lines += `${text.slice(runStart, runEnd)}${this.nameAt(i)}: ${this.valueAt(i)}\r\n`;
        runStart = 0;
        runEnd = 0;
      } else {
        if (runEnd !== start) {
          lines += text.slice(runStart, runEnd);
          runStart = start;
        }
        runEnd = valueEnd + 2;
      }
    }
    return lines + text.slice(runStart, runEnd);
  }

  #change(): void {
    this.#lines = null;
    if (!this.#isShared) return;
    this.#isShared = false;
    this.#places = this.#places.slice();
    this.#ids = this.#ids.slice();
  }

  /** Of the fields from `from` on that were not taken out; -1 where there is none. */
  #indexOf(lowerName: string, from: number): number {
    for (let i = from; i < this.#ids.length; i++) {
      if (this.#ids[i] === Field.removed) continue;
      const start = this.#places[4 * i]!;
      const sameLength = this.#places[4 * i + 1]! - start === lowerName.length;
      if (sameLength && isNameAt(this.#text, start, lowerName)) return i;
    }
    return -1;
  }
}
