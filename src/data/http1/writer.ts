// Writes HTTP/1.1 heads and chunks as text. What belongs to one connection or to framing is made here, never copied.

import { type ResponseHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { Field, type HeaderList } from "../../core/headers.ts";
import { reasonPhrase } from "../../core/status.ts";

export const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";
export const LAST_CHUNK = "0\r\n\r\n";

/** How a response body is framed on an HTTP/1 connection. */
export const FRAME_NONE = 0;
export const FRAME_LENGTH = 1;
export const FRAME_CHUNKED = 2;
export const FRAME_UNTIL_CLOSE = 3;

/** RFC 9112 section 6.3: these responses have no body, whatever their fields say. */
export function framingOf(head: ResponseHead, method: string, protocol: string): number {
  if (method === "HEAD" || head.status === 204 || head.status === 304 || head.status < 200) return FRAME_NONE;
  if (head.bodyLength !== UNKNOWN_LENGTH) return FRAME_LENGTH;
  return protocol === "HTTP/1.1" ? FRAME_CHUNKED : FRAME_UNTIL_CLOSE;
}

/** `connection` is the value of the Connection field, or empty. */
export function responseHeadText(head: ResponseHead, framing: number, connection: string): string {
  let text = statusLine(head) + head.headers.forwardLines();
  // RFC 9110 section 6.6.1: a recipient with a clock adds the Date that is missing.
  if (!head.headers.ids.includes(Field.date)) text += dateLine();
  if (framing === FRAME_CHUNKED) text += "Transfer-Encoding: chunked\r\n";
  else if (framing === FRAME_LENGTH || (head.bodyLength !== UNKNOWN_LENGTH && head.status !== 204)) {
    text += `Content-Length: ${head.bodyLength}\r\n`;
  }
  return connection === "" ? `${text}\r\n` : `${text}Connection: ${connection}\r\n\r\n`;
}

/** The head of a 1xx response; `protocol` is the one that a 101 switches to. */
export function informationalText(head: ResponseHead, protocol: string | null): string {
  const upgrade = protocol === null ? "" : `Connection: Upgrade\r\nUpgrade: ${protocol}\r\n`;
  return `${statusLine(head)}${head.headers.forwardLines()}${upgrade}\r\n`;
}

/** Status lines with the usual reason, by status: made once each. */
const usualLines: string[] = [];

function statusLine({ status, reason }: ResponseHead): string {
  const usual = reasonPhrase(status);
  if (reason !== "" && reason !== usual) return `HTTP/1.1 ${status} ${reason}\r\n`;
  usualLines[status] ??= `HTTP/1.1 ${status} ${usual}\r\n`;
  return usualLines[status];
}

export function chunkStart(length: number): string {
  return `${length.toString(16)}\r\n`;
}

/** The last chunk with the trailers that may be forwarded. */
export function lastChunk(trailers: HeaderList | null): string {
  if (trailers === null) return LAST_CHUNK;
  let lines = "";
  for (let i = 0; i < trailers.length; i++) {
    if (mayBeTrailer(trailers, i)) lines += `${trailers.nameAt(i)}: ${trailers.valueAt(i)}\r\n`;
  }
  return `0\r\n${lines}\r\n`;
}

/**
 * Fields that a recipient would need before the body, or that framing, routing or authorisation rest on, never come from
 * a trailer (RFC 9110 section 6.5.1).
 */
export function mayBeTrailer(trailers: HeaderList, index: number): boolean {
  return trailers.ids[index] === Field.other && !NOT_IN_TRAILERS.has(trailers.nameAt(index).toLowerCase());
}

const NOT_IN_TRAILERS = new Set([
  "age",
  "authorization",
  "cache-control",
  "content-encoding",
  "content-range",
  "cookie",
  "expires",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "location",
  "max-forwards",
  "pragma",
  "range",
  "retry-after",
  "set-cookie",
  "vary",
  "warning",
  "www-authenticate",
  "x-real-ip",
]);

let dateText = "";
let dateField = "";
let dateSecond = 0;

/** The value of a Date field, made once a second. */
export function dateNow(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(second * 1000).toUTCString();
    dateField = `Date: ${dateText}\r\n`;
  }
  return dateText;
}

function dateLine(): string {
  dateNow();
  return dateField;
}
