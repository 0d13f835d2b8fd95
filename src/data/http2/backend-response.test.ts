// What the fields of responses over HTTP/2 mean, and which of them are refused. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type ResponseHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { readResponseHead, readTrailers } from "./backend-response.ts";

const read = (fields: ReadonlyArray<readonly [string, string]>, method = "GET", last = false) =>
  readResponseHead(fields.flat(), method, last);

function headOf(...of: Parameters<typeof read>): ResponseHead {
  const head = read(...of);
  if (typeof head === "string") throw new Error(head);
  return head;
}

const OK = [":status", "200"] as const;

describe("a response head over HTTP/2", () => {
  const LENGTHS: ReadonlyArray<{
    readonly what: string;
    readonly fields: ReadonlyArray<readonly [string, string]>;
    readonly method?: string;
    readonly last?: boolean;
    readonly length: number;
  }> = [
    { what: "no length", fields: [OK], length: UNKNOWN_LENGTH },
    { what: "a length", fields: [OK, ["content-length", "7"]], length: 7 },
    { what: "an end", fields: [OK], last: true, length: 0 },
    { what: "an end and a length of 0", fields: [OK, ["content-length", "0"]], last: true, length: 0 },
    { what: "HEAD", fields: [OK, ["content-length", "7"]], method: "HEAD", last: true, length: 7 },
    { what: "HEAD without a length", fields: [OK], method: "HEAD", last: true, length: UNKNOWN_LENGTH },
    {
      what: "304",
      fields: [
        [":status", "304"],
        ["content-length", "7"],
      ],
      last: true,
      length: 7,
    },
    { what: "204", fields: [[":status", "204"]], length: 0 },
    { what: "103", fields: [[":status", "103"]], length: 0 },
  ];
  for (const { what, fields, method, last, length } of LENGTHS) {
    it(`has a body of ${length} with ${what}`, () =>
      assert.equal(headOf(fields, method, last).bodyLength, length));
  }

  it("keeps its fields in their order, and not :status", () => {
    const { headers, status } = headOf([OK, ["x-a", "1"], ["x-b", ""], ["x-a", "caf\xe9"]]);
    assert.equal(status, 200);
    assert.deepEqual(headers.names, ["x-a", "x-b", "x-a"]);
    assert.deepEqual(headers.values, ["1", "", "caf\xe9"]);
  });

  const FAULTS: ReadonlyArray<
    readonly [what: string, fields: ReadonlyArray<readonly [string, string]>, last?: boolean]
  > = [
    ["no status", [["x-a", "1"]]],
    ["status 99", [[":status", "99"]]],
    ["status 600", [[":status", "600"]]],
    ["status 101", [[":status", "101"]]],
    ["an informational end", [[":status", "103"]], true],
    ["a length that is none", [OK, ["content-length", "1e3"]]],
    ["two lengths", [OK, ["content-length", "1"], ["content-length", "1"]]],
    ["a length without a body", [OK, ["content-length", "1"]], true],
    ["Connection", [OK, ["connection", "x"]]],
    ["Transfer-Encoding", [OK, ["transfer-encoding", "chunked"]]],
    ["Keep-Alive", [OK, ["keep-alive", "1"]]],
    ["Proxy-Connection", [OK, ["proxy-connection", "x"]]],
    ["Upgrade", [OK, ["upgrade", "x"]]],
    ["a name in upper case", [OK, ["X-A", "1"]]],
    ["a name that is no token", [OK, ["x a", "1"]]],
    ["an empty name", [OK, ["", "1"]]],
    ["a pseudo-header field", [OK, [":path", "/"]]],
    ["CR in a value", [OK, ["x-a", "a\rb"]]],
    ["LF in a value", [OK, ["x-a", "a\nb"]]],
    ["NUL in a value", [OK, ["x-a", "a\0b"]]],
    ["white space around a value", [OK, ["x-a", " a"]]],
    ["257 fields", [OK, ...Array.from({ length: 257 }, (_, i) => [`x-${i}`, ""] as const)]],
    ["fields of more than 64 KB", [OK, ["x-a", "x".repeat(65_536)]]],
  ];
  for (const [what, fields, last] of FAULTS) {
    it(`is refused with ${what}`, () => assert.equal(typeof read(fields, "GET", last), "string"));
  }

  it("never lets anything through that could end a line of HTTP/1.1", () => {
    const text = fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { maxLength: 5 }), (fields) => {
        const head = read([OK, ...fields]);
        if (typeof head === "string") return;
        for (const part of [...head.headers.names, ...head.headers.values])
          assert.doesNotMatch(part, /[\r\n\0]/);
        assert.equal(head.headers.forwardLines().split("\r\n").length - 1 <= fields.length, true);
      }),
    );
  });
});

describe("trailers over HTTP/2", () => {
  it("are fields like any other", () => {
    const trailers = readTrailers(["grpc-status", "0", "grpc-message", ""]);
    assert.ok(typeof trailers !== "string");
    assert.deepEqual(trailers.names, ["grpc-status", "grpc-message"]);
  });

  it("are refused with more than 32 fields, a pseudo-header field that is none, or one of a connection", () => {
    assert.equal(typeof readTrailers(Array.from({ length: 66 }, (_, i) => `x-${i}`)), "string");
    assert.equal(typeof readTrailers([":path", "/"]), "string");
    assert.equal(typeof readTrailers(["connection", "close"]), "string");
  });
});
