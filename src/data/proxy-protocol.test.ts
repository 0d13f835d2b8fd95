// PROXY protocol headers: whole, in pieces, and broken in every way.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { ConnectionEnds, SocketEnd } from "../core/ip.ts";
import { FAILED, NEED_MORE } from "./http1/head-parser.ts";
import { ProxyHeaderReader, proxyHeader } from "./proxy-protocol.ts";

const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";
const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const ADDRESSES_4 = "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb";
const ADDRESSES_6 = `\x20\x01\x0d\xb8${"\0".repeat(11)}\x01\x20\x01\x0d\xb8${"\0".repeat(11)}\x02\xdc\x04\x01\xbb`;

/** A header of version 2 with that version and command, family and transport, and what follows the length. */
function v2(command: number, family: number, rest: string, length = rest.length): string {
  return `${SIGNATURE}${String.fromCharCode(command, family, length >> 8, length & 255)}${rest}`;
}

function ends(source: string, destination: string, ports = [56324, 443]): ConnectionEnds {
  return {
    source: { address: source, port: ports[0]! },
    destination: { address: destination, port: ports[1]! },
  };
}

interface Read {
  /** Offset of the first byte behind the header, `NEED_MORE` or `FAILED`. */
  readonly end: number;
  readonly ends: ConnectionEnds | null;
  readonly fault: string;
}

/** Feeds the pieces until the header ended. */
function read(pieces: readonly string[]): Read {
  const reader = new ProxyHeaderReader();
  let fed = 0;
  for (const piece of pieces) {
    const end = reader.feed(Buffer.from(piece, "latin1"));
    if (end !== NEED_MORE) {
      return { end: end === FAILED ? FAILED : fed + end, ends: reader.ends, fault: reader.fault };
    }
    fed += piece.length;
  }
  return { end: NEED_MORE, ends: reader.ends, fault: reader.fault };
}

const IPV4 = ends("192.0.2.1", "198.51.100.2");
const IPV6 = ends("2001:db8::1", "2001:db8::2");
const LONG_V6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";

const GOOD: ReadonlyArray<readonly [what: string, header: string, ends: ConnectionEnds | null]> = [
  ["TCP4", "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", IPV4],
  [
    "the longest TCP4",
    "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
    ends("255.255.255.255", "255.255.255.255", [65535, 65535]),
  ],
  [
    "TCP4 with port 0",
    "PROXY TCP4 192.0.2.1 198.51.100.2 0 0\r\n",
    ends("192.0.2.1", "198.51.100.2", [0, 0]),
  ],
  ["TCP6", "PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n", IPV6],
  ["TCP6 in upper case and at length", "PROXY TCP6 2001:DB8:0:0:0:0:0:1 2001:db8::2 56324 443\r\n", IPV6],
  [
    "the longest TCP6",
    `PROXY TCP6 ${LONG_V6} ${LONG_V6} 65535 65535\r\n`,
    ends(LONG_V6, LONG_V6, [65535, 65535]),
  ],
  ["TCP6 of mapped addresses", "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 56324 443\r\n", IPV4],
  ["UNKNOWN", "PROXY UNKNOWN\r\n", null],
  ["UNKNOWN with more", "PROXY UNKNOWN 192.0.2.1 \0 \xff whatever\r\n", null],
  ["the longest UNKNOWN", `PROXY UNKNOWN ${LONG_V6} ${LONG_V6} 65535 65535\r\n`, null],
  ["version 2, IPv4", v2(0x21, 0x11, ADDRESSES_4), IPV4],
  ["version 2, IPv6", v2(0x21, 0x21, ADDRESSES_6), IPV6],
  ["version 2 with further values", v2(0x21, 0x11, `${ADDRESSES_4}\x04\0\x03abc`), IPV4],
  ["version 2 with values that look like a request", v2(0x21, 0x11, ADDRESSES_4 + GET), IPV4],
  ["the longest version 2", v2(0x21, 0x21, ADDRESSES_6 + "x".repeat(4060)), IPV6],
  ["version 2, LOCAL", v2(0x20, 0x00, ""), null],
  ["version 2, LOCAL with addresses", v2(0x20, 0x11, ADDRESSES_4), null],
  ["version 2, LOCAL of any family", v2(0x20, 0x99, "abc"), null],
  ["version 2, unknown", v2(0x21, 0x00, ""), null],
  ["version 2, unknown with more", v2(0x21, 0x00, ADDRESSES_6), null],
];

