// Reads the start line and the fields of one HTTP/1 message, byte by byte and strictly (RFC 9112 sections 2 to 5).
// A head that arrives whole is read in place; one that arrives in pieces is kept, and reading goes on at the next byte.
//
//   request:   [CRLF] METHOD SP TARGET SP VERSION CRLF  fields
//   response:  VERSION SP STATUS [SP REASON] CRLF       fields
//   trailers:                                           fields
//   fields:    *( NAME ":" OWS VALUE OWS CRLF ) CRLF

import { fieldIdAt, HeaderList, MARKS_PER_FIELD } from "../../core/headers.ts";
import { COLON, CR, HTAB, LF, SP, TOKEN, VALUE, VISIBLE } from "./tables.ts";

export const NEED_MORE = -1;
export const FAILED = -2;

export type HeadKind = "request" | "response" | "trailers";

export interface HeadLimits {
  /** Bytes of the start line with its line end. */
  readonly lineBytes: number;
  /** Bytes of all fields with their line ends. */
  readonly headerBytes: number;
  readonly headerCount: number;
}

export type HeadFault = "malformed" | "version" | "line_too_long" | "fields_too_large";

const START = 0;
const START_LF = 1;
const METHOD = 2;
const TARGET = 3;
const VERSION = 4;
const LINE_LF = 5;
const FIELD_START = 6;
const NAME = 7;
const BEFORE_VALUE = 8;
const FIELD_VALUE = 9;
const VALUE_LF = 10;
const END_LF = 11;
const RESPONSE_VERSION = 12;
const STATUS = 13;
const AFTER_STATUS = 14;
const REASON = 15;

const VERSION_LENGTH = 8;
const FIRST_STATE: Readonly<Record<HeadKind, number>> = {
  request: START,
  response: RESPONSE_VERSION,
  trailers: FIELD_START,
};

export class HeadParser {
  readonly #kind: HeadKind;
  #limits: HeadLimits;

  // The result, valid after `feed` returned an offset.
  method = "";
  target = "";
  status = 0;
  reason = "";
  /** 0 or 1. */
  minorVersion = 0;
  headers = new HeaderList();

  /** What is wrong, after `feed` returned FAILED. */
  fault: HeadFault = "malformed";
  message = "";

  // Offsets are relative to the first byte of the head. See MARKS_PER_FIELD for the marks.
  #state: number;
  #position = 0;
  #limitAt = 0;
  #tokenStart = 0;
  #methodStart = 0;
  #methodEnd = 0;
  #targetEnd = 0;
  #reasonStart = 0;
  #reasonEnd = 0;
  #marks = new Int32Array(32 * MARKS_PER_FIELD);
  #fields = 0;
  #kept: Buffer | null = null;
  #keptLength = 0;

  constructor(kind: HeadKind, limits: HeadLimits) {
    this.#kind = kind;
    this.#limits = limits;
    this.#state = FIRST_STATE[kind];
    this.reset(limits);
  }

  /** Whether some bytes of a head were read that is not whole yet. */
  get started(): boolean {
    return this.#keptLength > 0;
  }

  reset(limits: HeadLimits): void {
    this.#limits = limits;
    this.#state = FIRST_STATE[this.#kind];
    this.#position = 0;
    this.#limitAt = this.#kind === "trailers" ? limits.headerBytes : limits.lineBytes;
    this.#fields = 0;
    this.#kept = null;
    this.#keptLength = 0;
  }

  /**
   * Reads on in `chunk` from `start`. Returns the offset in `chunk` behind the head; NEED_MORE when all of the chunk
   * was taken and the head goes on; or FAILED.
   */
  feed(chunk: Buffer, start: number): number {
    const before = this.#keptLength;
    let bytes = chunk;
    let base = start;
    if (before > 0) {
      this.#keep(chunk, start);
      bytes = this.#kept!;
      base = 0;
    }
    const end = this.#scan(bytes, base, before > 0 ? this.#keptLength : chunk.length);
    if (end >= 0) {
      this.#extract(bytes, base, end);
      return before > 0 ? start + end - before : end;
    }
    if (end === NEED_MORE && before === 0) this.#keep(chunk, start);
    return end;
  }

  #keep(chunk: Buffer, start: number): void {
    // Never more than the limits let in: what lies behind them is not part of this head.
    const room = this.#limits.lineBytes + this.#limits.headerBytes - this.#keptLength;
    const added = Math.min(chunk.length - start, room);
    const needed = this.#keptLength + added;
    if (this.#kept === null || this.#kept.length < needed) {
      const grown = Buffer.allocUnsafeSlow(Math.max(256, 2 * needed));
      this.#kept?.copy(grown, 0, 0, this.#keptLength);
      this.#kept = grown;
    }
    chunk.copy(this.#kept, this.#keptLength, start, start + added);
    this.#keptLength = needed;
  }

