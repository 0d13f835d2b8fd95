// What is sent of a file: all of it, one range, or several as multipart/byteranges (RFC 9110 section 14.6). Data threads.

import { randomBytes } from "node:crypto";
import type { ResponseHead } from "../../core/exchange.ts";
import type { ByteRange } from "./ranges.ts";
import type { Representation } from "./representation.ts";

/** Bytes of the file, behind a text of our own that may be empty. */
export interface Piece extends ByteRange {
  readonly before: string;
}

export interface Part {
  readonly head: ResponseHead;
  readonly pieces: readonly Piece[];
}

export function wholePart(form: Representation): Part {
  return { head: form.wholeHead(), pieces: [{ before: "", start: 0, end: form.size }] };
}

/** `ranges` are those that the file has: at least one. */
export function rangePart(form: Representation, ranges: readonly ByteRange[]): Part {
  const [only, ...others] = ranges;
  if (only !== undefined && others.length === 0) {
    const headers = form.headersOf(form.facts.contentType, contentRange(only, form.size));
    const head = { status: 206, reason: "", headers, bodyLength: only.end - only.start };
    return { head, pieces: [{ before: "", ...only }] };
  }
  return multipart(form, ranges);
}

function multipart(form: Representation, ranges: readonly ByteRange[]): Part {
  const boundary = randomBytes(16).toString("hex");
  const pieces: Piece[] = ranges.map((range, index) => ({
    before: `${index === 0 ? "" : "\r\n"}--${boundary}\r\nContent-Type: ${form.facts.contentType}\r\nContent-Range: ${contentRange(range, form.size)}\r\n\r\n`,
    ...range,
  }));
  pieces.push({ before: `\r\n--${boundary}--\r\n`, start: 0, end: 0 });
  const bodyLength = pieces.reduce((sum, { before, start, end }) => sum + before.length + end - start, 0);
  const headers = form.headersOf(`multipart/byteranges; boundary=${boundary}`, null);
  return { head: { status: 206, reason: "", headers, bodyLength }, pieces };
}

function contentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end - 1}/${size}`;
}

/** The body, of a file that is in memory. */
export function bodyOf(file: Buffer, pieces: readonly Piece[]): Buffer {
  const [only, ...others] = pieces;
  if (only !== undefined && others.length === 0) return file.subarray(only.start, only.end);
  return Buffer.concat(
    pieces.flatMap(({ before, start, end }) => [Buffer.from(before, "latin1"), file.subarray(start, end)]),
  );
}
