// The addresses that proxies name in X-Forwarded-For and in Forwarded (RFC 7239): who stands behind the trusted ones.
// Runs in data threads.
//
//   X-Forwarded-For: spoofed, 203.0.113.9, 10.0.0.2      ◀── read from this end: each proxy adds to it what it saw,
//                             the client ─┘  └─ trusted      and what lies left of the client anybody may have written

import { equalsIgnoreCase } from "../core/headers.ts";
import { type Cidr, canonicalAddress, matchesAny } from "../core/ip.ts";

const HTAB = 9;
const SP = 32;
const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const SEMICOLON = 59;
const BACKSLASH = 92;
const UNDERSCORE = 95;
const MAX_PORT_DIGITS = 5;

/** Reads the address of one element of a list, or null where it names none. */
export type AddressOf = (element: string) => string | null;

/**
 * The client behind a trusted peer: the last address of the list that is not trusted, or the first one if all are. An
 * element without an address ends the search, for nobody vouches for what lies behind it.
 */
export function clientBehind(
  peer: string,
  trusted: readonly Cidr[],
  list: string,
  addressOf: AddressOf,
): string {
  let client = peer;
  for (let end = list.length; end >= 0; ) {
    const comma = commaBefore(list, end);
    const element = trimmed(list, comma + 1, end);
    end = comma;
    // RFC 9110 section 5.6.1: an empty element is none.
    if (element === "") continue;
    const address = addressOf(element);
    if (address === null) break;
    client = address;
    if (!matchesAny(trusted, address)) break;
  }
  return client;
}

/** Of `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`, each maybe in quotes. */
export function addressOfNode(text: string): string | null {
  const node = text.charCodeAt(0) === QUOTE ? unquoted(text) : text;
  if (node === null) return null;
  if (node.startsWith("[")) {
    const close = node.indexOf("]");
    if (close < 0 || (close + 1 < node.length && !isPort(node, close + 1))) return null;
    const inner = node.slice(1, close);
    return inner.includes(":") ? canonicalAddress(inner) : null;
  }
  const colon = node.indexOf(":");
  if (colon < 0 || node.includes(":", colon + 1)) return canonicalAddress(node);
  return isPort(node, colon) ? canonicalAddress(node.slice(0, colon)) : null;
}

/** The address of `for` in an element of Forwarded, which has that parameter once. */
export function addressOfForwarded(element: string): string | null {
  let node: string | null = null;
  for (let start = 0; start < element.length; ) {
    const end = pairEnd(element, start);
    const pair = trimmed(element, start, end);
    start = end + 1;
    const equals = pair.indexOf("=");
    if (equals < 0 || !equalsIgnoreCase(pair.slice(0, equals), "for")) continue;
    if (node !== null) return null;
    node = pair.slice(equals + 1);
  }
  return node === null ? null : addressOfNode(node);
}

/** What the gateway adds to Forwarded. */
export function forwardedElement(peer: string, scheme: "http" | "https"): string {
  if (peer === "") return `for=unknown;proto=${scheme}`;
  return peer.includes(":") ? `for="[${peer}]";proto=${scheme}` : `for=${peer};proto=${scheme}`;
}

/** Of the last comma before `end` that is not in quotes, or -1. Quotes are told from the right, as all of the list is. */
function commaBefore(list: string, end: number): number {
  let quoted = false;
  for (let i = end - 1; i >= 0; i--) {
    const code = list.charCodeAt(i);
    if (code === COMMA && !quoted) return i;
    if (code === QUOTE && !isEscaped(list, i)) quoted = !quoted;
  }
  return -1;
}

/** An odd number of backslashes stands before it. */
function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text.charCodeAt(first - 1) === BACKSLASH) first--;
  return (at - first) % 2 === 1;
}

/** The next semicolon that is not in quotes, or the end. */
function pairEnd(element: string, start: number): number {
  let quoted = false;
  for (let i = start; i < element.length; i++) {
    const code = element.charCodeAt(i);
    if (code === SEMICOLON && !quoted) return i;
    if (code === QUOTE) quoted = !quoted;
    else if (code === BACKSLASH && quoted) i++;
  }
  return element.length;
}

/** What stands in quotes; null where the closing one is missing. No address needs an escape. */
function unquoted(text: string): string | null {
  return text.length > 1 && text.charCodeAt(text.length - 1) === QUOTE ? text.slice(1, -1) : null;
}

/** Whether the rest from `at` on is a colon and a port: digits, or `_` and a name for one (RFC 7239 section 6). */
function isPort(text: string, at: number): boolean {
  if (text.charCodeAt(at) !== COLON || at + 1 === text.length) return false;
  if (text.charCodeAt(at + 1) === UNDERSCORE) return at + 2 < text.length;
  if (text.length - at - 1 > MAX_PORT_DIGITS) return false;
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 48 || code > 57) return false;
  }
  return true;
}

/** Without the spaces and tabs around it. */
function trimmed(text: string, start: number, end: number): string {
  let from = start;
  let to = end;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

function isBlank(code: number): boolean {
  return code === SP || code === HTAB;
}
