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
];

const CR = 13;
const SPACE = 32;
const DASH = 45;
const UNDERSCORE = 95;
/** Makes an ASCII letter lower case. */
const LOWER = 0x20;

interface KnownName {
  readonly name: string;
  readonly first: number;
  readonly id: number;
}

/** By length: nearly every other name is told from these by its length and its first letter. */
const byLength: KnownName[][] = [];
for (const [name, id] of KNOWN) {
  while (byLength.length <= name.length) byLength.push([]);
  byLength[name.length]!.push({ name, first: name.charCodeAt(0), id });
}

/**
 * The `Field` id of the name that stands in `text` from `start` to `end`, in any case. A name that a backend could take
 * for one of the forwarding fields (`X_Forwarded_For`) is `removed`: nobody can say whose it is.
 */
export function fieldId(text: string, start = 0, end = text.length): number {
  const candidates = byLength[end - start];
  if (candidates === undefined || candidates.length === 0) return Field.other;
  const first = text.charCodeAt(start) | LOWER;
  for (let i = 0; i < candidates.length; i++) {
    const known = candidates[i]!;
    if (known.first !== first) continue;
    if (isNameAt(text, start, known.name)) return known.id;
    const forwarding = known.id >= Field.xForwardedFor && known.id <= Field.xForwardedOther;
    if (forwarding && isVariableAt(text, start, known.name)) return Field.removed;
  }
  return Field.other;
}

/** Whether `text` is `lower` in any case. `lower` is a lower-case token. */
export function equalsIgnoreCase(text: string, lower: string): boolean {
  return text.length === lower.length && isNameAt(text, 0, lower);
}

/** Whether CGI, FastCGI, WSGI or PHP make one variable of both names: there `_` and `-` are the same. */
export function isSameVariable(name: string, lower: string): boolean {
  return name.length === lower.length && isVariableAt(name, 0, lower);
}

function isNameAt(text: string, start: number, lower: string): boolean {
  for (let i = 0; i < lower.length; i++) {
    const code = text.charCodeAt(start + i);
    const want = lower.charCodeAt(i);
    if (code !== want && (code < 65 || code > 90 || code + 32 !== want)) return false;
  }
  return true;
}

function isVariableAt(text: string, start: number, lower: string): boolean {
  for (let i = 0; i < lower.length; i++) {
    const code = text.charCodeAt(start + i);
    const want = lower.charCodeAt(i);
    if (code === want || (code >= 65 && code <= 90 && code + 32 === want)) continue;
    if ((code !== DASH && code !== UNDERSCORE) || (want !== DASH && want !== UNDERSCORE)) return false;
  }
  return true;
}

/** Numbers that say where a field stands in the text: start and end of its name, start and end of its value. */
export const MARKS_PER_FIELD = 4;

/**
 * Header fields in the order received. Names keep their case; values are latin1 without outer white space.
 * They stay in the text they came in, and marks say where: most are only passed on, and never become strings.
 */
export class HeaderList {
  #text = "";
  #marks: number[] = [];
  /** `Field` id of each name; `Field.removed` for a field taken out. */
  ids: number[] = [];

  /** The fields of a head. `marks` has MARKS_PER_FIELD numbers for each and is copied. */
  static parsed(text: string, marks: Int32Array, count: number): HeaderList {
    const list = new HeaderList();
    const copied = new Array<number>(count * MARKS_PER_FIELD);
    for (let i = 0; i < copied.length; i++) copied[i] = marks[i]!;
    const ids = new Array<number>(count);
    for (let i = 0; i < count; i++) ids[i] = fieldId(text, copied[4 * i], copied[4 * i + 1]);
    list.#text = text;
    list.#marks = copied;
    list.ids = ids;
    return list;
  }

  get length(): number {
    return this.ids.length;
  }

  get names(): string[] {
    return this.ids.map((_, i) => this.nameAt(i));
  }

  get values(): string[] {
    return this.ids.map((_, i) => this.valueAt(i));
  }

  nameAt(index: number): string {
    return this.#text.slice(this.#marks[4 * index], this.#marks[4 * index + 1]);
  }

  valueAt(index: number): string {
    return this.#text.slice(this.#marks[4 * index + 2], this.#marks[4 * index + 3]);
  }

  add(name: string, value: string): void {
    const start = this.#text.length;
    const nameEnd = start + name.length;
    this.#marks.push(start, nameEnd, nameEnd + 2, nameEnd + 2 + value.length);
    this.#text += `${name}: ${value}\r\n`;
    this.ids.push(fieldId(name));
  }

  /** The first value of a known field, or null. */
  get(id: number): string | null {
    const index = this.ids.indexOf(id);
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
    for (let i = 0; i < this.ids.length; i++) {
      if (this.ids[i] === id) joined = joined === null ? this.valueAt(i) : `${joined}, ${this.valueAt(i)}`;
    }
    return joined;
  }

  remove(id: number): void {
    for (let i = 0; i < this.ids.length; i++) if (this.ids[i] === id) this.ids[i] = Field.removed;
  }

  removeNamed(lowerName: string): void {
    for (let i = this.#indexOf(lowerName, 0); i >= 0; i = this.#indexOf(lowerName, i + 1)) {
      this.ids[i] = Field.removed;
    }
  }

  /** Takes out every field that a backend could take for the one of this lower-case name. */
  removeVariable(lowerName: string): void {
    for (let i = 0; i < this.ids.length; i++) {
      const start = this.#marks[4 * i]!;
      const sameLength = this.#marks[4 * i + 1]! - start === lowerName.length;
      if (sameLength && isVariableAt(this.#text, start, lowerName)) this.ids[i] = Field.removed;
    }
  }

  /**
   * All fields that may be forwarded, as lines `name: value`. Neighbours that stand so in the text already, which is
   * nearly always, are taken over together.
   */
  forwardLines(): string {
    const text = this.#text;
    const marks = this.#marks;
    let lines = "";
    let runStart = 0;
    let runEnd = 0;
    for (let i = 0; i < this.ids.length; i++) {
      const id = this.ids[i]!;
      if (id <= Field.lastHopByHop && id !== Field.other) continue;
      const start = marks[4 * i]!;
      const valueEnd = marks[4 * i + 3]!;
      const plain =
        marks[4 * i + 2] === marks[4 * i + 1]! + 2 && text.charCodeAt(marks[4 * i + 1]! + 1) === SPACE;
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

  /** Of the fields from `from` on that were not taken out; -1 where there is none. */
  #indexOf(lowerName: string, from: number): number {
    for (let i = from; i < this.ids.length; i++) {
      if (this.ids[i] === Field.removed) continue;
      const start = this.#marks[4 * i]!;
      const sameLength = this.#marks[4 * i + 1]! - start === lowerName.length;
      if (sameLength && isNameAt(this.#text, start, lowerName)) return i;
    }
    return -1;
  }
}
