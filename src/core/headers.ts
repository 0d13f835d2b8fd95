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

const DASH = 45;
const UNDERSCORE = 95;

const byLength: Array<Array<readonly [string, number]>> = [];
for (const entry of KNOWN) {
  const length = entry[0].length;
  byLength[length] ??= [];
  byLength[length].push(entry);
}
for (let i = 0; i < byLength.length; i++) byLength[i] ??= [];

/**
 * The `Field` id of a name in any case. A name that a backend could take for one of the forwarding fields
 * (`X_Forwarded_For`) is `removed`: nobody can say whose it is.
 */
export function fieldId(name: string): number {
  const candidates = byLength[name.length];
  if (candidates === undefined) return Field.other;
  for (let i = 0; i < candidates.length; i++) {
    const [known, id] = candidates[i]!;
    if (equalsIgnoreCase(name, known)) return id;
    if (id >= Field.xForwardedFor && id <= Field.xForwardedOther && isSameVariable(name, known)) {
      return Field.removed;
    }
  }
  return Field.other;
}

/** Whether CGI, FastCGI, WSGI or PHP make one variable of both names: there `_` and `-` are the same. */
export function isSameVariable(name: string, lower: string): boolean {
  if (name.length !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    const code = name.charCodeAt(i);
    const want = lower.charCodeAt(i);
    if (code === want || (code >= 65 && code <= 90 && code + 32 === want)) continue;
    if ((code !== DASH && code !== UNDERSCORE) || (want !== DASH && want !== UNDERSCORE)) return false;
  }
  return true;
}

/** Whether `text` is `lower` in any case. `lower` is a lower-case token of the same length. */
export function equalsIgnoreCase(text: string, lower: string): boolean {
  if (text.length !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    const code = text.charCodeAt(i);
    const want = lower.charCodeAt(i);
    if (code !== want && (code < 65 || code > 90 || code + 32 !== want)) return false;
  }
  return true;
}

/** Header fields in the order received. Names keep their case; values are latin1 without outer white space. */
export class HeaderList {
  readonly names: string[] = [];
  readonly values: string[] = [];
  /** `Field` id of each name; `Field.removed` for a field taken out. */
  readonly ids: number[] = [];

  get length(): number {
    return this.names.length;
  }

  add(name: string, value: string, id: number = fieldId(name)): void {
    this.names.push(name);
    this.values.push(value);
    this.ids.push(id);
  }

  /** The first value of a known field, or null. */
  get(id: number): string | null {
    const index = this.ids.indexOf(id);
    return index < 0 ? null : this.values[index]!;
  }

  /** The first value of a field by its lower-case name, or null. */
  find(lowerName: string): string | null {
    for (let i = 0; i < this.names.length; i++) {
      if (this.ids[i] !== Field.removed && equalsIgnoreCase(this.names[i]!, lowerName))
        return this.values[i]!;
    }
    return null;
  }

  /** The value of a field that is there exactly once, by its lower-case name, or null. */
  findOnly(lowerName: string): string | null {
    let found: string | null = null;
    for (let i = 0; i < this.names.length; i++) {
      if (this.ids[i] === Field.removed || !equalsIgnoreCase(this.names[i]!, lowerName)) continue;
      if (found !== null) return null;
      found = this.values[i]!;
    }
    return found;
  }

  /** All values of a known field as one list (RFC 9110 section 5.3), or null. */
  join(id: number): string | null {
    let joined: string | null = null;
    for (let i = 0; i < this.ids.length; i++) {
      if (this.ids[i] === id) joined = joined === null ? this.values[i]! : `${joined}, ${this.values[i]!}`;
    }
    return joined;
  }

  remove(id: number): void {
    for (let i = 0; i < this.ids.length; i++) if (this.ids[i] === id) this.ids[i] = Field.removed;
  }

  removeNamed(lowerName: string): void {
    for (let i = 0; i < this.names.length; i++) {
      if (equalsIgnoreCase(this.names[i]!, lowerName)) this.ids[i] = Field.removed;
    }
  }

  /** Takes out every field that a backend could take for the one of this lower-case name. */
  removeVariable(lowerName: string): void {
    for (let i = 0; i < this.names.length; i++) {
      if (isSameVariable(this.names[i]!, lowerName)) this.ids[i] = Field.removed;
    }
  }
}
