// What of a request decides where it goes (`hash_key`, the key of a split, the cookie of `sticky`), and the hash of it.
// Runs in data threads.

import type { HashKey } from "../../config/snapshot.ts";
import type { Exchange } from "../../core/exchange.ts";

const HTAB = 9;
const SPACE = 32;
const EQUALS = 61;

/**
 * The value of `key` in a request as it was sent, nothing decoded; the first one where there are several. Null where
 * there is none or it is empty: all that say nothing would go to one backend (nginx takes it for absent too).
 */
export function readHashKey({ request, clientAddress }: Exchange, key: HashKey): string | null {
  switch (key.from) {
    case "client":
      return clientAddress;
    case "path":
      return request.path;
    case "header":
      // A second attempt finds no Host among the fields any more.
      return (key.name === "host" ? request.authority : request.headers.find(key.name)) || null;
    case "cookie": {
      // RFC 6265 section 5.4: one field. HTTP/2 may split it, and whoever reads that has to join it again.
      const cookies = request.headers.find("cookie");
      return cookies === null ? null : valueAmong(cookies, 0, ";", key.name);
    }
    case "query":
      return request.query === "" ? null : valueAmong(request.query, 1, "&", key.name);
  }
}

/** The value of the first pair `name=value` from `start` on, or null. A value may have `=` and quotes: they are its own. */
function valueAmong(text: string, start: number, separator: ";" | "&", name: string): string | null {
  for (let at = start; at < text.length; ) {
    const found = text.indexOf(separator, at);
    const next = found < 0 ? text.length : found;
    let end = next;
    // Only cookies have white space here: in a query there is none (core/path.ts).
    while (at < end && isSpace(text.charCodeAt(at))) at++;
    while (end > at && isSpace(text.charCodeAt(end - 1))) end--;
    const equals = at + name.length;
    if (equals < end && text.charCodeAt(equals) === EQUALS && text.startsWith(name, at))
      return equals + 1 === end ? null : text.slice(equals + 1, end);
    at = next + 1;
  }
  return null;
}

function isSpace(code: number): boolean {
  return code === SPACE || code === HTAB;
}

/**
 * MurmurHash3_x86_32 (Austin Appleby, public domain) of the text in UTF-16LE; 0 to 2^32 - 1. Chosen because keys are
 * short and alike (`10.0.0.1`, `10.0.0.2`): every bit of the text changes every bit of the hash, which FNV and the usual
 * `31 * hash + code` fail at, and two characters cost one round of three multiplications. It is the same on every
 * thread and machine, and no secret: who picks keys can pick them for one backend.
 */
export function hash32(text: string, seed = 0): number {
  const { length } = text;
  let hash = seed | 0;
  let i = 0;
  for (; i + 1 < length; i += 2) {
    hash ^= scrambled(text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16));
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  if (i < length) hash ^= scrambled(text.charCodeAt(i));
  return mixed32(hash ^ (2 * length));
}

function scrambled(block: number): number {
  const product = Math.imul(block, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
}

/** The finaliser of MurmurHash3: maps 32 bits one to one, and each bit to every bit. */
export function mixed32(bits: number): number {
  let hash = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