describe("a PROXY protocol header", () => {
  for (const [what, header, expected] of GOOD) {
    it(`may be ${what}`, () => {
      assert.deepEqual(read([header + GET]), { end: header.length, ends: expected, fault: "" });
    });
    it(`may be ${what}, byte by byte`, () => {
      assert.deepEqual(read([...header, GET]), { end: header.length, ends: expected, fault: "" });
    });
    it(`is not whole where the last byte of ${what} is missing`, () => {
      assert.deepEqual(read([header.slice(0, -1)]), { end: NEED_MORE, ends: null, fault: "" });
    });
  }

  it("may come in any pieces, and ends where it ends", () => {
    const sample = fc.constantFrom(...GOOD);
    const cuts = fc.array(fc.nat(200), { maxLength: 8 });
    fc.assert(
      fc.property(sample, cuts, fc.string({ maxLength: 20 }), ([, header, expected], at, rest) => {
        const borders = [0, ...at.toSorted((a, b) => a - b), Number.POSITIVE_INFINITY];
        const pieces = borders.slice(1).map((border, i) => (header + rest).slice(borders[i], border));
        assert.deepEqual(read(pieces), { end: header.length, ends: expected, fault: "" });
      }),
      { numRuns: 2000 },
    );
  });
});

const START = 'expected "PROXY " or the signature of version 2';
const LINE =
  'expected "PROXY TCP4" or "PROXY TCP6" with two addresses of that family and two ports, or "PROXY UNKNOWN"';
const FAMILIES = "expected 0x11 (TCP over IPv4), 0x21 (TCP over IPv6) or 0x00 (unknown)";

/** Lines of version 1 that are whole, and wrong. */
const BROKEN_LINES = [
  "PROXY ",
  "PROXY  TCP4 192.0.2.1 198.51.100.2 56324 443",
  "PROXY TCP4  192.0.2.1 198.51.100.2 56324 443",
  "PROXY TCP4 192.0.2.1  198.51.100.2 56324 443",
  "PROXY TCP4 192.0.2.1 198.51.100.2 56324  443",
  "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 ",
  "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 1",
  "PROXY TCP4 192.0.2.1 198.51.100.2 56324",
  "PROXY TCP4 192.0.2.1 198.51.100.2",
  "PROXY TCP4",
  "PROXY TCP4\t192.0.2.1 198.51.100.2 56324 443",
  "PROXY tcp4 192.0.2.1 198.51.100.2 56324 443",
  "PROXY TCP 192.0.2.1 198.51.100.2 56324 443",
  "PROXY TCP5 192.0.2.1 198.51.100.2 56324 443",
  "PROXY UDP4 192.0.2.1 198.51.100.2 56324 443",
  "PROXY unknown",
  "PROXY UNKNOWNS",
  "PROXY TCP4 192.0.2 198.51.100.2 56324 443",
  "PROXY TCP4 192.0.2.01 198.51.100.2 56324 443",
  "PROXY TCP4 192.0.2.256 198.51.100.2 56324 443",
  "PROXY TCP4 192.0.2.1 198.51.100.02 56324 443",
  "PROXY TCP4 192.0.2.1 198.51.100.2 056324 443",
  "PROXY TCP4 192.0.2.1 198.51.100.2 5632 0443",
  "PROXY TCP4 192.0.2.1 198.51.100.2 00 443",
  "PROXY TCP4 192.0.2.1 198.51.100.2 65536 443",
  "PROXY TCP4 192.0.2.1 198.51.100.2 56324 65536",
  "PROXY TCP4 192.0.2.1 198.51.100.2 -1 443",
  "PROXY TCP4 192.0.2.1 198.51.100.2 +1 443",
  "PROXY TCP4 192.0.2.1 198.51.100.2 1e3 443",
  "PROXY TCP4 192.0.2.1 198.51.100.2 0x1 443",
  "PROXY TCP4 192.0.2.1 198.51.100.2 1.0 443",
  "PROXY TCP4 2001:db8::1 2001:db8::2 56324 443",
  "PROXY TCP4 192.0.2.1 2001:db8::2 56324 443",
  "PROXY TCP6 192.0.2.1 198.51.100.2 56324 443",
  "PROXY TCP6 2001:db8::1 198.51.100.2 56324 443",
  "PROXY TCP6 [2001:db8::1] 2001:db8::2 56324 443",
  "PROXY TCP6 2001:db8::1::2 2001:db8::2 56324 443",
  "PROXY TCP6 fe80::1%eth0 2001:db8::2 56324 443",
  "PROXY TCP4 localhost 198.51.100.2 56324 443",
  "PROXY TCP4 192.0.2.1\0 198.51.100.2 56324 443",
];

