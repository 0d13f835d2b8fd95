// What the fields of a response over HTTP/2 mean (RFC 9113 section 8.3.2). nghttp2 has looked at each of them already; what it
// lets pass and a client must not get is an error here. Runs in data threads.

import { type ResponseHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { Field, type HeaderList } from "../../core/headers.ts";
import { readContentLength } from "../http1/fields.ts";
import { FieldCollector } from "./fields.ts";

export const MAX_RESPONSE_FIELDS = 256;
export const MAX_RESPONSE_FIELD_BYTES = 65_536;
export const MAX_TRAILERS = 32;

/** Fields of one connection, which HTTP/2 does not have (RFC 9113 section 8.2.2). */
const LAST_OF_CONNECTION = Field.upgrade;

const collector = new FieldCollector();

/** `raw` has names and values by turns. `last`: no body follows. Returns what is wrong as text. */
export function readResponseHead(
  raw: readonly string[],
  method: string,
  last: boolean,
): ResponseHead | string {
  const fields = readFields(raw, MAX_RESPONSE_FIELDS);
  if (typeof fields === "string") return fields;
  const { headers, status } = fields;
  if (status < 100 || status > 599) return `status ${status}: expected 100 to 599`;
  if (status === 101) return "status 101: HTTP/2 has none";
  const lengthText = headers.join(Field.contentLength);
  const length = lengthText === null ? null : readContentLength(lengthText);
  if (lengthText !== null && length === null)
    return `Content-Length "${lengthText}": expected one number below 2^53`;
  if (status < 200) {
    if (last) return `status ${status} ended the response: expected a final one`;
    return { status, reason: "", headers, bodyLength: 0 };
  }
  // Here Content-Length tells what a GET would have got.
  if (method === "HEAD" || status === 304)
    return { status, reason: "", headers, bodyLength: length ?? UNKNOWN_LENGTH };
  if (last && length !== null && length > 0) return `Content-Length ${length} without a body`;
  return { status, reason: "", headers, bodyLength: last || status === 204 ? 0 : (length ?? UNKNOWN_LENGTH) };
}

/** Returns what is wrong as text. */
export function readTrailers(raw: readonly string[]): HeaderList | string {
  const fields = readFields(raw, MAX_TRAILERS);
  return typeof fields === "string" ? fields : fields.headers;
}

function readFields(
  raw: readonly string[],
  most: number,
): { readonly headers: HeaderList; readonly status: number } | string {
  collector.begin();
  let status = 0;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!;
    const value = raw[i + 1]!;
    if (name === ":status") {
      status = Number(value);
      continue;
    }
    const id = collector.add(name, value);
    if (typeof id === "string") return id;
    if (id > Field.other && id <= LAST_OF_CONNECTION && id !== Field.te)
      return `the field "${name}" is of HTTP/1.1 connections: expected none`;
  }
  if (collector.count > most) return `more than ${most} fields`;
  if (collector.bytes > MAX_RESPONSE_FIELD_BYTES)
    return `fields of more than ${MAX_RESPONSE_FIELD_BYTES} bytes`;
  return { headers: collector.take(), status };
}
