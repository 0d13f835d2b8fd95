// What nghttp2 refuses by itself is refused here too: this is the whole table.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { GatewayError } from "../../core/errors.ts";
import { UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { HeadParser } from "../http1/head-parser.ts";
import { readRequestHead } from "../http1/request-head.ts";
import { readTrailers } from "./fields.ts";
import { type IncomingStream, readStreamHead } from "./request-head.ts";

const LIMITS = { lineBytes: 200, headerBytes: 300, headerCount: 10 };

type Fields = ReadonlyArray<readonly [name: string, value: string]>;

function read(fields: Fields, ended = true): IncomingStream | GatewayError {
  return readStreamHead(fields.flat(), ended, LIMITS);
}

function get(more: Fields = [], pseudo: Readonly<Record<string, string | null>> = {}): Fields {
  const standard = { ":method": "GET", ":scheme": "http", ":path": "/", ":authority": "a.example" };
  const all = Object.entries({ ...standard, ...pseudo }).filter(([, value]) => value !== null);
  return [...(all as Array<[string, string]>), ...more];
}

function accepted(fields: Fields, ended = true): IncomingStream {
  const incoming = read(fields, ended);
  assert.ok(!(incoming instanceof GatewayError), JSON.stringify(incoming));
  return incoming;
}

describe("a head", () => {
  it("says what is asked for", () => {
    const { head, expectsContinue, webSocketKey } = accepted(
      get([["x-y", "z"]], { ":path": "/a/../%62?c", ":authority": "A.Example:81" }),
    );
    const { headers, ...others } = head;
    assert.deepEqual(others, {
      method: "GET",
      path: "/b",
      query: "?c",
      authority: "A.Example:81",
      host: "a.example",
      protocol: "HTTP/2.0",
      bodyLength: 0,
      upgrade: null,
    });
    assert.equal(headers.forwardLines(), "x-y: z\r\nhost: A.Example:81\r\n");
    assert.deepEqual([expectsContinue, webSocketKey], [false, null]);
  });

  it("may name its host by field alone, or by both", () => {
    const alone = accepted(get([["host", "b.example"]], { ":authority": null }));
    assert.deepEqual([alone.head.authority, alone.head.host], ["b.example", "b.example"]);
    const both = accepted(get([["host", "A.EXAMPLE"]]));
    assert.deepEqual(both.head.headers.names, ["host"]);
  });

  it("has one cookie of many crumbs, wherever they stand", () => {
    const { head } = accepted(
      get([
        ["cookie", "a=1"],
        ["x", "1"],
        ["cookie", "b=2"],
        ["y", "2"],
        ["cookie", "c=3"],
      ]),
    );
    const cookies = head.headers.names.filter((name) => name === "cookie");
    assert.equal(cookies.length, 1);
    assert.equal(head.headers.find("cookie"), "a=1; b=2; c=3");
    assert.deepEqual([head.headers.find("x"), head.headers.find("y")], ["1", "2"]);
  });

  const lengths: ReadonlyArray<readonly [fields: Fields, ended: boolean, length: number]> = [
    [[], true, 0],
    [[], false, UNKNOWN_LENGTH],
    [[["content-length", "0"]], true, 0],
    [[["content-length", "5"]], false, 5],
  ];
  for (const [fields, ended, length] of lengths) {
    it(`has a body of ${length} with ${JSON.stringify(fields)}${ended ? " and its end" : ""}`, () => {
      assert.equal(accepted(get(fields), ended).head.bodyLength, length);
    });
  }

  it("may expect 100-continue, of a body", () => {
    assert.equal(accepted(get([["expect", "100-Continue"]]), false).expectsContinue, true);
    assert.equal(accepted(get([["expect", "100-continue"]]), true).expectsContinue, false);
  });

  it("may ask for all of the server", () => {
    assert.equal(accepted(get([], { ":method": "OPTIONS", ":path": "*" })).head.path, "*");
  });

  it("of a WebSocket is one of HTTP/1.1, with a new key each time", () => {
    const connect = { ":method": "CONNECT", ":protocol": "WebSocket" };
    const [one, other] = [1, 2].map(() => accepted(get([["sec-websocket-key", "mine"]], connect), false));
    const { head, webSocketKey } = one!;
    assert.deepEqual([head.method, head.upgrade, head.bodyLength], ["GET", "websocket", 0]);
    assert.equal(head.headers.findOnly("sec-websocket-key"), webSocketKey);
    assert.match(String(webSocketKey), /^[\w+/]{22}==$/);
    assert.notEqual(other!.webSocketKey, webSocketKey);
  });
});

describe("a head that is refused", () => {
  const cases: ReadonlyArray<readonly [what: string, fields: Fields, code: string, ended?: boolean]> = [
    ["no method", get([], { ":method": null }), "request_malformed"],
    ["a method that is no token", get([], { ":method": "GET /" }), "request_malformed"],
    ["no path", get([], { ":path": null }), "request_malformed"],
    ["a path of absolute form", get([], { ":path": "http://a/" }), "request_malformed"],
    ["a path with a space", get([], { ":path": "/ x" }), "request_malformed"],
    ["a star for GET", get([], { ":path": "*" }), "request_malformed"],
    ["no scheme", get([], { ":scheme": null }), "request_malformed"],
    ["another scheme", get([], { ":scheme": "ws" }), "request_malformed"],
    ["no host at all", get([], { ":authority": null }), "request_malformed"],
    ["a host with a user", get([], { ":authority": "u@a" }), "request_malformed"],
    ["an empty host", get([], { ":authority": "" }), "request_malformed"],
    ["another host beside it", get([["host", "b"]]), "request_malformed"],
    ["another port beside it", get([["host", "a.example:80"]]), "request_malformed"],
    [
      "two hosts",
      get([
        ["host", "a.example"],
        ["host", "a.example"],
      ]),
      "request_malformed",
    ],
    ["a pseudo-field twice", get([[":path", "/x"]]), "request_malformed"],
    ["a pseudo-field behind a field", [["x", "y"], ...get()], "request_malformed"],
    ["a pseudo-field that nobody knows", [[":x", "y"], ...get()], "request_malformed"],
    ["a pseudo-field that every object has", [[":constructor", "y"], ...get()], "request_malformed"],
    ["connection", get([["connection", "close"]]), "request_malformed"],
    ["keep-alive", get([["keep-alive", "1"]]), "request_malformed"],
    ["proxy-connection", get([["proxy-connection", "close"]]), "request_malformed"],
    ["transfer-encoding", get([["transfer-encoding", "chunked"]]), "request_malformed", false],
    ["upgrade", get([["upgrade", "websocket"]]), "request_malformed"],
    ["te", get([["te", "trailers, gzip"]]), "request_malformed"],
    ["a name in upper case", get([["X-y", "z"]]), "request_malformed"],
    ["a name that is no token", get([["x y", "z"]]), "request_malformed"],
    ["no name", get([["", "z"]]), "request_malformed"],
    ["a value with CR", get([["x", "a\rb"]]), "request_malformed"],
    ["a value with LF", get([["x", "a\nb"]]), "request_malformed"],
    ["a value with NUL", get([["x", "a\0b"]]), "request_malformed"],
    ["a value with DEL", get([["x", "a\x7f"]]), "request_malformed"],
    ["a value with a character above 255", get([["x", "\u0100"]]), "request_malformed"],
    ["white space before a value", get([["x", "\ta"]]), "request_malformed"],
    ["white space behind a value", get([["x", "a "]]), "request_malformed"],
    ["a crumb with LF", get([["cookie", "a\nb"]]), "request_malformed"],
    [
      "two lengths",
      get([
        ["content-length", "1"],
        ["content-length", "1"],
      ]),
      "request_malformed",
      false,
    ],
    ["a length that is none", get([["content-length", "1x"]]), "request_malformed", false],
    ["a length of what has ended", get([["content-length", "1"]]), "request_malformed"],
    ["another expectation", get([["expect", "more"]]), "expectation_unsupported", false],
    ["a path that is too long", get([], { ":path": `/${"x".repeat(200)}` }), "request_line_too_long"],
    ["fields that are too long", get([["x", "y".repeat(300)]]), "header_fields_too_large"],
    [
      "too many fields",
      get(Array.from({ length: 11 }, (_, i) => [`x${i}`, ""] as const)),
      "header_fields_too_large",
    ],
    [
      "CONNECT",
      [
        [":method", "CONNECT"],
        [":authority", "a:1"],
      ],
      "method_unsupported",
    ],
    [
      "CONNECT for another protocol",
      get([], { ":method": "CONNECT", ":protocol": "connect-ip" }),
      "method_unsupported",
    ],
    [":protocol without CONNECT", get([], { ":protocol": "websocket" }), "request_malformed"],
  ];
  for (const [what, fields, code, ended = true] of cases) {
    it(`for ${what}`, () => {
      const error = read(fields, ended);
      assert.ok(error instanceof GatewayError);
      assert.equal(error.code, code);
    });
  }

  it("never, whatever it has, becomes a request that HTTP/1.1 reads in another way", () => {
    const text = fc.string({
      unit: fc.integer({ min: 0, max: 260 }).map((code) => String.fromCharCode(code)),
      maxLength: 8,
    });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.oneof(text, fc.constantFrom("x", "cookie", "te", "host")), text), {
          maxLength: 4,
        }),
        (fields) => {
          const incoming = read(get(fields));
          if (incoming instanceof GatewayError) return;
          const { headers } = incoming.head;
          const parser = new HeadParser("request", {
            lineBytes: 8192,
            headerBytes: 32_768,
            headerCount: 100,
          });
          const bytes = Buffer.from(`GET / HTTP/1.1\r\n${headers.forwardLines()}\r\n`, "latin1");
          assert.equal(parser.feed(bytes, 0), bytes.length);
          const again = readRequestHead(parser);
          assert.ok(!(again instanceof GatewayError));
          const forwarded = headers.names.filter((name) => name !== "te");
          assert.deepEqual(again.head.headers.names, forwarded);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("trailers", () => {
  it("are a list of their own, or none", () => {
    assert.deepEqual(readTrailers(["x-t", "1", "x-u", "2"])?.names, ["x-t", "x-u"]);
    assert.equal(readTrailers([]), null);
    assert.equal(readTrailers(["x-t", "1\r\nx: y"]), null);
    assert.equal(readTrailers(["X-T", "1"]), null);
  });
});
