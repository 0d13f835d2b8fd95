// Addresses and address ranges, compared as numbers, and ends of connections. No I/O.

/** An address range: `bits` leading bits of the 16-byte form (IPv4 mapped into ::ffff:0:0/96). */
export interface Cidr {
  readonly bytes: readonly number[];
  readonly bits: number;
}

const COLON = 58;
const DOT = 46;
/** Leading bits that say that the 16-byte form holds an IPv4 address. */
const MAPPED_BITS = 96;

// The address read last. One call reads and uses it before anything else runs.
const address = new Uint8Array(16);

/** One end of a connection. */
export interface SocketEnd {
  /** Empty where there is none, as of a unix socket. */
  readonly address: string;
  readonly port: number;
}

export interface ConnectionEnds {
  /** Who opened the connection. */
  readonly source: SocketEnd;
  readonly destination: SocketEnd;
}

/**
 * The address of a socket as the rest of the gateway knows it: of IPv4 without the `::ffff:` that a socket for both
 * families puts before it, of a link-local one without its zone.
 */
export function plainAddress(text: string): string {
  if (!text.includes(":")) return text;
  if (text.startsWith("::ffff:") && text.includes(".")) return text.slice("::ffff:".length);
  const zone = text.indexOf("%");
  return zone < 0 ? text : text.slice(0, zone);
}

/** Whether `text` is an IPv4 or IPv6 address: no brackets, port, zone id or leading zeros in IPv4. */
export function isAddress(text: string): boolean {
  return readAddress(text);
}

/** The one way to write an address (RFC 5952), of a mapped one as IPv4; null for text that is none. */
export function canonicalAddress(text: string): string | null {
  if (!readAddress(text)) return null;
  return text.includes(":") ? formatAddress(address) : text;
}

/** The text of an address of 4 or 16 bytes, as `canonicalAddress` writes it. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (isMapped(bytes)) return bytes.subarray(12).join(".");
  let text = "";
  const { start, end } = longestZeros(bytes);
  for (let i = 0; i < 16; i += 2) {
    if (i === start) text += "::";
    if (i >= start && i < end) continue;
    if (i > 0 && i !== end) text += ":";
    text += (bytes[i]! * 256 + bytes[i + 1]!).toString(16);
  }
  return text;
}

/** Puts the 16-byte form of an address into four cells. Returns false for text that is none. */
export function readAddressCells(text: string, cells: Int32Array): boolean {
  if (!readAddress(text)) return false;
  for (let i = 0; i < 4; i++) {
    const at = 4 * i;
    cells[i] = (address[at]! << 24) | (address[at + 1]! << 16) | (address[at + 2]! << 8) | address[at + 3]!;
  }
  return true;
}

/** The address inside `[v6]`, as a URL or a Host field writes it; null for anything else. */
export function bracketedAddress(text: string): string | null {
  if (text.length < 4 || !text.startsWith("[") || !text.endsWith("]")) return null;
  const inner = text.slice(1, -1);
  return inner.includes(":") && readAddress(inner) ? inner : null;
}

/** The range that `10.0.0.0/8` or a lone address names, host bits cleared; null when it is none. */
export function parseCidr(text: string): Cidr | null {
  const slash = text.indexOf("/");
  const addressText = slash < 0 ? text : text.slice(0, slash);
  if (!readAddress(addressText)) return null;
  const offset = addressText.includes(":") ? 0 : MAPPED_BITS;
  let bits = 128;
  if (slash >= 0) {
    const prefix = text.slice(slash + 1);
    if (!/^(?:0|[1-9]\d{0,2})$/.test(prefix)) return null;
    bits = offset + Number(prefix);
    if (bits > 128) return null;
  }
  const bytes = Array.from(address, (byte, i) => byte & maskOf(bits - i * 8));
  return { bytes, bits };
}

/**
 * Whether an address is in one of the ranges; false for text that is no address. An IPv4 address, mapped or not, is
 * only in ranges of IPv4: `::/0` does not hold it.
 */
export function matchesAny(cidrs: readonly Cidr[], addressText: string): boolean {
  if (cidrs.length === 0 || !readAddress(addressText)) return false;
  const least = isMapped(address) ? MAPPED_BITS : 0;
  for (let i = 0; i < cidrs.length; i++) {
    const cidr = cidrs[i]!;
    if (cidr.bits >= least && contains(cidr)) return true;
  }
  return false;
}

function contains(cidr: Cidr): boolean {
  for (let i = 0, left = cidr.bits; left > 0; i++, left -= 8) {
    if ((address[i]! & maskOf(left)) !== cidr.bytes[i]) return false;
  }
  return true;
}

/** The mask of one byte of which `bits` leading bits count; below 0 none, above 8 all. */
function maskOf(bits: number): number {
  if (bits >= 8) return 0xff;
  return bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff;
}

function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

/** The bytes that `::` stands for: the first of the longest runs of at least two groups of zero. */
function longestZeros(bytes: Uint8Array): { start: number; end: number } {
  let start = -1;
  let end = -1;
  for (let i = 0; i < 16; ) {
    let j = i;
    while (j < 16 && bytes[j] === 0 && bytes[j + 1] === 0) j += 2;
    if (j - i >= 4 && j - i > end - start) {
      start = i;
      end = j;
    }
    i = j + 2;
  }
  return { start, end };
}

function readAddress(text: string): boolean {
  address.fill(0);
  if (text.includes(":")) return readV6(text);
  address[10] = 0xff;
  address[11] = 0xff;
  return readV4(text, 0, 12);
}

/** Reads dotted decimal from `start` to the end into four bytes at `at`. */
function readV4(text: string, start: number, at: number): boolean {
  let count = 0;
  let value = -1;
  for (let i = start; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : DOT;
    if (code === DOT) {
      if (value < 0 || count === 4) return false;
      address[at + count++] = value;
      value = -1;
    } else {
      if (code < 48 || code > 57 || value === 0) return false;
      value = Math.max(value, 0) * 10 + code - 48;
      if (value > 255) return false;
    }
  }
  return count === 4;
}

/** RFC 4291 section 2.2: eight groups, one `::` for at least one of them, IPv4 for the last two. */
function readV6(text: string): boolean {
  let filled = 0;
  let gap = -1;
  let i = 0;
  if (text.startsWith("::")) {
    gap = 0;
    i = 2;
  }
  while (i < text.length) {
    const colon = text.indexOf(":", i);
    const end = colon < 0 ? text.length : colon;
    if (colon < 0 && text.includes(".", i)) {
      if (filled > 12 || !readV4(text, i, filled)) return false;
      filled += 4;
      break;
    }
    const group = hexGroup(text, i, end);
    if (group < 0 || filled === 16) return false;
    address[filled++] = group >> 8;
    address[filled++] = group & 0xff;
    if (colon < 0) break;
    i = end + 1;
    if (text.charCodeAt(i) === COLON) {
      if (gap >= 0) return false;
      gap = filled;
      i++;
    } else if (i === text.length) {
      return false;
    }
  }
  if (gap < 0) return filled === 16;
  if (filled === 16) return false;
  address.copyWithin(16 - (filled - gap), gap, filled);
  address.fill(0, gap, 16 - (filled - gap));
  return true;
}

/** One to four hexadecimal digits, or -1. */
function hexGroup(text: string, start: number, end: number): number {
  if (end === start || end - start > 4) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    const lower = code | 0x20;
    if (code >= 48 && code <= 57) value = value * 16 + code - 48;
    else if (lower >= 97 && lower <= 102) value = value * 16 + lower - 87;
    else return -1;
  }
  return value;
}
