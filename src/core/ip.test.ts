// Addresses and ranges: tables, and agreement with node:net. Runs in the test process.

import assert from "node:assert/strict";
import { BlockList, isIP, SocketAddress } from "node:net";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  bracketedAddress,
  canonicalAddress,
  formatAddress,
  isAddress,
  matchesAny,
  parseCidr,
  plainAddress,
  readAddressCells,
} from "./ip.ts";

const ADDRESSES = [
  "0.0.0.0",
  "127.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "1::",
  "1:2:3:4:5:6:7:8",
  "1:2:3:4:5:6:7::",
  "::2:3:4:5:6:7:8",
  "2001:DB8::a:0",
  "::ffff:10.1.2.3",
  "::10.1.2.3",
  "1:2:3:4:5:6:10.1.2.3",
  "1::10.1.2.3",
];

const NOT_ADDRESSES = [
  "",
  "localhost",
  "1.2.3",
  "1.2.3.",
  ".1.2.3",
  "1..2.3",
  "1.2.3.4.5",
  "1.2.3.256",
  "01.2.3.4",
  "1.2.3.00",
  "0x1.2.3.4",
  "1.2.3.4 ",
  "1.2.3.4:80",
  "-1.2.3.4",
  ":",
  ":::",
  ":1",
  "1:",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1:2:3:4:5:6:7:8::",
  "::1:2:3:4:5:6:7:8",
  "1::2::3",
  "1:::2",
  "12345::",
  "g::",
  "::1.2.3",
  "1.2.3.4::",
  "1:2:3:4:5:6:7:1.2.3.4",
  "1::2:3:4:5:6:7:1.2.3.4",
  "::1.2.3.4:5",
  "fe80::1%eth0",
  "[::1]",
  "::1/64",
];

describe("isAddress", () => {
  for (const text of ADDRESSES) it(`accepts ${text}`, () => assert.equal(isAddress(text), true));
  for (const text of NOT_ADDRESSES) it(`refuses "${text}"`, () => assert.equal(isAddress(text), false));

  it("agrees with node:net, except that it knows no zones", () => {
    const pieces = fc.constantFrom(":", "::", ".", "0", "1", "12", "256", "a", "ffff", "10.0.0.1", "g", "%");
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.array(pieces, { maxLength: 16 }).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(text, (value) => assert.equal(isAddress(value), isIP(value) !== 0 && !value.includes("%"))),
      { numRuns: 5000 },
    );
  });
});

describe("plainAddress", () => {
  for (const [text, plain] of [
    ["127.0.0.1", "127.0.0.1"],
    ["::ffff:127.0.0.1", "127.0.0.1"],
    ["::ffff:7f00:1", "::ffff:7f00:1"],
    ["::1", "::1"],
    ["fe80::1%eth0", "fe80::1"],
    ["", ""],
  ] as const) {
    it(`makes "${plain}" of "${text}"`, () => assert.equal(plainAddress(text), plain));
  }
});

describe("canonicalAddress", () => {
  for (const [text, canonical] of [
    ["192.0.2.1", "192.0.2.1"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0db8::0001", "2001:db8::1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["1:0:0:0:0:0:0:0", "1::"],
    ["1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"],
    ["0:0:3:4:5:0:0:0", "0:0:3:4:5::"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::ffff:c000:201", "192.0.2.1"],
    ["::192.0.2.1", "::c000:201"],
    ["192.0.2.1:80", null],
    ["[::1]", null],
    ["", null],
  ] as const) {
    it(`of "${text}" is ${canonical}`, () => assert.equal(canonicalAddress(text), canonical));
  }

  it("agrees with URL, except for mapped addresses", () => {
    const group = fc.oneof(fc.constant(0), fc.constant(0), fc.nat(0xffff));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        fc.pre(!(groups[5] === 0xffff && groups.slice(0, 5).every((value) => value === 0)));
        const text = groups.map((value) => value.toString(16)).join(":");
        assert.equal(`[${canonicalAddress(text)}]`, new URL(`http://[${text}]`).hostname);
      }),
      { numRuns: 3000 },
    );
  });

  it("is what its bytes are written as, and the same when it is read again", () => {
    fc.assert(
      fc.property(fc.oneof(bytesOf(4), bytesOf(16)), (bytes) => {
        const text = formatAddress(Uint8Array.from(bytes));
        assert.equal(text, canonicalAddress(textOf(bytes)));
        assert.equal(canonicalAddress(text), text);
      }),
    );
  });
});

describe("readAddressCells", () => {
  for (const [text, cells] of [
    ["1.2.3.255", [0, 0, 0xffff, 0x010203ff]],
    ["::ffff:1.2.3.255", [0, 0, 0xffff, 0x010203ff]],
    ["2001:db8::ffff:ffff", [0x20010db8, 0, 0, -1]],
  ] as const) {
    it(`reads ${text}`, () => {
      const read = new Int32Array(4);
      assert.equal(readAddressCells(text, read), true);
      assert.deepEqual([...read], cells);
    });
  }

  it("reads nothing else", () => assert.equal(readAddressCells("localhost", new Int32Array(4)), false));
});

