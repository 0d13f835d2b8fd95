// A second reading of HTTP/1.1 messages, written apart from the engine and for plainness alone: whole text in, split
// at line ends, matched against the grammar of RFC 9110 and RFC 9112. Tests hold the engine to it. Runs in tests.

export type Field = readonly [name: string, value: string];

/** How long a body is: a number of bytes, chunked, or until the connection ends. */
export type Framing = number | "chunked" | "until close";

export interface RequestReading {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly fields: readonly Field[];
  readonly framing: Framing;
  /** What lies behind the head. */
  readonly rest: string;
}

export interface ResponseReading {
  readonly status: number;
  readonly version: string;
  readonly fields: readonly Field[];
  readonly framing: Framing;
  readonly rest: string;
}

export interface ChunkedReading {
  readonly data: string;
  readonly trailers: readonly Field[];
  readonly rest: string;
}

const TCHAR = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]";
const REQUEST_LINE = new RegExp(`^(${TCHAR}+) ([\\x21-\\x7e]+) (HTTP/1\\.[01])$`);
const STATUS_LINE = /^(HTTP\/1\.[01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
const FIELD_LINE = new RegExp(`^(${TCHAR}+):([\\t\\x20-\\x7e\\x80-\\xff]*)$`);
const CHUNK_LINE = /^([0-9A-Fa-f]{1,13})(?:[\t ]*;[\t\x20-\x7e\x80-\xff]*)?$/;

/** Null for text that is no whole request head. */
export function readRequest(text: string): RequestReading | null {
  const head = splitHead(text.startsWith("\r\n") ? text.slice(2) : text);
  if (head === null) return null;
  const [, method, target, version] = REQUEST_LINE.exec(head.startLine) ?? [];
  if (method === undefined || target === undefined || version === undefined) return null;
  const { fields, rest } = head;

  const hosts = valuesOf(fields, "host");
  if (hosts.length > 1 || (hosts.length === 0 && version === "HTTP/1.1")) return null;
  if (method === "CONNECT") return null;

  const framing = framingOf(fields, version);
  return framing === null ? null : { method, target, version, fields, framing: framing ?? 0, rest };
}

/** Of the answer to a request of that method. Null for text that is no whole response head. */
export function readResponse(text: string, method: string): ResponseReading | null {
  const head = splitHead(text);
  if (head === null) return null;
  const [, version, code] = STATUS_LINE.exec(head.startLine) ?? [];
  if (version === undefined) return null;
  const { fields, rest } = head;
  const status = Number(code);
  const declared = framingOf(fields, version);
  if (declared === null || (status < 200 && declared !== undefined && declared !== 0)) return null;
  const bodyless = method === "HEAD" || status < 200 || status === 204 || status === 304;
  return { status, version, fields, framing: bodyless ? 0 : (declared ?? "until close"), rest };
}

/** Null for text that is no whole chunked body. */
export function readChunked(text: string): ChunkedReading | null {
  let data = "";
  let rest = text;
  for (;;) {
    const lineEnd = rest.indexOf("\r\n");
    if (lineEnd < 0) return null;
    const match = CHUNK_LINE.exec(rest.slice(0, lineEnd));
    if (match === null) return null;
    const size = Number.parseInt(match[1]!, 16);
    rest = rest.slice(lineEnd + 2);
    if (size === 0) break;
    data += rest.slice(0, size);
    if (rest.slice(size, size + 2) !== "\r\n") return null;
    rest = rest.slice(size + 2);
  }
  const section = splitFields(rest);
  return section === null ? null : { data, trailers: section.fields, rest: section.rest };
}

export function valuesOf(fields: readonly Field[], lowerName: string): string[] {
  return fields.filter(([name]) => name.toLowerCase() === lowerName).map(([, value]) => value);
}

/** Undefined when the fields say nothing of a body, null when what they say is not to be trusted. */
function framingOf(fields: readonly Field[], version: string): Framing | undefined | null {
  const codings = valuesOf(fields, "transfer-encoding");
  const lengths = valuesOf(fields, "content-length");
  if (codings.length + lengths.length === 0) return undefined;
  if (codings.length + lengths.length > 1) return null;
  if (codings.length === 1) {
    return codings[0]!.toLowerCase() === "chunked" && version === "HTTP/1.1" ? "chunked" : null;
  }
  const length = Number(lengths[0]);
  return /^[0-9]{1,16}$/.test(lengths[0]!) && length <= Number.MAX_SAFE_INTEGER ? length : null;
}

interface Head {
  readonly startLine: string;
  readonly fields: readonly Field[];
  readonly rest: string;
}

function splitHead(text: string): Head | null {
  const lineEnd = text.indexOf("\r\n");
  if (lineEnd < 0) return null;
  const section = splitFields(text.slice(lineEnd + 2));
  return section === null ? null : { startLine: text.slice(0, lineEnd), ...section };
}

/** Field lines up to an empty one. */
function splitFields(text: string): { readonly fields: readonly Field[]; readonly rest: string } | null {
  const fields: Field[] = [];
  let rest = text;
  for (;;) {
    const lineEnd = rest.indexOf("\r\n");
    if (lineEnd < 0) return null;
    const line = rest.slice(0, lineEnd);
    rest = rest.slice(lineEnd + 2);
    if (line === "") return { fields, rest };
    const match = FIELD_LINE.exec(line);
    if (match === null) return null;
    fields.push([match[1]!, match[2]!.replace(/^[\t ]+/, "").replace(/[\t ]+$/, "")]);
  }
}
