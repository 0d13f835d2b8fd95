// What a backend is told of the client: from a peer that is trusted, and from one that is not.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ServerSpec } from "../config/snapshot.ts";
import { type ClientStream, Exchange, type RequestHead } from "../core/exchange.ts";
import { Field, HeaderList } from "../core/headers.ts";
import { parseCidr } from "../core/ip.ts";
import { forwardedLines, identifyClient } from "./forwarded.ts";

type Fields = ReadonlyArray<readonly [string, string]>;

const SERVER = {
  realIpHeader: "x-real-ip",
  realIpHeaderFirst: false,
  trustedProxies: [parseCidr("10.0.0.0/8")!],
} as unknown as ServerSpec;
const REAL_IP_FIRST = { ...SERVER, realIpHeaderFirst: true };
const TRUSTED = "10.1.2.3";
const STRANGER = "203.0.113.9";

interface Told {
  readonly lines: string[];
  /** What is left of the client's own fields. */
  readonly left: string[];
  readonly clientAddress: string;
}

function tell(peerAddress: string, fields: Fields, about: Partial<RequestHead> = {}, server = SERVER): Told {
  const headers = new HeaderList();
  for (const [name, value] of fields) headers.add(name, value);
  const request = { authority: "a.example", protocol: "HTTP/1.1", headers, ...about } as RequestHead;
  const exchange = new Exchange(request, { tls: null } as ClientStream, peerAddress, 0);
  identifyClient(exchange, server);
  const text = forwardedLines(exchange, server.realIpHeader);
  assert.ok(text.endsWith("\r\n"));
  return {
    lines: text.slice(0, -2).split("\r\n"),
    left: headers.names.filter((_, i) => headers.ids[i] !== Field.removed),
    clientAddress: exchange.clientAddress,
  };
}

const CLAIMS: Fields = [
  ["X-Forwarded-For", "192.0.2.1"],
  ["x-forwarded-for", "192.0.2.2, 192.0.2.3"],
  ["X-Forwarded-Proto", "https"],
  ["X-Forwarded-Host", "claimed.example"],
  ["X-Forwarded-Port", "443"],
  ["Forwarded", "for=192.0.2.1"],
  ["X-Real-IP", "192.0.2.1"],
  ["Via", "1.1 first"],
  ["via", "1.0 second"],
  ["X-Other", "stays"],
];

describe("what a backend is told of a client", () => {
  it("is the peer and what it asked for", () => {
    const { lines, clientAddress } = tell(STRANGER, []);
    assert.deepEqual(lines, [
      "X-Forwarded-For: 203.0.113.9",
      "X-Forwarded-Proto: http",
      "X-Forwarded-Host: a.example",
      "x-real-ip: 203.0.113.9",
      "Via: 1.1 sluice",
    ]);
    assert.equal(clientAddress, STRANGER);
  });

  it("has nothing of what a stranger says of itself, except the way it took", () => {
    const { lines, left, clientAddress } = tell(STRANGER, CLAIMS);
    assert.deepEqual(lines, [
      "X-Forwarded-For: 203.0.113.9",
      "X-Forwarded-Proto: http",
      "X-Forwarded-Host: a.example",
      "x-real-ip: 203.0.113.9",
      "Via: 1.1 first, 1.0 second, 1.1 sluice",
    ]);
    assert.deepEqual(left, ["X-Other"]);
    assert.equal(clientAddress, STRANGER);
  });

  it("goes on with what a trusted proxy says", () => {
    const { lines, left, clientAddress } = tell(TRUSTED, CLAIMS);
    assert.deepEqual(lines, [
      "X-Forwarded-For: 192.0.2.1, 192.0.2.2, 192.0.2.3, 10.1.2.3",
      "X-Forwarded-Proto: https",
      "X-Forwarded-Host: claimed.example",
      "Forwarded: for=192.0.2.1, for=10.1.2.3;proto=http",
      "x-real-ip: 192.0.2.3",
      "Via: 1.1 first, 1.0 second, 1.1 sluice",
    ]);
    assert.deepEqual(left, ["X-Forwarded-Port", "X-Other"]);
    assert.equal(clientAddress, "192.0.2.3");
  });

  it("goes on with every line of Forwarded as one", () => {
    const fields: Fields = [
      ["Forwarded", "for=192.0.2.1"],
      ["forwarded", "for=10.0.0.2"],
    ];
    const server = { ...SERVER, trustedProxies: [parseCidr("2001:db8::/32")!] };
    const { lines, left } = tell("2001:db8::1", fields, {}, server);
    assert.equal(lines[3], 'Forwarded: for=192.0.2.1, for=10.0.0.2, for="[2001:db8::1]";proto=http');
    assert.deepEqual(left, []);
  });

  it("is the peer's own address where a trusted proxy says nothing", () => {
    const { lines, clientAddress } = tell(TRUSTED, []);
    assert.equal(lines[0], "X-Forwarded-For: 10.1.2.3");
    assert.equal(lines[3], "x-real-ip: 10.1.2.3");
    assert.equal(clientAddress, TRUSTED);
  });

  it("names HTTP/1.0 in Via, and no host where there is none", () => {
    const { lines } = tell(STRANGER, [], { protocol: "HTTP/1.0", authority: "" });
    assert.deepEqual(lines.slice(2), ["x-real-ip: 203.0.113.9", "Via: 1.0 sluice"]);
  });

  it("has the real address in the field of the configuration", () => {
    const server = { ...SERVER, realIpHeader: "cf-connecting-ip" };
    const fields: Fields = [
      ["CF-Connecting-IP", "192.0.2.1"],
      ["X-Real-IP", "192.0.2.2"],
    ];
    const { lines, left } = tell(TRUSTED, fields, {}, server);
    assert.equal(lines[3], "cf-connecting-ip: 192.0.2.1");
    assert.deepEqual(left, ["X-Real-IP"]);
  });

  for (const name of ["X_Real_IP", "x-real_ip", "X_Forwarded_For", "X-Forwarded_Proto"]) {
    it(`never has ${name}, whoever sends it`, () => {
      assert.deepEqual(tell(STRANGER, [[name, "192.0.2.1"]]).left, []);
      assert.deepEqual(tell(TRUSTED, [[name, "192.0.2.1"]]).left, []);
    });
  }
});

