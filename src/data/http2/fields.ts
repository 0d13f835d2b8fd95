// Fields between HTTP/2, as `node:http2` has them, and the list that the rest of the gateway works with. Runs in data
// threads.
//
// nghttp2 checks fields too, and leaves out those with a character that may not be there (docs/http2.md). What it lets
// through is checked here once more: everything in a list may go out in a message of HTTP/1.1.

import { type ResponseHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { Field, fieldId, HeaderList, MARKS_PER_FIELD } from "../../core/headers.ts";
import { HTAB, isAll, SP, TOKEN } from "../http1/tables.ts";
import { dateNow, mayBeTrailer } from "../http1/writer.ts";

/** Names are few, and checked once each; a client that makes up new ones gets them checked each time. */
const MOST_KNOWN_NAMES = 1000;
const MOST_KNOWN_LENGTH = 64;
const knownNames = new Map<string, number>();
const INVALID = -2;

const UPPER_CASE = /[A-Z]/;
/** One pass of a regular expression takes a third of the time of a loop over the characters. */
const NOT_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

function idOf(name: string): number {
  const known = knownNames.get(name);
  if (known !== undefined) return known;
  const id = isAll(TOKEN, name) && !UPPER_CASE.test(name) ? fieldId(name) : INVALID;
  if (name.length <= MOST_KNOWN_LENGTH && knownNames.size < MOST_KNOWN_NAMES) knownNames.set(name, id);
  return id;
}

function isValue(value: string): boolean {
  return (
    !isSpace(value.charCodeAt(0)) && !isSpace(value.charCodeAt(value.length - 1)) && !NOT_IN_VALUE.test(value)
  );
}

function isSpace(code: number): boolean {
  return code === SP || code === HTAB;
}

/** Collects fields into the text that a `HeaderList` stands upon. One per thread: an exchange takes its list at once. */
export class FieldCollector {
  #text = "";
  #marks = new Int32Array(64 * MARKS_PER_FIELD);
  #cookies: string | null = null;
  /** Fields so far; the pieces of a cookie are one. */
  count = 0;
  /** Bytes so far, as HTTP/1 counts them: with what stands between name, value and the next field. */
  bytes = 0;

  begin(): void {
    this.#text = "";
    this.#cookies = null;
    this.count = 0;
    this.bytes = 0;
  }

  /** Returns the `Field` id of the name, or a message that says what is wrong with it. */
  add(name: string, value: string): number | string {
    const id = idOf(name);
    if (id === INVALID) return `field name ${JSON.stringify(name)}: expected a token in lower case`;
    if (!isValue(value)) {
      return `field "${name}": expected a value without control characters and outer white space`;
    }
    this.bytes += name.length + value.length + 4;
    if (name === "cookie") {
      // RFC 9113 section 8.2.3: HTTP/2 may split it, and HTTP/1 has one.
      if (this.#cookies === null) this.count++;
      this.#cookies = this.#cookies === null ? value : `${this.#cookies}; ${value}`;
    } else {
      this.#append(name, value, id, this.count++ - (this.#cookies === null ? 0 : 1));
    }
    return id;
  }

  take(): HeaderList {
    if (this.#cookies !== null) this.#append("cookie", this.#cookies, Field.other, this.count - 1);
    return HeaderList.parsed(this.#text, this.#marks, this.count);
  }

  #append(name: string, value: string, id: number, index: number): void {
    const mark = index * MARKS_PER_FIELD;
    if (mark >= this.#marks.length) {
      const more = new Int32Array(2 * this.#marks.length);
      more.set(this.#marks);
      this.#marks = more;
    }
    const marks = this.#marks;
    const start = this.#text.length;
    const nameEnd = start + name.length;
    marks[mark] = start;
    marks[mark + 1] = nameEnd;
    marks[mark + 2] = nameEnd + 2;
    marks[mark + 3] = nameEnd + 2 + value.length;
    marks[mark + 4] = id;
    this.#text += `${name}: ${value}\r\n`;
  }
}

const trailerCollector = new FieldCollector();

/** The trailers of a request, from names and values by turns; null where there are none, or one that may not be there. */
export function readTrailers(raw: readonly string[]): HeaderList | null {
  trailerCollector.begin();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (typeof trailerCollector.add(raw[i]!, raw[i + 1]!) === "string") return null;
  }
  return trailerCollector.count === 0 ? null : trailerCollector.take();
}

/** Names and values by turns, as `respond` takes them. `length` is whether a length that is known is said. */
export function responseFields(head: ResponseHead, length: boolean): Array<string | number> {
  const { headers } = head;
  const { ids } = headers;
  const fields: Array<string | number> = [":status", head.status];
  let dated = false;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (id <= Field.lastHopByHop && id !== Field.other) continue;
    if (id === Field.date) dated = true;
    fields.push(headers.nameAt(i).toLowerCase(), headers.valueAt(i));
  }
  // RFC 9110 section 6.6.1: a recipient with a clock adds the Date that is missing.
  if (!dated) fields.push("date", dateNow());
  if (length && head.bodyLength !== UNKNOWN_LENGTH) fields.push("content-length", String(head.bodyLength));
  return fields;
}

/** Of a response, as `sendTrailers` takes them; null where none may be sent. */
export function trailerFields(trailers: HeaderList): Record<string, string | string[]> | null {
  let fields: Record<string, string | string[]> | null = null;
  for (let i = 0; i < trailers.length; i++) {
    if (!mayBeTrailer(trailers, i)) continue;
    const name = trailers.nameAt(i).toLowerCase();
    const value = trailers.valueAt(i);
    fields ??= Object.create(null) as Record<string, string | string[]>;
    const before = fields[name];
    if (before === undefined) fields[name] = value;
    else fields[name] = typeof before === "string" ? [before, value] : [...before, value];
  }
  return fields;
}
