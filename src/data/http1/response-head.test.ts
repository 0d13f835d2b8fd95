// What a response head means: framing, persistence, upgrade, each rule from both sides.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { Field } from "../../core/headers.ts";
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_CLOSE } from "./body-reader.ts";
import { HeadParser } from "./head-parser.ts";
import { type IncomingResponse, readResponseHead } from "./response-head.ts";

const LIMITS = { lineBytes: 8192, headerBytes: 8192, headerCount: 100 };

function read(method: string, ...lines: string[]): IncomingResponse | string {
  const parser = new HeadParser("response", LIMITS);
  const text = lines.map((line) => `${line}\r\n`).join("");
  const end = parser.feed(Buffer.from(`${text}\r\n`, "latin1"), 0);
  return end < 0 ? parser.message : readResponseHead(parser, method);
}

function accepted(method: string, ...lines: string[]): IncomingResponse {
  const incoming = read(method, ...lines);
  assert.ok(typeof incoming !== "string", String(incoming));
  return incoming;
}

const OK = "HTTP/1.1 200 OK";
const CHUNKED = "Transfer-Encoding: chunked";

describe("the framing of a response", () => {
  const READINGS: ReadonlyArray<readonly [string, lines: string[], kind: number, length: number]> = [
    ["GET", [OK, "Content-Length: 5"], BODY_LENGTH, 5],
    ["GET", [OK, "Content-Length: 0"], BODY_LENGTH, 0],
    ["GET", [OK, CHUNKED], BODY_CHUNKED, UNKNOWN_LENGTH],
    ["GET", [OK, "transfer-encoding: Chunked"], BODY_CHUNKED, UNKNOWN_LENGTH],
    ["GET", [OK], BODY_UNTIL_CLOSE, UNKNOWN_LENGTH],
    ["GET", ["HTTP/1.0 200 OK"], BODY_UNTIL_CLOSE, UNKNOWN_LENGTH],
    ["GET", ["HTTP/1.1 500 Oops", "Content-Length: 5"], BODY_LENGTH, 5],
    ["HEAD", [OK, "Content-Length: 5"], BODY_NONE, 5],
    ["HEAD", [OK, CHUNKED], BODY_NONE, UNKNOWN_LENGTH],
    ["HEAD", [OK], BODY_NONE, UNKNOWN_LENGTH],
    ["GET", ["HTTP/1.1 304 Not Modified", "Content-Length: 5"], BODY_NONE, 5],
    ["GET", ["HTTP/1.1 304 Not Modified"], BODY_NONE, UNKNOWN_LENGTH],
    ["GET", ["HTTP/1.1 204 No Content"], BODY_NONE, 0],
    ["GET", ["HTTP/1.1 204 No Content", "Content-Length: 5"], BODY_NONE, 0],
    ["GET", ["HTTP/1.1 100 Continue"], BODY_NONE, 0],
    ["GET", ["HTTP/1.1 103 Early Hints", "Content-Length: 0"], BODY_NONE, 0],
  ];
  for (const [method, lines, kind, length] of READINGS) {
    it(`of ${method} is read: ${JSON.stringify(lines)}`, () => {
      const { bodyKind, head } = accepted(method, ...lines);
      assert.deepEqual([bodyKind, head.bodyLength], [kind, length]);
    });
  }

  const REFUSED: ReadonlyArray<readonly [lines: string[], message: RegExp]> = [
    [[OK, "Content-Length: 5", CHUNKED], /^both/],
    [["HTTP/1.1 304 Not Modified", "Content-Length: 5", CHUNKED], /^both/],
    [[OK, "Content-Length: 5", "Content-Length: 5"], /^Content-Length "5, 5"/],
    [[OK, "Content-Length: 5, 6"], /^Content-Length "5, 6"/],
    [[OK, "Content-Length: x"], /^Content-Length "x"/],
    [[OK, "Content-Length: -1"], /^Content-Length "-1"/],
    [[OK, "Transfer-Encoding: gzip, chunked"], /^Transfer-Encoding "gzip, chunked"/],
    [[OK, "Transfer-Encoding: identity"], /^Transfer-Encoding "identity"/],
    [[OK, CHUNKED, CHUNKED], /^Transfer-Encoding "chunked, chunked"/],
    [["HTTP/1.0 200 OK", CHUNKED], /HTTP\/1\.0 response/],
    [["HTTP/1.1 099 Low"], /^status 99/],
    [["HTTP/1.1 000 Zero"], /^status 0/],
    [["HTTP/1.1 600 High"], /^status 600/],
    [["HTTP/1.1 999 High"], /^status 999/],
    [["HTTP/1.1 103 Early Hints", "Content-Length: 5"], /^a body declared by status 103/],
    [["HTTP/1.1 100 Continue", CHUNKED], /^a body declared by status 100/],
    [["HTTP/2.0 200 OK"], /HTTP version/],
  ];
  for (const [lines, message] of REFUSED) {
    it(`is refused: ${JSON.stringify(lines)}`, () => {
      const incoming = read("GET", ...lines);
      assert.match(typeof incoming === "string" ? incoming : "accepted", message);
    });
  }
});

