// What a request head means: target, host, framing, persistence, upgrade, each rule from both sides.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GatewayError } from "../../core/errors.ts";
import { type RequestHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { Field } from "../../core/headers.ts";
import { HeadParser } from "./head-parser.ts";
import { headFault, type IncomingRequest, readRequestHead } from "./request-head.ts";

const LIMITS = { lineBytes: 8192, headerBytes: 8192, headerCount: 100 };

/** Of a start line and field lines. */
function read(...lines: string[]): IncomingRequest | GatewayError {
  const parser = new HeadParser("request", LIMITS);
  const text = lines.map((line) => `${line}\r\n`).join("");
  const end = parser.feed(Buffer.from(`${text}\r\n`, "latin1"), 0);
  return end < 0 ? headFault(parser) : readRequestHead(parser);
}

function accepted(...lines: string[]): IncomingRequest {
  const incoming = read(...lines);
  assert.ok(!(incoming instanceof GatewayError), (incoming as GatewayError).message);
  return incoming;
}

function refused(...lines: string[]): string {
  const incoming = read(...lines);
  assert.ok(incoming instanceof GatewayError, "the head was accepted");
  return `${incoming.status} ${incoming.message}`;
}

const GET = "GET / HTTP/1.1";
const POST = "POST / HTTP/1.1";
const HOST = "Host: a";

describe("a request target", () => {
  const READINGS: ReadonlyArray<readonly [line: string, expected: Partial<RequestHead>]> = [
    ["GET / HTTP/1.1", { path: "/", query: "", authority: "a", host: "a" }],
    ["GET /x/../y%61?q=/../%00 HTTP/1.1", { path: "/ya", query: "?q=/../%00" }],
    ["GET /? HTTP/1.1", { path: "/", query: "?" }],
    ["GET /?a?b HTTP/1.1", { path: "/", query: "?a?b" }],
    ["GET //b/x HTTP/1.1", { path: "/b/x", authority: "a" }],
    [
      "GET http://B.example:81/x?y HTTP/1.1",
      { path: "/x", query: "?y", authority: "B.example:81", host: "b.example" },
    ],
    ["GET HTTPS://b/x HTTP/1.1", { path: "/x", authority: "b" }],
    ["GET http://b HTTP/1.1", { path: "/", query: "", authority: "b" }],
    ["GET http://b?q HTTP/1.1", { path: "/", query: "?q", authority: "b" }],
    ["GET http://[::1]:8080/x HTTP/1.1", { path: "/x", authority: "[::1]:8080", host: "[::1]" }],
    ["OPTIONS * HTTP/1.1", { path: "*", query: "", authority: "a" }],
    ["OPTIONS http://b HTTP/1.1", { path: "*", authority: "b" }],
    ["OPTIONS http://b/ HTTP/1.1", { path: "/", authority: "b" }],
    ["OPTIONS /x HTTP/1.1", { path: "/x" }],
  ];
  for (const [line, expected] of READINGS) {
    it(`is read: ${line}`, () => {
      const { head } = accepted(line, HOST);
      for (const [key, value] of Object.entries(expected)) {
        assert.equal(head[key as keyof RequestHead], value, key);
      }
    });
  }

  const REFUSED: ReadonlyArray<readonly [line: string, message: RegExp]> = [
    ["GET * HTTP/1.1", /^400 request target "\*"/],
    ["GET x HTTP/1.1", /^400 request target "x"/],
    ["GET a:80 HTTP/1.1", /^400 request target/],
    ["GET ftp://b/ HTTP/1.1", /^400 request target/],
    ["GET http:/b HTTP/1.1", /^400 request target/],
    ["GET http:// HTTP/1.1", /^400 .*expected a host/],
    ["GET http:///x HTTP/1.1", /^400 .*expected a host/],
    ["GET http://user@b/ HTTP/1.1", /^400 .*expected a host/],
    ["GET http://b:x/ HTTP/1.1", /^400 .*expected a host/],
    ["GET http://b\\x/ HTTP/1.1", /^400 .*expected a host/],
    ["GET http://b#f HTTP/1.1", /^400 .*visible ASCII/],
    ["GET /x#f HTTP/1.1", /^400 .*visible ASCII without #/],
    ["GET /?x#f HTTP/1.1", /^400 .*without "#"/],
    ["GET /../x HTTP/1.1", /^400 .*below the root/],
    ["GET /%00 HTTP/1.1", /^400 .*control character/],
    ["GET /%zz HTTP/1.1", /^400 .*two hexadecimal digits/],
    ["GET /a\\b HTTP/1.1", /^400 .*visible ASCII/],
    ["GET http://b/../x HTTP/1.1", /^400 .*below the root/],
    ["CONNECT b:443 HTTP/1.1", /^501 CONNECT/],
    ["CONNECT / HTTP/1.1", /^501 CONNECT/],
    ["CONNECT http://b/ HTTP/1.1", /^501 CONNECT/],
    ["connect b:443 HTTP/1.1", /^400 request target/],
  ];
  for (const [line, message] of REFUSED) {
    it(`is refused: ${line}`, () => assert.match(refused(line, HOST), message));
  }
});

describe("Host", () => {
  const HOSTS: ReadonlyArray<readonly [value: string, host: string]> = [
    ["a", "a"],
    ["A.Example", "a.example"],
    ["a.example.", "a.example"],
    ["a.example.:80", "a.example"],
    ["a:0", "a"],
    ["a:65535", "a"],
    ["a_b-c.1", "a_b-c.1"],
    ["8080", "8080"],
    ["127.0.0.1:80", "127.0.0.1"],
    ["[::1]", "[::1]"],
    ["[FE80::1.2.3.4]:80", "[fe80::1.2.3.4]"],
  ];
  for (const [value, host] of HOSTS) {
    it(`${value} names ${host}`, () => {
      const { head } = accepted(GET, `Host: ${value}`);
      assert.deepEqual([head.authority, head.host], [value, host]);
    });
  }

  const BAD = [
    "",
    ":80",
    "a:",
    "a:65536",
    "a:99999999999999999999",
    "a:8x",
    "a:-1",
    "a:80:80",
    "a b",
    "a,b",
    "a/b",
    "a?b",
  ];
  const ALSO_BAD = [
    "u@a",
    "a\\b",
    "a%41",
    "a;b",
    "[::1",
    "::1",
    "[]",
    "[::1]x",
    "[g::]",
    "\xe9",
    ".",
    "..",
    ".a",
    "a..b",
    "a..",
  ];
  for (const value of [...BAD, ...ALSO_BAD]) {
    it(`${JSON.stringify(value)} is refused`, () => {
      assert.match(refused(GET, `Host: ${value}`), /^400 Host "/);
    });
  }

  it("must be there in HTTP/1.1, also with an absolute-form target", () => {
    assert.match(refused(GET), /^400 no Host/);
    assert.match(refused("GET http://a/ HTTP/1.1"), /^400 no Host/);
  });

  it("may be there once only, even with equal values", () => {
    assert.match(refused(GET, "Host: a", "Host: a"), /^400 more than one Host/);
    assert.match(refused("GET / HTTP/1.0", "Host: a", "host: b"), /^400 more than one Host/);
  });

  it("may be missing in HTTP/1.0", () => {
    const { head } = accepted("GET / HTTP/1.0");
    assert.deepEqual([head.authority, head.host, head.protocol], ["", "", "HTTP/1.0"]);
  });

  it("is checked also where an absolute-form target replaces it", () => {
    assert.match(refused("GET http://a/ HTTP/1.1", "Host: a b"), /^400 Host "a b"/);
    assert.equal(accepted("GET http://a/ HTTP/1.1", "Host: b").head.host, "a");
  });
});

describe("the framing of a request", () => {
  const LENGTHS: ReadonlyArray<readonly [lines: string[], length: number]> = [
    [[], 0],
    [["Content-Length: 0"], 0],
    [["Content-Length: 5"], 5],
    [["Content-Length: \t5 "], 5],
    [["Transfer-Encoding: chunked"], UNKNOWN_LENGTH],
    [["transfer-encoding: CHUNKED"], UNKNOWN_LENGTH],
    [["Transfer-Encoding:\tchunked\t"], UNKNOWN_LENGTH],
    [["Content_Length: 5"], 0],
  ];
  for (const [lines, length] of LENGTHS) {
    it(`is ${length < 0 ? "chunked" : length} for ${JSON.stringify(lines)}`, () => {
      assert.equal(accepted(POST, HOST, ...lines).head.bodyLength, length);
    });
  }

  const REFUSED: ReadonlyArray<readonly [lines: string[], message: RegExp]> = [
    [["Content-Length: 5", "Transfer-Encoding: chunked"], /^400 both/],
    [["Transfer-Encoding: chunked", "Content-Length: 0"], /^400 both/],
    [["Transfer-Encoding: gzip, chunked", "Content-Length: 5"], /^400 both/],
    [["Content-Length: 5", "Content-Length: 5"], /^400 more than one Content-Length/],
    [["Content-Length: 5", "content-length: 6"], /^400 more than one Content-Length/],
    [["Content-Length: 5, 5"], /^400 Content-Length "5, 5"/],
    [["Content-Length:"], /^400 Content-Length ""/],
    [["Content-Length: +5"], /^400 Content-Length "\+5"/],
    [["Content-Length: 9007199254740992"], /^400 Content-Length/],
    [["Transfer-Encoding: gzip, chunked"], /^501 Transfer-Encoding/],
    [["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"], /^501 Transfer-Encoding/],
    [["Transfer-Encoding: gzip"], /^400 Transfer-Encoding/],
    [["Transfer-Encoding: identity"], /^400 Transfer-Encoding/],
    [["Transfer-Encoding:"], /^400 Transfer-Encoding/],
    [["Transfer-Encoding: chunked, gzip"], /^400 Transfer-Encoding/],
    [["Transfer-Encoding: chunked, chunked"], /^400 Transfer-Encoding/],
    [["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], /^400 Transfer-Encoding/],
    [["Transfer-Encoding: xchunked"], /^400 Transfer-Encoding/],
    [["Transfer-Encoding: chunked;q=1"], /^400 Transfer-Encoding/],
    [['Transfer-Encoding: "chunked"'], /^400 Transfer-Encoding/],
    [["Transfer-Encoding: , chunked"], /^400 Transfer-Encoding/],
    [["Transfer-Encoding: chunked\xa0"], /^400 Transfer-Encoding/],
    [["Transfer-Encoding: \x0bchunked"], /^400 0x0b/],
  ];
  for (const [lines, message] of REFUSED) {
    it(`is refused: ${JSON.stringify(lines)}`, () => assert.match(refused(POST, HOST, ...lines), message));
  }

  it("is refused for Transfer-Encoding in HTTP/1.0", () => {
    assert.match(refused("POST / HTTP/1.0", HOST, "Transfer-Encoding: chunked"), /^400 .* in an HTTP\/1\.0/);
  });
});

describe("a client connection", () => {
  const WISHES: ReadonlyArray<readonly [lines: string[], keepAlive: boolean]> = [
    [[GET], true],
    [[GET, "Connection: close"], false],
    [[GET, "Connection: x, CLOSE"], false],
    [[GET, "Connection: keep-alive", "Connection: close"], false],
    [[GET, "Connection: closed"], true],
    [["GET / HTTP/1.0"], false],
    [["GET / HTTP/1.0", "Connection: Keep-Alive"], true],
    [["GET / HTTP/1.0", "Connection: keep-alive, close"], false],
    [["GET / HTTP/1.0", "Proxy-Connection: keep-alive"], false],
  ];
  for (const [[line, ...fields], keepAlive] of WISHES) {
    it(`is ${keepAlive ? "kept" : "closed"} after ${JSON.stringify([line, ...fields])}`, () => {
      assert.equal(accepted(line!, HOST, ...fields).keepAlive, keepAlive);
    });
  }

  it("loses the fields that Connection names, but not Host", () => {
    const { headers } = accepted(GET, HOST, "X-A: 1", "X-B: 2", "Connection: x-a, host").head;
    assert.deepEqual([headers.find("x-a"), headers.find("x-b"), headers.get(Field.host)], [null, "2", "a"]);
    assert.equal(headers.get(Field.connection), null);
  });
});

describe("Expect", () => {
  const BODY = "Content-Length: 5";

  it("100-continue, in any case, wants an answer before the body", () => {
    assert.equal(accepted(POST, HOST, BODY, "Expect: 100-continue").expectsContinue, true);
    assert.equal(accepted(POST, HOST, BODY, "Expect: 100-Continue").expectsContinue, true);
    assert.equal(accepted(POST, HOST, BODY).expectsContinue, false);
  });

  it("means nothing without a body, or in HTTP/1.0", () => {
    assert.equal(accepted(POST, HOST, "Expect: 100-continue").expectsContinue, false);
    assert.equal(accepted("POST / HTTP/1.0", BODY, "Expect: 100-continue").expectsContinue, false);
    assert.equal(accepted("POST / HTTP/1.0", BODY, "Expect: miracles").expectsContinue, false);
  });

  for (const value of ["miracles", "", "100-continue, x", "200-ok"]) {
    it(`${JSON.stringify(value)} is refused`, () => {
      assert.match(refused(POST, HOST, BODY, `Expect: ${value}`), /^417 Expect/);
    });
  }
});

describe("an upgrade", () => {
  const OFFERS: ReadonlyArray<readonly [title: string, lines: string[], upgrade: string | null]> = [
    ["is offered", [GET, "Connection: Upgrade", "Upgrade: WebSocket"], "websocket"],
    ["may offer several protocols", [GET, "Connection: x, upgrade", "Upgrade: a/1", "Upgrade: b"], "a/1, b"],
    ["needs Connection to name it", [GET, "Connection: keep-alive", "Upgrade: websocket"], null],
    ["needs Connection at all", [GET, "Upgrade: websocket"], null],
    ["needs a protocol", [GET, "Connection: Upgrade"], null],
    ["needs a protocol that is not empty", [GET, "Connection: Upgrade", "Upgrade:"], null],
    ["is not for HTTP/1.0", ["GET / HTTP/1.0", "Connection: Upgrade", "Upgrade: websocket"], null],
    [
      "is not for a request with a body",
      [POST, "Content-Length: 1", "Connection: Upgrade", "Upgrade: websocket"],
      null,
    ],
    [
      "is never to h2c",
      [GET, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: x"],
      null,
    ],
    [
      "is never to H2C, whatever else is offered",
      [GET, "Connection: Upgrade", "Upgrade: websocket, H2C"],
      null,
    ],
  ];
  for (const [title, [line, ...fields], upgrade] of OFFERS) {
    it(title, () => assert.equal(accepted(line!, HOST, ...fields).head.upgrade, upgrade));
  }
});

describe("a head that the parser refused", () => {
  const FAULTS: ReadonlyArray<readonly [status: number, lines: string[]]> = [
    [400, ["GET / HTTP/1.1", "A : b"]],
    [505, ["GET / HTTP/2.0"]],
    [414, [`GET /${"x".repeat(9000)} HTTP/1.1`]],
    [431, [GET, `A: ${"x".repeat(9000)}`]],
    [431, [GET, ...Array.from({ length: 101 }, () => "A: b")]],
  ];
  for (const [status, lines] of FAULTS) {
    it(`is answered with ${status}: ${lines[0]!.slice(0, 20)} …`, () => {
      assert.ok(refused(...lines).startsWith(`${status} `));
    });
  }
});
