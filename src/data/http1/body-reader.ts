// Takes the body of one HTTP/1 message out of the bytes of a connection: by length, chunked, or until the end
// (RFC 9112 sections 6 and 7). Chunk framing is taken off here, so nothing of it can be copied onwards.

import type { HeaderList } from "../../core/headers.ts";
import { FAILED, HeadParser, NEED_MORE } from "./head-parser.ts";
import { CR, HEX, HTAB, LF, SEMICOLON, SP, VALUE } from "./tables.ts";

export const BODY_NONE = 0;
export const BODY_LENGTH = 1;
export const BODY_CHUNKED = 2;
export const BODY_UNTIL_CLOSE = 3;

const SIZE_FIRST = 0;
const SIZE = 1;
const BEFORE_EXTENSION = 2;
const EXTENSION = 3;
const SIZE_LF = 4;
const DATA = 5;
const DATA_CR = 6;
const DATA_LF = 7;
const TRAILERS = 8;

/** 13 hex digits stay below 2^53. */
const MAX_SIZE_DIGITS = 13;
/** Over all chunks of a body: extensions mean nothing to the gateway and are dropped. */
const MAX_EXTENSION_BYTES = 4096;
const TRAILER_LIMITS = { lineBytes: 0, headerBytes: 8192, headerCount: 32 };

export class BodyReader {
  #kind = BODY_NONE;
  #state = SIZE_FIRST;
  #remaining = 0;
  #digits = 0;
  #extensionBytes = 0;
  #trailerParser: HeadParser | null = null;

  /** The data found by the last `feed`, or null. A slice of its chunk, whose bytes may have been moved together. */
  data: Buffer | null = null;
  done = true;
  trailers: HeaderList | null = null;
  /** What is wrong with the framing, or null. */
  fault: string | null = null;

  get untilClose(): boolean {
    return this.#kind === BODY_UNTIL_CLOSE;
  }

  /** `length` matters for BODY_LENGTH only. */
  begin(kind: number, length: number): void {
    this.#kind = kind;
    this.#state = SIZE_FIRST;
    this.#remaining = length;
    this.#digits = 0;
    this.#extensionBytes = 0;
    this.#trailerParser = null;
    this.data = null;
    this.trailers = null;
    this.fault = null;
    this.done = kind === BODY_NONE || (kind === BODY_LENGTH && length === 0);
  }

  /** Reads on in `chunk` from `start`; returns the offset of the first byte that is not of this body. */
  feed(chunk: Buffer, start: number): number {
    this.data = null;
    if (this.done || start === chunk.length) return start;
    if (this.#kind === BODY_CHUNKED) return this.#feedChunked(chunk, start);
    if (this.#kind === BODY_UNTIL_CLOSE) {
      this.data = start === 0 ? chunk : chunk.subarray(start);
      return chunk.length;
    }
    const end = Math.min(chunk.length, start + this.#remaining);
    this.#remaining -= end - start;
    this.done = this.#remaining === 0;
    this.data = start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end);
    return end;
  }

  /** Tells that the connection ended. Returns whether the body is whole. */
  finish(): boolean {
    if (this.#kind === BODY_UNTIL_CLOSE) this.done = true;
    return this.done;
  }

  #feedChunked(chunk: Buffer, start: number): number {
    let i = start;
    // Data of several chunks is moved together, so that one read gives one piece.
    let dataStart = 0;
    let dataEnd = 0;
    scan: while (i < chunk.length) {
      const byte = chunk[i]!;
      switch (this.#state) {
        case SIZE_FIRST:
          this.#remaining = 0;
          this.#digits = 0;
          this.#state = SIZE;
          break;
        case SIZE: {
          const digit = HEX[byte]!;
          if (digit < 16) {
            if (++this.#digits > MAX_SIZE_DIGITS) {
              this.fault = `chunk size of more than ${MAX_SIZE_DIGITS} hex digits`;
              break scan;
            }
            this.#remaining = this.#remaining * 16 + digit;
          } else if (this.#digits > 0 && byte === CR) {
            this.#state = SIZE_LF;
          } else if (this.#digits > 0 && (byte === SEMICOLON || byte === SP || byte === HTAB)) {
            this.#state = BEFORE_EXTENSION;
            continue;
          } else {
            this.#unexpected(byte, "in a chunk size", "hex digits and CRLF");
            break scan;
          }
          i++;
          break;
        }
        case BEFORE_EXTENSION:
          // White space is no part of a size; before a semicolon it is read and dropped (RFC 9112 section 7.1.1).
          if (byte === SEMICOLON) {
            this.#state = EXTENSION;
          } else if (byte !== SP && byte !== HTAB) {
            this.#unexpected(byte, "behind a chunk size", '";" or CRLF');
            break scan;
          }
          if (!this.#countExtensionByte()) break scan;
          i++;
          break;
        case EXTENSION:
          if (byte === CR) {
            this.#state = SIZE_LF;
          } else if (VALUE[byte] !== 1) {
            this.#unexpected(byte, "in a chunk extension", "visible characters and CRLF");
            break scan;
          } else if (!this.#countExtensionByte()) {
            break scan;
          }
          i++;
          break;
        case SIZE_LF:
          if (byte !== LF) {
            this.#unexpected(byte, "behind the CR of a chunk size", "LF");
            break scan;
          }
          i++;
          this.#state = this.#remaining === 0 ? TRAILERS : DATA;
          break;
        case DATA: {
          const end = Math.min(chunk.length, i + this.#remaining);
          if (dataEnd === 0) {
            dataStart = i;
            dataEnd = end;
          } else {
            chunk.copyWithin(dataEnd, i, end);
            dataEnd += end - i;
          }
          this.#remaining -= end - i;
          i = end;
          if (this.#remaining === 0) this.#state = DATA_CR;
          break;
        }
        case DATA_CR:
          if (byte !== CR) {
            this.#unexpected(byte, "behind the data of a chunk", "CRLF");
            break scan;
          }
          i++;
          this.#state = DATA_LF;
          break;
        case DATA_LF:
          if (byte !== LF) {
            this.#unexpected(byte, "behind the CR of a chunk", "LF");
            break scan;
          }
          i++;
          this.#state = SIZE_FIRST;
          break;
        default: {
          this.#trailerParser ??= new HeadParser("trailers", TRAILER_LIMITS);
          const end = this.#trailerParser.feed(chunk, i);
          if (end === FAILED) {
            this.fault = `trailer section: ${this.#trailerParser.message}`;
            break scan;
          }
          i = end === NEED_MORE ? chunk.length : end;
          if (end !== NEED_MORE) {
            this.done = true;
            if (this.#trailerParser.headers.length > 0) this.trailers = this.#trailerParser.headers;
            break scan;
          }
        }
      }
    }
    if (dataEnd > 0) this.data = chunk.subarray(dataStart, dataEnd);
    return i;
  }

  #countExtensionByte(): boolean {
    if (++this.#extensionBytes <= MAX_EXTENSION_BYTES) return true;
    this.fault = `chunk extensions of more than ${MAX_EXTENSION_BYTES} bytes`;
    return false;
  }

  #unexpected(byte: number, where: string, expected: string): void {
    const shown =
      byte > 0x20 && byte < 0x7f
        ? `"${String.fromCharCode(byte)}"`
        : `0x${byte.toString(16).padStart(2, "0")}`;
    this.fault = `${shown} ${where}: expected ${expected}`;
  }
}
