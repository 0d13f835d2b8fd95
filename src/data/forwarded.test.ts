// What a backend is told of the client: from a peer that is trusted, and from one that is not.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Snapshot } from "../config/snapshot.ts";
import { type ClientStream, Exchange, type RequestHead } from "../core/exchange.ts";
import { Field, HeaderList } from "../core/headers.ts";
import { parseCidr } from "../core/ip.ts";
import { forwardedLines, identifyClient } from "./forwarded.ts";

type Fields = ReadonlyArray<readonly [string, string]>;

const SERVER = {
  realIpHeader: "x-real-ip",
  trustedProxies: [parseCidr("10.0.0.0/8")!],
} as unknown as Snapshot["server"];
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
  const exchange = new Exchange(request, null as unknown as ClientStream, peerAddress, 0);
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
      "x-real-ip: 192.0.2.1",
      "Via: 1.1 first, 1.0 second, 1.1 sluice",
    ]);
    assert.deepEqual(left, ["X-Forwarded-Port", "Forwarded", "X-Other"]);
    assert.equal(clientAddress, "192.0.2.1");
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

describe("the address that a trusted proxy names", () => {
  const BELIEVED: ReadonlyArray<readonly [title: string, fields: Fields, address: string]> = [
    ["is believed", [["X-Real-IP", "192.0.2.1"]], "192.0.2.1"],
    ["may be of IPv6", [["x-real-ip", "2001:db8::1"]], "2001:db8::1"],
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
    it(title, () => assert.equal(tell(TRUSTED, fields).clientAddress, address));
  }

  it("is never that of a stranger", () => {
    assert.equal(tell(STRANGER, [["X-Real-IP", "192.0.2.1"]]).clientAddress, STRANGER);
    const nobody = { ...SERVER, trustedProxies: [] };
    assert.equal(tell(TRUSTED, [["X-Real-IP", "192.0.2.1"]], {}, nobody).clientAddress, TRUSTED);
  });
});
