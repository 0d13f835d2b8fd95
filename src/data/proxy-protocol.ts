// The PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt): the header at the very start of a connection that
// says between whom it was made before a proxy took it over. Runs in data threads.
//
//   1:  PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n        or TCP6, or UNKNOWN
//   2:  signature (12) | version, command (1) | family, transport (1) | length (2) | addresses, ports | further values

import {
  type ConnectionEnds,
  canonicalAddress,
  formatAddress,
  readAddressCells,
  type SocketEnd,
} from "../core/ip.ts";
import { FAILED, NEED_MORE } from "./http1/head-parser.ts";

const START = 0;
const NAME = 1;
const LINE = 2;
const LINE_LF = 3;
const SIGNATURE = 4;
const FIXED_PART = 5;
const ADDRESSES = 6;
const DONE = 7;

const CR = 13;
const LF = 10;

const V1_NAME = "PROXY ";
const V1_MAX_BYTES = 107;
const V2_SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";
const V2_FIXED_BYTES = 16;
/** Of the addresses and what follows them: a certificate's name may be among it. */
const V2_MAX_LENGTH = 4096;

const LOCAL = 0x20;
const PROXY = 0x21;
const UNSPECIFIED = 0x00;
const TCP4 = 0x11;
const TCP6 = 0x21;

/** Bytes of two addresses and two ports. */
const V2_LENGTHS: Readonly<Record<number, number>> = { [UNSPECIFIED]: 0, [TCP4]: 12, [TCP6]: 36 };

export class ProxyHeaderReader {
  /** What the header says; null where it leaves the connection's own ends in force. */
  ends: ConnectionEnds | null = null;
  /** What is wrong, after `feed` returned FAILED. */
  fault = "";
  /** Bytes of the header that were read. */
  length = 0;
  #state = START;
  /** The longest line of version 1 fits, and of version 2 all that is looked at. */
  readonly #kept = Buffer.alloc(V1_MAX_BYTES);
  /** Of the whole header of version 2. */
  #wholeLength = 0;

  /** Reads on in `chunk`; returns the offset of the first byte behind the header, `NEED_MORE` or `FAILED`. */
  feed(chunk: Buffer): number {
    for (let i = 0; i < chunk.length; i++) {
      this.#take(chunk[i]!);
      if (this.#state === DONE) return i + 1;
      if (this.fault !== "") return FAILED;
    }
    return NEED_MORE;
  }

  #take(byte: number): void {
    const at = this.length++;
    if (at < V1_MAX_BYTES) this.#kept[at] = byte;
    switch (this.#state) {
      case START:
        this.#state = byte === CR ? SIGNATURE : NAME;
        this.#match(byte, at);
        break;
      case NAME:
      case SIGNATURE:
        this.#match(byte, at);
        break;
      case LINE:
        this.#takeOfLine(byte, at);
        break;
      case LINE_LF:
        if (byte === LF) this.#parseLine(this.#kept.toString("latin1", 0, at - 1));
        else this.fault = `${shown(byte)} behind the CR of version 1: expected LF`;
        break;
      case FIXED_PART:
        this.#takeOfFixedPart(byte, at);
        break;
      default:
        if (this.length === this.#wholeLength) this.#readAddresses();
    }
  }

  #match(byte: number, at: number): void {
    const expected = this.#state === NAME ? V1_NAME : V2_SIGNATURE;
    if (byte !== expected.charCodeAt(at))
      this.fault = `${shown(byte)} at offset ${at}: expected "PROXY " or the signature of version 2`;
    else if (at + 1 === expected.length) this.#state = this.#state === NAME ? LINE : FIXED_PART;
  }

  // ---- version 1 ----

