// The one form of a request path that routing, policies, logs and the forwarded request share. Pure; data threads.
//
// What is settled here, once (RFC 3986 sections 2.3, 3.3, 5.2.4 and 6.2.2):
// - Bytes: visible ASCII only; no control, space, DEL, byte above 0x7e, `#`, `?` or `\`.
// - `"<>^`{|}` are no path characters: percent-encoded. Every other visible character stays as it is.
// - `%` is followed by two hexadecimal digits. An encoded unreserved character (letter, digit, `-._~`) is decoded;
//   any other encoding stays, in upper case. Encoded controls (%00-%1F, %7F) and `%5C` are refused.
// - `//` becomes `/`, then `.` and `..` segments are taken out. A path that climbs above the root is refused.
// - `%2F` is data, never a separator, and `;` is an ordinary character. Backends differ on both, so a segment that
//   another reading of `%2F`, `;` or `%3B` would turn into `.` or `..` is refused: `..%2Fx`, `a%2F..`, `..;x`.
// A canonical path is its own canonical form.

/** Why a path is refused; `message` says what was expected. */
export interface PathProblem {
  readonly message: string;
}

function problem(message: string): PathProblem {
  return Object.freeze({ message });
}

export const PathProblems = {
  start: problem('expected a path that starts with "/"'),
  character: problem("expected visible ASCII without #, ? and \\ in the path"),
  encoding: problem("expected two hexadecimal digits after % in the path"),
  encodedControl: problem("expected no encoded control character in the path"),
  encodedBackslash: problem("expected no encoded backslash in the path"),
  aboveRoot: problem("expected a path that stays below the root"),
  ambiguous: problem("expected no dot segment beside %2F or ; in the path"),
} as const;

const SLASH = 47;
const DOT = 46;
const PERCENT = 37;

// What a byte needs in the loop of `canonicalPath`. Only `plain` needs nothing.
const Need = { plain: 0, border: 1, decode: 2, encode: 3, refuse: 4 } as const;

const needs = new Uint8Array(256).fill(Need.refuse);
for (let code = 0x21; code <= 0x7e; code++) needs[code] = Need.plain;
for (const char of '"<>^`{|}') needs[char.charCodeAt(0)] = Need.encode;
for (const char of "#?\\") needs[char.charCodeAt(0)] = Need.refuse;
needs[PERCENT] = Need.decode;
needs[SLASH] = Need.border;
needs[DOT] = Need.border;

/**
 * The canonical form of the path of an origin-form target (bytes as latin1, without query), or why it is refused.
 * A path that is canonical already, the common case, is returned as it came.
 */
export function canonicalPath(raw: string): string | PathProblem {
  let previous = raw.charCodeAt(0);
  if (previous !== SLASH) return PathProblems.start;
  for (let i = 1; i < raw.length; i++) {
    const code = raw.charCodeAt(i);
    const need = needs[code];
    if (need !== Need.plain && (need !== Need.border || previous === SLASH)) return rewritten(raw);
    previous = code;
  }
  return raw;
}

/** Whether the text after `?` may be forwarded: visible ASCII without `#`. It is data, so `%` is not looked into. */
export function isValidQuery(query: string): boolean {
  for (let i = 0; i < query.length; i++) {
    const code = query.charCodeAt(i);
    if (code < 0x21 || code > 0x7e || code === 0x23) return false;
  }
  return true;
}

function rewritten(raw: string): string | PathProblem {
  const encoded = withOneEncoding(raw);
  return typeof encoded === "string" ? withoutDotSegments(encoded) : encoded;
}

function withOneEncoding(raw: string): string | PathProblem {
  let text = "";
  for (let i = 0; i < raw.length; i++) {
    const need = needs[raw.charCodeAt(i)];
    if (need === Need.plain || need === Need.border) {
      text += raw.charAt(i);
    } else if (need === Need.encode) {
      text += percentEncoded(raw.charCodeAt(i));
    } else if (need === Need.decode) {
      const code = hexValue(raw.charCodeAt(i + 1)) * 16 + hexValue(raw.charCodeAt(i + 2));
      if (Number.isNaN(code)) return PathProblems.encoding;
      if (code < 0x20 || code === 0x7f) return PathProblems.encodedControl;
      if (code === 0x5c) return PathProblems.encodedBackslash;
      text += isUnreserved(code) ? String.fromCharCode(code) : percentEncoded(code);
      i += 2;
    } else {
      return PathProblems.character;
    }
  }
  return text;
}

// One piece of a segment is `.` or `..` for a reader that splits at %2F or cuts at `;`.
const HIDDEN_DOTS = /(?:^|%2F)\.\.?(?:%2F|;|%3B|$)/;

function withoutDotSegments(path: string): string | PathProblem {
  const segments = path.split("/");
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === "..") {
      if (kept.pop() === undefined) return PathProblems.aboveRoot;
    } else if (segment !== "." && segment !== "") {
      if (HIDDEN_DOTS.test(segment)) return PathProblems.ambiguous;
      kept.push(segment);
    }
  }
  if (kept.length === 0) return "/";
  const last = segments.at(-1);
  const isFolder = last === "" || last === "." || last === "..";
  return `/${kept.join("/")}${isFolder ? "/" : ""}`;
}

/** Of a byte above 0x0f. */
function percentEncoded(code: number): string {
  return `%${code.toString(16).toUpperCase()}`;
}

function isUnreserved(code: number): boolean {
  const lower = code | 0x20;
  if (code >= 0x41 && lower >= 0x61 && lower <= 0x7a) return true;
  return (code >= 0x30 && code <= 0x39) || code === 0x2d || code === DOT || code === 0x5f || code === 0x7e;
}

/** NaN for anything but a hexadecimal digit. */
function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : Number.NaN;
}