const BROKEN: ReadonlyArray<readonly [what: string, bytes: string, fault: string]> = [
  ["a request", GET, `"G" at offset 0: ${START}`],
  ["a TLS handshake", "\x16\x03\x01", `0x16 at offset 0: ${START}`],
  ["a name in lower case", "proxy TCP4", `"p" at offset 0: ${START}`],
  ["another name", "PROST! ", `"S" at offset 3: ${START}`],
  ["another method", "PUT / HTTP/1.1\r\n", `"U" at offset 1: ${START}`],
  ["a name without space", "PROXY\r\n", `0x0d at offset 5: ${START}`],
  ["a name with a tab", "PROXY\tTCP4", `0x09 at offset 5: ${START}`],
  ["a space before it", " PROXY TCP4", `0x20 at offset 0: ${START}`],
  ["an empty line before it", "\r\nPROXY TCP4", `"P" at offset 2: ${START}`],
  ["a signature with another last byte", `${SIGNATURE.slice(0, -1)}\r`, `0x0d at offset 11: ${START}`],
  ["a signature without NUL", "\r\n\r\n\r\nQUIT\n", `0x0d at offset 4: ${START}`],
  ["a bare LF", "PROXY UNKNOWN\n", "LF without CR in version 1: expected CRLF"],
  ["a bare CR", "PROXY UNKNOWN\rx", '"x" behind the CR of version 1: expected LF'],
  ["two CRs", "PROXY UNKNOWN\r\r\n", "0x0d behind the CR of version 1: expected LF"],
  [
    "a line of 108 bytes",
    `PROXY UNKNOWN ${"x".repeat(92)}\r\n`,
    `no end of "PROXY UNKNOWN ${"x".repeat(92)}\\r": expected CRLF within 107 bytes`,
  ],
  [
    "a line without end",
    `PROXY UNKNOWN ${"x".repeat(1000)}`,
    `no end of "PROXY UNKNOWN ${"x".repeat(92)}x": expected CRLF within 107 bytes`,
  ],
  ...BROKEN_LINES.map(
    (line) => [line, `${line}\r\n`, `cannot parse ${JSON.stringify(line)}: ${LINE}`] as const,
  ),
  ["version 1 in the binary form", v2(0x11, 0x11, ADDRESSES_4), versionFault("0x11")],
  ["version 3", v2(0x31, 0x11, ADDRESSES_4), versionFault("0x31")],
  ["no version", v2(0x01, 0x11, ADDRESSES_4), versionFault("0x01")],
  ["another command", v2(0x22, 0x11, ADDRESSES_4), versionFault("0x22")],
  ["the last command", v2(0x2f, 0x11, ADDRESSES_4), versionFault("0x2f")],
  ["UDP over IPv4", v2(0x21, 0x12, ADDRESSES_4), `family and transport 0x12: ${FAMILIES}`],
  ["UDP over IPv6", v2(0x21, 0x22, ADDRESSES_6), `family and transport 0x22: ${FAMILIES}`],
  ["unix sockets", v2(0x21, 0x31, "\0".repeat(216)), `family and transport 0x31: ${FAMILIES}`],
  ["IPv4 without transport", v2(0x21, 0x10, ADDRESSES_4), `family and transport 0x10: ${FAMILIES}`],
  ["a transport without family", v2(0x21, 0x01, ADDRESSES_4), `family and transport 0x01: ${FAMILIES}`],
  ["another family", v2(0x21, 0x41, ADDRESSES_6), `family and transport 0x41: ${FAMILIES}`],
  ["another transport", v2(0x21, 0x13, ADDRESSES_4), `family and transport 0x13: ${FAMILIES}`],
  ["addresses that are too short for IPv4", v2(0x21, 0x11, "x".repeat(11)), "length 11: expected 12 to 4096"],
  ["addresses that are too short for IPv6", v2(0x21, 0x21, "x".repeat(35)), "length 35: expected 36 to 4096"],
  ["no addresses", v2(0x21, 0x11, ""), "length 0: expected 12 to 4096"],
  ["too much", v2(0x21, 0x11, "", 4097), "length 4097: expected 12 to 4096"],
  ["far too much", v2(0x20, 0x00, "", 65535), "length 65535: expected 0 to 4096"],
];

function versionFault(shown: string): string {
  return `version and command ${shown}: expected 0x20 or 0x21`;
}