  #takeOfLine(byte: number, at: number): void {
    if (byte === CR) this.#state = LINE_LF;
    else if (byte === LF) this.fault = "LF without CR in version 1: expected CRLF";
    // The LF has to fit too.
    if (at + 2 > V1_MAX_BYTES)
      this.fault = `no end of ${this.#quoted(at + 1)}: expected CRLF within ${V1_MAX_BYTES} bytes`;
  }

  #parseLine(line: string): void {
    const parts = line.split(" ");
    const [, family, source, destination, sourcePort, destinationPort] = parts;
    if (family === "UNKNOWN") {
      this.#state = DONE;
      return;
    }
    const [from, to] = [endOf(family, source, sourcePort), endOf(family, destination, destinationPort)];
    if (from === null || to === null || parts.length !== 6) {
      this.fault = `cannot parse ${JSON.stringify(line)}: expected "PROXY TCP4" or "PROXY TCP6" with two addresses of that family and two ports, or "PROXY UNKNOWN"`;
      return;
    }
    this.ends = { source: from, destination: to };
    this.#state = DONE;
  }

  // ---- version 2 ----

  #takeOfFixedPart(byte: number, at: number): void {
    const isLocal = this.#kept[12] === LOCAL;
    if (at === 12 && byte !== LOCAL && byte !== PROXY) {
      this.fault = `version and command ${hex(byte)}: expected 0x20 or 0x21`;
    } else if (at === 13 && !isLocal && V2_LENGTHS[byte] === undefined) {
      this.fault = `family and transport ${hex(byte)}: expected 0x11 (TCP over IPv4), 0x21 (TCP over IPv6) or 0x00 (unknown)`;
    } else if (at === V2_FIXED_BYTES - 1) {
      const length = this.#kept.readUInt16BE(14);
      const least = isLocal ? 0 : V2_LENGTHS[this.#kept[13]!]!;
      if (length < least || length > V2_MAX_LENGTH) {
        this.fault = `length ${length}: expected ${least} to ${V2_MAX_LENGTH}`;
        return;
      }
      this.#state = ADDRESSES;
      this.#wholeLength = V2_FIXED_BYTES + length;
      if (length === 0) this.#readAddresses();
    }
  }

  #readAddresses(): void {
    this.#state = DONE;
    const family = this.#kept[13];
    if (this.#kept[12] === LOCAL || family === UNSPECIFIED) return;
    const bytes = family === TCP4 ? 4 : 16;
    const ports = V2_FIXED_BYTES + 2 * bytes;
    this.ends = {
      source: { address: this.#addressAt(V2_FIXED_BYTES, bytes), port: this.#kept.readUInt16BE(ports) },
      destination: {
        address: this.#addressAt(V2_FIXED_BYTES + bytes, bytes),
        port: this.#kept.readUInt16BE(ports + 2),
      },
    };
  }

  #addressAt(offset: number, bytes: number): string {
    return formatAddress(this.#kept.subarray(offset, offset + bytes));
  }

  #quoted(length: number): string {
    return JSON.stringify(this.#kept.toString("latin1", 0, length));
  }
}

/**
 * The header that tells a backend between whom a connection was made, as latin1. Where the two are no addresses of one
 * family, it says only that there is nothing to say.
 */
export function proxyHeader(version: 1 | 2, source: SocketEnd, destination: SocketEnd): string {
  const [from, to] = [canonicalAddress(source.address), canonicalAddress(destination.address)];
  if (from === null || to === null || isV6(from) !== isV6(to)) {
    return version === 1 ? "PROXY UNKNOWN\r\n" : `${V2_SIGNATURE}${String.fromCharCode(LOCAL, 0, 0, 0)}`;
  }
  if (version === 1) {
    const family = isV6(from) ? "TCP6" : "TCP4";
    return `PROXY ${family} ${from} ${to} ${source.port} ${destination.port}\r\n`;
  }
  const family = isV6(from) ? TCP6 : TCP4;
  const start = V2_SIGNATURE + String.fromCharCode(PROXY, family) + uint16(V2_LENGTHS[family]!);
  return start + addressBytes(from) + addressBytes(to) + uint16(source.port) + uint16(destination.port);
}

function addressBytes(address: string): string {
  const cells = new Int32Array(4);
  readAddressCells(address, cells);
  let bytes = "";
  for (const cell of isV6(address) ? cells : cells.subarray(3)) bytes += uint16(cell >>> 16) + uint16(cell);
  return bytes;
}

function uint16(value: number): string {
  return String.fromCharCode((value >> 8) & 0xff, value & 0xff);
}

function isV6(address: string): boolean {
  return address.includes(":");
}

/** An end as version 1 writes it, or null. */
function endOf(family: string | undefined, address = "", port = ""): SocketEnd | null {
  if (family !== (isV6(address) ? "TCP6" : "TCP4")) return null;
  const canonical = canonicalAddress(address);
  const number = portOf(port);
  return canonical === null || number < 0 ? null : { address: canonical, port: number };
}

/** A decimal number up to 65535 without leading zeros, or -1. */
function portOf(text: string): number {
  const port = text.length > 0 && text.length <= 5 ? Number(text) : -1;
  return port >= 0 && port <= 65_535 && String(port) === text ? port : -1;
}

/** A byte as messages show it. */
function shown(byte: number): string {
  return byte > 0x20 && byte < 0x7f ? `"${String.fromCharCode(byte)}"` : hex(byte);
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}