describe("bracketedAddress", () => {
  for (const [text, inner] of [
    ["[::1]", "::1"],
    ["[2001:db8::1]", "2001:db8::1"],
    ["[127.0.0.1]", null],
    ["[]", null],
    ["[::1", null],
    ["::1", null],
    ["[::1]:80", null],
    ["[fe80::1%eth0]", null],
    ["[[::1]]", null],
  ] as const) {
    it(`reads ${text} as ${inner}`, () => assert.equal(bracketedAddress(text), inner));
  }
});

describe("parseCidr", () => {
  it("reads a lone address as a range of one", () => {
    assert.deepEqual(parseCidr("10.0.0.1"), parseCidr("10.0.0.1/32"));
    assert.deepEqual(parseCidr("::1"), parseCidr("::1/128"));
  });

  it("clears the host bits", () => {
    assert.deepEqual(parseCidr("10.1.2.255/12"), parseCidr("10.0.0.0/12"));
    assert.deepEqual(parseCidr("2001:db8:ffff::/33"), parseCidr("2001:db8:8000::/33"));
  });

  it("reads a mapped range as the IPv4 range", () => {
    assert.deepEqual(parseCidr("::ffff:10.0.0.0/104"), parseCidr("10.0.0.0/8"));
  });

  for (const text of [
    "",
    "/8",
    "10.0.0.0/",
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/08",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
  ]) {
    it(`refuses "${text}"`, () => assert.equal(parseCidr(text), null));
  }
  for (const text of ["10.0.0/8", "10.0.0.0/8 ", "10.0.0.0/1e1", "[::]/0", "fe80::%1/10", "example.com/8"]) {
    it(`refuses "${text}"`, () => assert.equal(parseCidr(text), null));
  }
});

describe("matchesAny", () => {
  for (const [range, address, inside] of [
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.0", false],
    ["10.0.0.0/9", "10.127.255.255", true],
    ["10.0.0.0/9", "10.128.0.0", false],
    ["127.0.0.1/32", "127.0.0.1", true],
    ["127.0.0.1/32", "127.0.0.0", false],
    ["10.0.0.0/8", "::ffff:10.1.1.1", true],
    ["10.0.0.0/8", "::ffff:a01:101", true],
    ["10.0.0.0/8", "::10.1.1.1", false],
    ["0.0.0.0/0", "255.1.2.3", true],
    ["0.0.0.0/0", "::1", false],
    ["::/0", "2001:db8::1", true],
    ["::/0", "10.0.0.1", false],
    ["::/0", "::ffff:10.0.0.1", false],
    ["2001:db8::/32", "2001:db8:1::", true],
    ["2001:db8::/32", "2001:db9::", false],
    ["fe80::/10", "febf::1", true],
    ["fe80::/10", "fec0::1", false],
    ["10.0.0.0/8", "", false],
    ["0.0.0.0/0", "10.0.0.1, 10.0.0.2", false],
  ] as const) {
    it(`${inside ? "finds" : "does not find"} "${address}" in ${range}`, () => {
      const cidr = parseCidr(range);
      assert.ok(cidr);
      assert.equal(matchesAny([cidr], address), inside);
    });
  }

  it("looks at every range", () => {
    const cidrs = ["10.0.0.0/8", "192.168.0.0/16", "::1"].map((text) => parseCidr(text)!);
    assert.equal(matchesAny(cidrs, "::1"), true);
    assert.equal(matchesAny(cidrs, "192.168.3.4"), true);
    assert.equal(matchesAny(cidrs, "192.169.3.4"), false);
    assert.equal(matchesAny([], "::1"), false);
  });

  it("agrees with the BlockList of node:net on addresses that differ from the range in one bit", () => {
    const sample = fc.oneof(
      fc.record({
        family: fc.constant("ipv4" as const),
        bytes: bytesOf(4),
        bits: fc.nat(32),
        flip: fc.nat(31),
      }),
      fc.record({
        family: fc.constant("ipv6" as const),
        bytes: bytesOf(16),
        bits: fc.nat(128),
        flip: fc.nat(127),
      }),
    );
    fc.assert(
      fc.property(sample, ({ family, bytes, bits, flip }) => {
        const range = textOf(bytes);
        const probe = textOf(bytes.with(flip >> 3, bytes[flip >> 3]! ^ (0x80 >> (flip & 7))));
        const list = new BlockList();
        list.addSubnet(new SocketAddress({ address: range, family }), bits);
        assert.equal(matchesAny([parseCidr(`${range}/${bits}`)!], probe), list.check(probe, family));
        assert.equal(matchesAny([parseCidr(`${range}/${bits}`)!], probe), flip >= bits);
      }),
      { numRuns: 3000 },
    );
  });
});

/** Never the start of the mapped range, which has a rule of its own. */
function bytesOf(length: number): fc.Arbitrary<number[]> {
  return fc.array(fc.integer({ min: 4, max: 255 }), { minLength: length, maxLength: length });
}

function textOf(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join(".");
  return Array.from({ length: 8 }, (_, i) => (bytes[i * 2]! * 256 + bytes[i * 2 + 1]!).toString(16)).join(
    ":",
  );
}