describe("what is no PROXY protocol header", () => {
  for (const [what, bytes, fault] of BROKEN) {
    it(`is refused: ${JSON.stringify(what)}`, () => {
      assert.deepEqual(read([bytes]), { end: FAILED, ends: null, fault });
      assert.deepEqual(read([...bytes]), { end: FAILED, ends: null, fault });
    });
  }

  it("is refused with its first wrong byte, without waiting for more", () => {
    assert.equal(read(["PROXX"]).end, FAILED);
    assert.equal(read([`${SIGNATURE}\x31`]).end, FAILED);
    assert.equal(read([`${SIGNATURE}\x21\x12`]).end, FAILED);
    assert.equal(read([v2(0x21, 0x11, "", 4097)]).end, FAILED);
    assert.equal(read([`PROXY UNKNOWN ${"x".repeat(92)}`]).end, NEED_MORE);
    assert.equal(read([`PROXY UNKNOWN ${"x".repeat(93)}`]).end, FAILED);
  });

  it("is never waited for beyond its longest form, and never read beyond its end", () => {
    const byte = fc.nat(255).map((code) => String.fromCharCode(code));
    const start = fc.constantFrom(
      "",
      "PROXY ",
      "PROXY TCP4 ",
      "PROXY UNKNOWN",
      SIGNATURE,
      `${SIGNATURE}\x21\x11\0`,
    );
    fc.assert(
      fc.property(start, fc.string({ unit: byte, maxLength: 300 }), (known, rest) => {
        const bytes = known + rest;
        const { end } = read([bytes]);
        if (end >= 0) {
          assert.equal(read([bytes.slice(0, end)]).end, end);
          assert.equal(read([bytes.slice(0, end - 1)]).end, NEED_MORE);
        } else if (end === NEED_MORE) {
          const longest = bytes.startsWith("P") ? 106 : 16 + 4096;
          assert.ok(bytes.length <= longest);
        }
      }),
      { numRuns: 5000 },
    );
  });
});

describe("the PROXY protocol header for a backend", () => {
  const end = (address: string, port: number): SocketEnd => ({ address, port });
  const CLIENT = end("192.0.2.1", 56324);
  const GATEWAY = end("198.51.100.2", 443);
  const SAMPLES: ReadonlyArray<
    readonly [what: string, ends: readonly [SocketEnd, SocketEnd], v1: string, v2: string]
  > = [
    ["IPv4", [CLIENT, GATEWAY], GOOD[0]![1], v2(0x21, 0x11, ADDRESSES_4)],
    [
      "IPv6",
      [end("2001:DB8::0:1", 56324), end("2001:db8::2", 443)],
      "PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n",
      v2(0x21, 0x21, ADDRESSES_6),
    ],
    ["mapped addresses", [end("::ffff:192.0.2.1", 56324), GATEWAY], GOOD[0]![1], v2(0x21, 0x11, ADDRESSES_4)],
    ["two families", [end("2001:db8::1", 1), GATEWAY], "PROXY UNKNOWN\r\n", v2(0x20, 0x00, "")],
    ["no client", [end("", 0), GATEWAY], "PROXY UNKNOWN\r\n", v2(0x20, 0x00, "")],
    ["a unix socket", [end("", 0), end("", 0)], "PROXY UNKNOWN\r\n", v2(0x20, 0x00, "")],
  ];
  for (const [what, [source, destination], first, second] of SAMPLES) {
    it(`of ${what}`, () => {
      assert.equal(proxyHeader(1, source, destination), first);
      assert.equal(proxyHeader(2, source, destination), second);
    });
  }

  it("reads as what it was made of", () => {
    const port = fc.nat(65535);
    const pair = fc.oneof(fc.tuple(fc.ipV4(), fc.ipV4()), fc.tuple(fc.ipV6(), fc.ipV6()));
    fc.assert(
      fc.property(fc.constantFrom(1 as const, 2 as const), pair, port, port, (version, pair, from, to) => {
        const [source, destination] = pair;
        const header = proxyHeader(version, end(source, from), end(destination, to));
        const found = read([header]);
        assert.equal(found.end, header.length);
        // What one family wrote and the other one read is the same text now.
        const again =
          found.ends === null ? null : proxyHeader(version, found.ends.source, found.ends.destination);
        assert.equal(again ?? header, header);
        if (found.ends !== null) {
          assert.deepEqual([found.ends.source.port, found.ends.destination.port], [from, to]);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