  /** Returns the offset in `bytes` behind the head, NEED_MORE or FAILED. */
  #scan(bytes: Buffer, base: number, available: number): number {
    const token = TOKEN;
    const value = VALUE;
    const visible = VISIBLE;
    let state = this.#state;
    let i = base + this.#position;
    let limit = base + this.#limitAt;
    let end = Math.min(available, limit);
    while (i < end) {
      switch (state) {
        case START:
          if (bytes[i] === CR) {
            // One empty line before the request line is skipped (RFC 9112 section 2.2).
            state = START_LF;
            i++;
            break;
          }
          this.#tokenStart = i - base;
          this.#methodStart = i - base;
          state = METHOD;
          break;
        case START_LF:
          if (bytes[i] !== LF) return this.#fail("malformed", "bare CR before the request line");
          i++;
          this.#methodStart = i - base;
          state = METHOD;
          break;
        case METHOD:
          while (i < end && token[bytes[i]!] === 1) i++;
          if (i === end) break;
          if (bytes[i] !== SP || i - base === this.#methodStart) {
            return this.#unexpected(bytes[i]!, "in the method", "a token and one space");
          }
          this.#methodEnd = i - base;
          i++;
          this.#tokenStart = i - base;
          state = TARGET;
          break;
        case TARGET:
          while (i < end && visible[bytes[i]!] === 1) i++;
          if (i === end) break;
          if (bytes[i] !== SP || i - base === this.#tokenStart) {
            return this.#unexpected(bytes[i]!, "in the request target", "visible ASCII and one space");
          }
          this.#targetEnd = i - base;
          i++;
          this.#tokenStart = i - base;
          state = VERSION;
          break;
        case VERSION: {
          const at = i - base - this.#tokenStart;
          if (at < VERSION_LENGTH) {
            if (!this.#takeVersionByte(bytes[i]!, at)) return FAILED;
            i++;
          } else {
            if (bytes[i] !== CR) return this.#unexpected(bytes[i]!, "behind the HTTP version", "CRLF");
            i++;
            state = LINE_LF;
          }
          break;
        }
        case LINE_LF:
          if (bytes[i] !== LF) return this.#unexpected(bytes[i]!, "behind a CR of the start line", "LF");
          i++;
          state = FIELD_START;
          limit = i + this.#limits.headerBytes;
          this.#limitAt = limit - base;
          end = Math.min(available, limit);
          break;
        case FIELD_START:
          if (bytes[i] === CR) {
            i++;
            state = END_LF;
            break;
          }
          if (bytes[i] === SP || bytes[i] === HTAB) {
            return this.#fail(
              "malformed",
              "white space at the start of a header line: folded fields are not accepted",
            );
          }
          if (this.#fields === this.#limits.headerCount) {
            return this.#fail("fields_too_large", `more than ${this.#limits.headerCount} header fields`);
          }
          this.#tokenStart = i - base;
          state = NAME;
          break;
        case NAME:
          while (i < end && token[bytes[i]!] === 1) i++;
          if (i === end) break;
          if (bytes[i] !== COLON || i - base === this.#tokenStart) {
            return this.#unexpected(bytes[i]!, "in a field name", 'a token and ":"');
          }
          this.#markName(bytes, base, i);
          i++;
          state = BEFORE_VALUE;
          break;
        case BEFORE_VALUE:
          while (i < end && (bytes[i] === SP || bytes[i] === HTAB)) i++;
          if (i === end) break;
          this.#tokenStart = i - base;
          state = FIELD_VALUE;
          break;
        case FIELD_VALUE: {
          while (i < end && value[bytes[i]!] === 1) i++;
          if (i === end) break;
          if (bytes[i] !== CR)
            return this.#unexpected(bytes[i]!, "in a field value", "visible characters and CRLF");
          let valueEnd = i;
          const valueStart = base + this.#tokenStart;
          while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB))
            valueEnd--;
          this.#markValue(valueStart - base, valueEnd - base);
          i++;
          state = VALUE_LF;
          break;
        }
        case VALUE_LF:
          if (bytes[i] !== LF) return this.#unexpected(bytes[i]!, "behind a CR of a field", "LF");
          i++;
          state = FIELD_START;
          break;
        case END_LF:
          if (bytes[i] !== LF) return this.#unexpected(bytes[i]!, "behind the last CR of the head", "LF");
          return i + 1;
        case RESPONSE_VERSION: {
          const at = i - base;
          if (at < VERSION_LENGTH) {
            if (!this.#takeVersionByte(bytes[i]!, at)) return FAILED;
          } else {
            if (bytes[i] !== SP) return this.#unexpected(bytes[i]!, "behind the HTTP version", "one space");
            this.#tokenStart = i + 1 - base;
            this.status = 0;
            state = STATUS;
          }
          i++;
          break;
        }
        case STATUS: {
          const digit = bytes[i]! - 0x30;
          if (digit < 0 || digit > 9)
            return this.#unexpected(bytes[i]!, "in the status code", "three digits");
          this.status = 10 * this.status + digit;
          i++;
          if (i - base - this.#tokenStart === 3) state = AFTER_STATUS;
          break;
        }
        case AFTER_STATUS:
          if (bytes[i] !== SP && bytes[i] !== CR) {
            return this.#unexpected(bytes[i]!, "behind the status code", "a space or CRLF");
          }
          this.#reasonStart = i + 1 - base;
          this.#reasonEnd = i + 1 - base;
          state = bytes[i] === SP ? REASON : LINE_LF;
          i++;
          break;
        case REASON:
          while (i < end && value[bytes[i]!] === 1) i++;
          if (i === end) break;
          if (bytes[i] !== CR)
            return this.#unexpected(bytes[i]!, "in the reason phrase", "visible characters and CRLF");
          this.#reasonEnd = i - base;
          i++;
          state = LINE_LF;
          break;
      }
    }
    if (i >= limit) {
      if (state < FIELD_START || state >= RESPONSE_VERSION) {
        return this.#fail("line_too_long", `the start line is longer than ${this.#limits.lineBytes} bytes`);
      }
      return this.#fail(
        "fields_too_large",
        `the header fields are longer than ${this.#limits.headerBytes} bytes`,
      );
    }
    this.#state = state;
    this.#position = i - base;
    return NEED_MORE;
  }

  /** Only HTTP/1.0 and HTTP/1.1 pass. */
  #takeVersionByte(byte: number, at: number): boolean {
    if (at < 5) {
      if (byte === "HTTP/".charCodeAt(at)) return true;
      this.#unexpected(byte, "in the HTTP version", "HTTP/1.1 or HTTP/1.0");
      return false;
    }
    if (at === 6) {
      if (byte === 0x2e) return true;
    } else if (byte >= 0x30 && byte <= 0x39) {
      const digit = byte - 0x30;
      if (at === 7) this.minorVersion = digit;
      if (at === 5 ? digit === 1 : digit <= 1) return true;
      this.#fail("version", "an HTTP version other than 1.1 and 1.0");
      return false;
    }
    this.#unexpected(byte, "in the HTTP version", "HTTP/1.1 or HTTP/1.0");
    return false;
  }

  #markName(bytes: Buffer, base: number, end: number): void {
    const at = MARKS_PER_FIELD * this.#fields;
    if (at === this.#marks.length) {
      const grown = new Int32Array(2 * this.#marks.length);
      grown.set(this.#marks);
      this.#marks = grown;
    }
    this.#marks[at] = this.#tokenStart;
    this.#marks[at + 1] = end - base;
    this.#marks[at + 4] = fieldIdAt(bytes, base + this.#tokenStart, end);
  }

  #markValue(start: number, end: number): void {
    const at = MARKS_PER_FIELD * this.#fields;
    this.#marks[at + 2] = start;
    this.#marks[at + 3] = end;
    this.#fields++;
  }

  #extract(bytes: Buffer, base: number, end: number): void {
    // One string for the whole head; the parts are slices of it.
    const text = bytes.toString("latin1", base, end);
    if (this.#kind === "request") {
      this.method = text.slice(this.#methodStart, this.#methodEnd);
      this.target = text.slice(this.#methodEnd + 1, this.#targetEnd);
    } else if (this.#kind === "response") {
      this.reason = text.slice(this.#reasonStart, this.#reasonEnd);
    }
    this.headers = HeaderList.parsed(text, this.#marks, this.#fields);
  }

  #unexpected(byte: number, where: string, expected: string): number {
    const shown =
      byte > 0x20 && byte < 0x7f
        ? `"${String.fromCharCode(byte)}"`
        : `0x${byte.toString(16).padStart(2, "0")}`;
    return this.#fail("malformed", `${shown} ${where}: expected ${expected}`);
  }

  #fail(fault: HeadFault, message: string): number {
    this.fault = fault;
    this.message = message;
    return FAILED;
  }
}
