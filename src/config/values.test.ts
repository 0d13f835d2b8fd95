// Kinds of value: what is read, and what is refused. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { z } from "zod";
import { dnsServer, freeFieldName, host, pathAndQuery, share } from "./values.ts";

interface Kind {
  readonly name: string;
  readonly schema: z.ZodType;
  readonly read: ReadonlyArray<readonly [written: unknown, value: unknown]>;
  readonly refused: readonly unknown[];
}

const KINDS: readonly Kind[] = [
  {
    name: "a share",
    schema: share(),
    read: [
      ["20%", 0.2],
      ["12.5%", 0.125],
      ["0%", 0],
      ["100%", 1],
      [0.2, 0.2],
      [0, 0],
      [1, 1],
    ],
    refused: ["120%", "100.1%", "-1%", "20 %", "%", "20", "0.2", "", "1e1%", -1, -0.1, 1.1, 20, true, null],
  },
  {
    name: "a share that is no number",
    schema: share(),
    read: [],
    refused: [Number.NaN, Number.POSITIVE_INFINITY, "NaN%", "Infinity%"],
  },
  {
    name: "a DNS server",
    schema: dnsServer(),
    read: ["10.0.0.2", "10.0.0.2:53", "fd00::2", "[fd00::2]", "[fd00::2]:5353", "::1"].map((text) => [
      text,
      text,
    ]),
    refused: [
      "ns.example.com",
      "10.0.0.256",
      "10.0.0.2:0",
      "10.0.0.2:65536",
      "10.0.0.2:",
      "10.0.0.2:x",
      "[fd00::2",
      "[10.0.0.2]",
      "[fd00::2]:0",
      "fd00::2]:53",
      "",
      53,
    ],
  },
  {
    name: "a path and its query",
    schema: pathAndQuery(),
    read: ["/", "/health", "/health?", "/health?full=1&x=/a/../b", "/a%20b?c%20d"].map((text) => [
      text,
      text,
    ]),
    refused: [
      "",
      "health",
      "?a",
      "/a/../b?c",
      "/a b",
      "/a?b c",
      "/a?b#c",
      "/a?b\\c",
      "/a?b\r\nX: y",
      "/a?é",
      5,
    ],
  },
  {
    name: "a host",
    schema: host(),
    read: [
      ["Example.com", "example.com"],
      ["[FD00::1]", "fd00::1"],
      ["10.0.0.1", "10.0.0.1"],
      ["example.com.", "example.com"],
      ["_http._tcp.example.com", "_http._tcp.example.com"],
    ],
    refused: [
      "a:80",
      "10.0.0.1:80",
      "10.0.0.256",
      "[10.0.0.1]",
      "a b",
      "a..b",
      "a..",
      ".",
      "10.0.0.1.",
      "-a",
      "",
      5,
    ],
  },
  {
    name: "a field without another meaning",
    schema: freeFieldName(),
    read: ["X-Real-IP", "CF-Connecting-IP", "True-Client-IP"].map((text) => [text, text]),
    refused: ["Host", "x-forwarded-for", "Forwarded", "Connection", "X IP", "", "X:"],
  },
];

for (const { name, schema, read, refused } of KINDS) {
  describe(name, () => {
    for (const [written, value] of read)
      it(`is read from ${JSON.stringify(written)}`, () => assert.deepEqual(schema.parse(written), value));
    for (const written of refused)
      it(`is not ${JSON.stringify(written) ?? String(written)}`, () => {
        const { error } = schema.safeParse(written);
        assert.equal(error?.issues.length, 1);
        assert.match(error!.issues[0]!.message, /^expected /);
      });
  });
}