describe("the address in the real-IP field of a trusted proxy", () => {
  const BELIEVED: ReadonlyArray<readonly [title: string, fields: Fields, address: string]> = [
    ["is believed", [["X-Real-IP", "192.0.2.1"]], "192.0.2.1"],
    ["may be of IPv6", [["x-real-ip", "2001:db8::1"]], "2001:db8::1"],
    ["may have a port", [["X-Real-IP", "[2001:DB8::1]:80"]], "2001:db8::1"],
    ["is not believed when it is none", [["X-Real-IP", "unknown"]], TRUSTED],
    ["is not believed when it is empty", [["X-Real-IP", ""]], TRUSTED],
    ["is not believed when it is a list", [["X-Real-IP", "192.0.2.1, 192.0.2.2"]], TRUSTED],
    [
      "is not believed when it is there twice",
      [
        ["X-Real-IP", "192.0.2.1"],
        ["X-Real-IP", "192.0.2.2"],
      ],
      TRUSTED,
    ],
  ];
  for (const [title, fields, address] of BELIEVED) {
    for (const server of [SERVER, REAL_IP_FIRST]) {
      const order = server.realIpHeaderFirst ? ", asked for" : "";
      it(title + order, () => assert.equal(tell(TRUSTED, fields, {}, server).clientAddress, address));
    }
  }
});

describe("a trusted proxy that names several addresses", () => {
  const REAL_IP: Fields[number] = ["X-Real-IP", "192.0.2.1"];
  const CHAIN: Fields[number] = ["X-Forwarded-For", "192.0.2.2, 10.9.9.9"];
  const FORWARDED: Fields[number] = ["Forwarded", "for=192.0.2.3, for=10.9.9.9"];
  const BELIEVED: ReadonlyArray<readonly [title: string, fields: Fields, usual: string, asked: string]> = [
    ["everywhere", [REAL_IP, CHAIN, FORWARDED], "192.0.2.2", "192.0.2.1"],
    ["in X-Forwarded-For and Forwarded", [CHAIN, FORWARDED], "192.0.2.2", "192.0.2.2"],
    ["in X-Real-IP and Forwarded", [REAL_IP, FORWARDED], "192.0.2.3", "192.0.2.1"],
    ["in Forwarded alone", [FORWARDED], "192.0.2.3", "192.0.2.3"],
    [
      "in X-Real-IP, and rubbish in X-Forwarded-For",
      [REAL_IP, ["X-Forwarded-For", "?"]],
      TRUSTED,
      "192.0.2.1",
    ],
    ["in X-Real-IP, and an empty X-Forwarded-For", [REAL_IP, ["X-Forwarded-For", ""]], TRUSTED, "192.0.2.1"],
    ["in X-Real-IP twice, and in X-Forwarded-For", [REAL_IP, REAL_IP, CHAIN], "192.0.2.2", "192.0.2.2"],
    ["in two lines", [["X-Forwarded-For", "192.0.2.8"], CHAIN], "192.0.2.2", "192.0.2.2"],
    [
      "in two lines, the first of them the client's own",
      [CHAIN, ["x-forwarded-for", "192.0.2.8"]],
      "192.0.2.8",
      "192.0.2.8",
    ],
  ];
  for (const [title, fields, usual, asked] of BELIEVED) {
    it(`${title} is believed in one`, () => {
      assert.equal(tell(TRUSTED, fields).clientAddress, usual);
      assert.equal(tell(TRUSTED, fields, {}, REAL_IP_FIRST).clientAddress, asked);
    });
    it(`${title} is not believed when it is a stranger`, () => {
      for (const server of [SERVER, REAL_IP_FIRST]) {
        assert.equal(tell(STRANGER, fields, {}, server).clientAddress, STRANGER);
        assert.equal(tell(TRUSTED, fields, {}, { ...server, trustedProxies: [] }).clientAddress, TRUSTED);
      }
    });
  }

  it("is named in X-Forwarded-For beside what it wrote there", () => {
    const { lines } = tell(TRUSTED, [CHAIN]);
    assert.equal(lines[0], `X-Forwarded-For: 192.0.2.2, 10.9.9.9, ${TRUSTED}`);
    assert.ok(lines.includes("x-real-ip: 192.0.2.2"));
  });
});
