// Lists of addresses as proxies write them, and as those write them who want to be taken for somebody else.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseCidr } from "../core/ip.ts";
import { addressOfForwarded, addressOfNode, clientBehind, forwardedElement } from "./forwarding-chain.ts";

const TRUSTED = ["10.0.0.0/8", "2001:db8:aaaa::/48"].map((text) => parseCidr(text)!);
const PEER = "10.0.0.1";

describe("an address in a list", () => {
  const NODES: ReadonlyArray<readonly [text: string, address: string | null]> = [
    ["192.0.2.1", "192.0.2.1"],
    ["192.0.2.1:80", "192.0.2.1"],
    ["192.0.2.1:65535", "192.0.2.1"],
    ["192.0.2.1:_http", "192.0.2.1"],
    ["2001:DB8::0:1", "2001:db8::1"],
    ["[2001:db8::1]", "2001:db8::1"],
    ["[2001:db8::1]:80", "2001:db8::1"],
    ['"192.0.2.1"', "192.0.2.1"],
    ['"192.0.2.1:80"', "192.0.2.1"],
    ['"[2001:db8::1]:80"', "2001:db8::1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["[::ffff:192.0.2.1]:80", "192.0.2.1"],
    ["", null],
    ["unknown", null],
    ["_hidden", null],
    ["localhost", null],
    ["192.0.2", null],
    ["192.0.2.256", null],
    ["192.0.2.1:", null],
    ["192.0.2.1:http", null],
    ["192.0.2.1:123456", null],
    ["192.0.2.1:_", null],
    ["192.0.2.1:80:80", null],
    ["192.0.2.1 192.0.2.2", null],
    ["192.0.2.1\xa0", null],
    ["[192.0.2.1]", null],
    ["[192.0.2.1]:80", null],
    ["[2001:db8::1", null],
    ["[2001:db8::1]x", null],
    ["[2001:db8::1]80", null],
    ["2001:db8::1]", null],
    ["[]", null],
    ["[fe80::1%eth0]", null],
    ['"192.0.2.1', null],
    ['192.0.2.1"', null],
    ['"', null],
    ['""', null],
    ['"192.0.2\\.1"', null],
    ["for=192.0.2.1", null],
  ];
  for (const [text, address] of NODES) {
    it(`${JSON.stringify(text)} is ${address}`, () => assert.equal(addressOfNode(text), address));
  }
});

describe("an element of Forwarded", () => {
  const ELEMENTS: ReadonlyArray<readonly [element: string, address: string | null]> = [
    ["for=192.0.2.1", "192.0.2.1"],
    ["For=192.0.2.1", "192.0.2.1"],
    ["FOR=192.0.2.1;proto=https", "192.0.2.1"],
    ["proto=https;for=192.0.2.1;by=203.0.113.43", "192.0.2.1"],
    ["by=203.0.113.43; for=192.0.2.1 ; proto=https", "192.0.2.1"],
    ['for="192.0.2.1:4711"', "192.0.2.1"],
    ['for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"],
    ['for="[2001:db8:cafe::17]"', "2001:db8:cafe::17"],
    ['host="a;for=192.0.2.9";for=192.0.2.1', "192.0.2.1"],
    ['host="a\\";for=192.0.2.9";for=192.0.2.1', "192.0.2.1"],
    ["for=192.0.2.1;", "192.0.2.1"],
    [";for=192.0.2.1", "192.0.2.1"],
    ["secret;for=192.0.2.1", "192.0.2.1"],
    ["for=unknown", null],
    ["for=_gazonk", null],
    ['for="_gazonk:80"', null],
    ["proto=https", null],
    ["for=", null],
    ["for", null],
    ["192.0.2.1", null],
    ["for =192.0.2.1", null],
    ["for= 192.0.2.1", null],
    ["for=192.0.2.1;for=192.0.2.2", null],
    ["for=unknown;for=192.0.2.2", null],
    ['for="192.0.2.1', null],
    ['host="a;for=192.0.2.1', null],
    ["xfor=192.0.2.1", null],
  ];
  for (const [element, address] of ELEMENTS) {
    it(`${JSON.stringify(element)} names ${address}`, () =>
      assert.equal(addressOfForwarded(element), address));
  }

  for (const address of ["192.0.2.1", "2001:db8::1"]) {
    it(`that the gateway writes for ${address} names it`, () =>
      assert.equal(addressOfForwarded(forwardedElement(address, "https")), address));
  }

  it("that the gateway writes names no address where it has none", () =>
    assert.equal(addressOfForwarded(forwardedElement("", "http")), null));
});

describe("the client behind trusted proxies", () => {
  const LISTS: ReadonlyArray<readonly [what: string, list: string, client: string]> = [
    ["is the only address", "192.0.2.1", "192.0.2.1"],
    ["is the last address, whatever came before it", "192.0.2.9, 192.0.2.1", "192.0.2.1"],
    ["is the last one that is not trusted", "192.0.2.9, 192.0.2.1, 10.0.0.3, 10.0.0.2", "192.0.2.1"],
    ["is the first one if all are trusted", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
    ["is not whom it claims to be", "10.0.0.9, 192.0.2.1, 10.0.0.2", "192.0.2.1"],
    ["is found behind proxies of IPv6", "2001:db8::1, 2001:db8:aaaa::2", "2001:db8::1"],
    ["is found behind a proxy that is written with its port", "192.0.2.1:5000, 10.0.0.2:6000", "192.0.2.1"],
    ["is found behind a mapped address", "192.0.2.1, ::ffff:10.0.0.2", "192.0.2.1"],
    ["is the proxy that names nobody", "192.0.2.1, unknown, 10.0.0.2", "10.0.0.2"],
    ["is the peer if that names nobody", "192.0.2.1, unknown", PEER],
    ["is the peer if that names rubbish", "192.0.2.1, 10.0.0.2 or so", PEER],
    ["is the peer if the list is empty", "", PEER],
    ["is the peer if there are only commas", " , ,\t,", PEER],
    ["is found between empty elements", ", 192.0.2.1,, \t,10.0.0.2 ,", "192.0.2.1"],
    ["is not hidden by a quote that somebody began", '", 192.0.2.1', "192.0.2.1"],
    ["is not hidden by a quote on the way", '192.0.2.9", 192.0.2.1, 10.0.0.2', "192.0.2.1"],
  ];
  for (const [what, list, client] of LISTS) {
    it(what, () => assert.equal(clientBehind(PEER, TRUSTED, list, addressOfNode), client));
  }

  const FORWARDED: ReadonlyArray<readonly [what: string, list: string, client: string]> = [
    ["is the last one", "for=192.0.2.9, for=192.0.2.1;proto=https", "192.0.2.1"],
    ["is found past trusted ones", 'for=192.0.2.1, for="[2001:db8:aaaa::2]:80", for=10.0.0.2', "192.0.2.1"],
    ["is behind commas in quotes", 'for=192.0.2.1;host="a, for=192.0.2.9", for=10.0.0.2', "192.0.2.1"],
    ["is behind escaped quotes", 'for=192.0.2.1;host="a\\", for=192.0.2.9", for=10.0.0.2', "192.0.2.1"],
    ["is before an escaped quote", 'for=192.0.2.1, for=10.0.0.3;host="a\\"b", for=10.0.0.2', "192.0.2.1"],
    ["is before an escaped backslash", 'for=192.0.2.1, for=10.0.0.3;host="a\\\\", for=10.0.0.2', "192.0.2.1"],
    ["is the proxy before an obfuscated one", "for=192.0.2.1, for=_secret, for=10.0.0.2", "10.0.0.2"],
    ["is the peer if unknown", "for=unknown", PEER],
    ["is not hidden by a quote that somebody began", 'for=", for=192.0.2.1', "192.0.2.1"],
    [
      "is not moved by one before an address in quotes",
      'for="x, for="[2001:db8::1]:80", for=10.0.0.2',
      "2001:db8::1",
    ],
  ];
  for (const [what, list, client] of FORWARDED) {
    it(`in Forwarded ${what}`, () =>
      assert.equal(clientBehind(PEER, TRUSTED, list, addressOfForwarded), client));
  }

  const address = fc.oneof(
    fc.ipV4(),
    fc.ipV6().map((text) => addressOfNode(text)!),
  );
  const trusted = fc.nat(0xffffff).map((n) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
  const anything = fc.string({ unit: fc.constantFrom(...'", \t:;=\\[].19af_for') });
  const stranger = address.filter((text) => !text.startsWith("10.") && !text.startsWith("2001:db8:aaaa:"));

  it("is the same whatever it wrote before its own address", () => {
    fc.assert(
      fc.property(anything, stranger, fc.array(trusted, { maxLength: 4 }), (forged, client, proxies) => {
        const list = [forged, client, ...proxies].join(", ");
        assert.equal(clientBehind(PEER, TRUSTED, list, addressOfNode), client);
        const elements = [client, ...proxies].map((each) => forwardedElement(each, "http"));
        const forwarded = [forged, ...elements].join(", ");
        assert.equal(clientBehind(PEER, TRUSTED, forwarded, addressOfForwarded), client);
      }),
      { numRuns: 3000 },
    );
  });
});