describe("a backend connection", () => {
  const READINGS: ReadonlyArray<readonly [lines: string[], keepAlive: boolean]> = [
    [[OK, "Content-Length: 0"], true],
    [[OK, CHUNKED], true],
    [[OK, "Content-Length: 0", "Connection: close"], false],
    [[OK, "Content-Length: 0", "Connection: x, Close"], false],
    [[OK], false],
    [["HTTP/1.0 200 OK", "Content-Length: 0"], false],
    [["HTTP/1.0 200 OK", "Content-Length: 0", "Connection: keep-alive"], true],
    [["HTTP/1.0 200 OK", "Content-Length: 0", "Connection: keep-alive, close"], false],
    [["HTTP/1.0 200 OK", "Connection: keep-alive"], false],
    [["HTTP/1.1 204 No Content"], true],
    [["HTTP/1.1 204 No Content", "Content-Length: 0"], true],
    [["HTTP/1.1 204 No Content", "Content-Length: 5"], false],
    [["HTTP/1.1 204 No Content", CHUNKED], false],
    [["HTTP/1.1 304 Not Modified", "Content-Length: 5"], true],
  ];
  for (const [lines, keepAlive] of READINGS) {
    it(`is ${keepAlive ? "kept" : "closed"} after ${JSON.stringify(lines)}`, () => {
      assert.equal(accepted("GET", ...lines).keepAlive, keepAlive);
    });
  }

  it("loses the fields that Connection names", () => {
    const { headers } = accepted("GET", OK, "Connection: x-a", "X-A: 1", "X-B: 2").head;
    assert.deepEqual([headers.find("x-a"), headers.find("x-b")], [null, "2"]);
    assert.equal(headers.get(Field.connection), null);
  });
});

describe("a 101", () => {
  const SWITCH = "HTTP/1.1 101 Switching Protocols";
  const READINGS: ReadonlyArray<readonly [title: string, lines: string[], upgrade: string | null]> = [
    ["names a protocol", [SWITCH, "Connection: Upgrade", "Upgrade: WebSocket"], "websocket"],
    ["may name its version", [SWITCH, "Connection: upgrade", "Upgrade: a/1.0"], "a/1.0"],
    ["names none without Connection", [SWITCH, "Upgrade: websocket"], null],
    [
      "names none when Connection is about something else",
      [SWITCH, "Connection: close", "Upgrade: websocket"],
      null,
    ],
    ["names none without Upgrade", [SWITCH, "Connection: Upgrade"], null],
    ["names none when Upgrade is empty", [SWITCH, "Connection: Upgrade", "Upgrade:"], null],
    ["names none when Upgrade is a list", [SWITCH, "Connection: Upgrade", "Upgrade: a, b"], null],
    ["is the only status that switches", [OK, "Connection: Upgrade", "Upgrade: websocket"], null],
  ];
  for (const [title, lines, upgrade] of READINGS) {
    it(title, () => assert.equal(accepted("GET", ...lines).upgrade, upgrade));
  }
});
