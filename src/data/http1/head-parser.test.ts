// The head parser: each rule from both sides, each limit at its last byte, and every byte in every kind of place.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FAILED, type HeadFault, type HeadKind, HeadParser, NEED_MORE } from "./head-parser.ts";

const LIMITS = { lineBytes: 256, headerBytes: 1024, headerCount: 8 };

interface Head {
  readonly method: string;
  readonly target: string;
  readonly status: number;
  readonly reason: string;
  readonly minorVersion: number;
  readonly fields: ReadonlyArray<readonly [string, string]>;
}

type Reading = Head | { readonly fault: HeadFault; readonly message: string } | "need more";

function read(kind: HeadKind, text: string, limits = LIMITS): Reading {
  const parser = new HeadParser(kind, limits);
  const end = parser.feed(Buffer.from(text, "latin1"), 0);
  if (end === NEED_MORE) return "need more";
  if (end === FAILED) return { fault: parser.fault, message: parser.message };
  assert.equal(end, text.length, "the head ends where the text ends");
  const { method, target, status, reason, minorVersion, headers } = parser;
  const fields = headers.names.map((name, i) => [name, headers.values[i]!] as const);
  return { method, target, status, reason, minorVersion, fields };
}

function request(method: string, target: string, minorVersion: number, fields: Head["fields"] = []): Head {
  return { method, target, status: 0, reason: "", minorVersion, fields };
}

function response(status: number, reason: string, minorVersion = 1, fields: Head["fields"] = []): Head {
  return { method: "", target: "", status, reason, minorVersion, fields };
}

// biome-ignore format: one case a line
const ACCEPTED: ReadonlyArray<readonly [title: string, kind: HeadKind, text: string, head: Head]> = [
  ["a request without fields", "request", "GET / HTTP/1.1\r\n\r\n", request("GET", "/", 1)],
  ["HTTP/1.0", "request", "GET / HTTP/1.0\r\n\r\n", request("GET", "/", 0)],
  ["one empty line before it", "request", "\r\nGET / HTTP/1.1\r\n\r\n", request("GET", "/", 1)],
  ["a method of token marks", "request", "!#$%&'*+-.^_`|~ / HTTP/1.1\r\n\r\n", request("!#$%&'*+-.^_`|~", "/", 1)],
  ["a method in lower case", "request", "get / HTTP/1.1\r\n\r\n", request("get", "/", 1)],
  ["any target of visible characters", "request", 'GET *"<>\\^`{|}~?#: HTTP/1.1\r\n\r\n', request("GET", '*"<>\\^`{|}~?#:', 1)],
  ["fields in their order and case", "request", "GET / HTTP/1.1\r\nHost: a\r\nx-A: 1\r\nX-a: 2\r\n\r\n", request("GET", "/", 1, [["Host", "a"], ["x-A", "1"], ["X-a", "2"]])],
  ["white space around a value, dropped", "request", "GET / HTTP/1.1\r\nA: \t v \tw\t \r\n\r\n", request("GET", "/", 1, [["A", "v \tw"]])],
  ["a value right behind the colon", "request", "GET / HTTP/1.1\r\nA:v\r\n\r\n", request("GET", "/", 1, [["A", "v"]])],
  ["empty values", "request", "GET / HTTP/1.1\r\nA:\r\nB: \t \r\n\r\n", request("GET", "/", 1, [["A", ""], ["B", ""]])],
  ["colons and bytes above ASCII in a value", "request", "GET / HTTP/1.1\r\nA: b:c \x80\xff\r\n\r\n", request("GET", "/", 1, [["A", "b:c \x80\xff"]])],
  ["a response", "response", "HTTP/1.1 200 OK\r\nA: b\r\n\r\n", response(200, "OK", 1, [["A", "b"]])],
  ["a response of HTTP/1.0", "response", "HTTP/1.0 404 Not Found\r\n\r\n", response(404, "Not Found", 0)],
  ["an empty reason", "response", "HTTP/1.1 200 \r\n\r\n", response(200, "")],
  ["no reason and no space before it", "response", "HTTP/1.1 200\r\n\r\n", response(200, "")],
  ["a reason with spaces, tabs and bytes above ASCII", "response", "HTTP/1.1 200  a\tb\xe9 \r\n\r\n", response(200, " a\tb\xe9 ")],
  ["trailers", "trailers", "A: 1\r\nB: 2\r\n\r\n", request("", "", 0, [["A", "1"], ["B", "2"]])],
  ["no trailers", "trailers", "\r\n", request("", "", 0)],
];

const REFUSED: ReadonlyArray<readonly [title: string, kind: HeadKind, text: string, message: RegExp]> = [
  ["two empty lines before it", "request", "\r\n\r\nGET / HTTP/1.1\r\n\r\n", /0x0d in the method/],
  ["a bare LF before it", "request", "\nGET / HTTP/1.1\r\n\r\n", /0x0a in the method/],
  ["a bare CR before it", "request", "\rGET / HTTP/1.1\r\n\r\n", /bare CR/],
  ["a space before it", "request", " GET / HTTP/1.1\r\n\r\n", /0x20 in the method/],
  ["no method", "request", "\r\n / HTTP/1.1\r\n\r\n", /0x20 in the method/],
  ["a separator in the method", "request", "GE(T / HTTP/1.1\r\n\r\n", /"\(" in the method/],
  ["a tab behind the method", "request", "GET\t/ HTTP/1.1\r\n\r\n", /0x09 in the method/],
  ["two spaces behind the method", "request", "GET  / HTTP/1.1\r\n\r\n", /0x20 in the request target/],
  ["a tab in the target", "request", "GET /a\tb HTTP/1.1\r\n\r\n", /0x09 in the request target/],
  ["a space in the target", "request", "GET /a b HTTP/1.1\r\n\r\n", /"b" in the HTTP version/],
  ["NUL in the target", "request", "GET /\0 HTTP/1.1\r\n\r\n", /0x00 in the request target/],
  ["a byte above ASCII in the target", "request", "GET /\xe9 HTTP/1.1\r\n\r\n", /0xe9 in the request target/],
  ["no version", "request", "GET /\r\n\r\n", /0x0d in the request target/],
  ["two spaces before the version", "request", "GET /  HTTP/1.1\r\n\r\n", /0x20 in the HTTP version/],
  ["a version in lower case", "request", "GET / http/1.1\r\n\r\n", /"h" in the HTTP version/],
  ["another protocol", "request", "GET / HTTQ/1.1\r\n\r\n", /"Q" in the HTTP version/],
  ["a version without dot", "request", "GET / HTTP/1 1\r\n\r\n", /0x20 in the HTTP version/],
  ["a version of letters", "request", "GET / HTTP/x.1\r\n\r\n", /"x" in the HTTP version/],
  ["a third digit in the version", "request", "GET / HTTP/1.10\r\n\r\n", /"0" behind the HTTP version/],
  ["a space behind the version", "request", "GET / HTTP/1.1 \r\n\r\n", /0x20 behind the HTTP version/],
  ["a bare LF behind the version", "request", "GET / HTTP/1.1\n\r\n", /0x0a behind the HTTP version/],
  [
    "a bare CR behind the version",
    "request",
    "GET / HTTP/1.1\rA: b\r\n\r\n",
    /"A" behind a CR of the start line/,
  ],
  ["a folded field", "request", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", /folded/],
  ["a field folded with a tab", "request", "GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", /folded/],
  ["white space before the first field", "request", "GET / HTTP/1.1\r\n A: b\r\n\r\n", /folded/],
  ["a space before the colon", "request", "GET / HTTP/1.1\r\nA : b\r\n\r\n", /0x20 in a field name/],
  ["a tab before the colon", "request", "GET / HTTP/1.1\r\nA\t: b\r\n\r\n", /0x09 in a field name/],
  ["a field without name", "request", "GET / HTTP/1.1\r\n: b\r\n\r\n", /":" in a field name/],
  ["a field without colon", "request", "GET / HTTP/1.1\r\nA\r\n\r\n", /0x0d in a field name/],
  ["NUL in a name", "request", "GET / HTTP/1.1\r\nA\0: b\r\n\r\n", /0x00 in a field name/],
  ["a byte above ASCII in a name", "request", "GET / HTTP/1.1\r\nA\xe9: b\r\n\r\n", /0xe9 in a field name/],
  ["NUL in a value", "request", "GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", /0x00 in a field value/],
  ["DEL in a value", "request", "GET / HTTP/1.1\r\nA: b\x7fc\r\n\r\n", /0x7f in a field value/],
  ["a bare LF in a value", "request", "GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", /0x0a in a field value/],
  ["a bare LF for an empty value", "request", "GET / HTTP/1.1\r\nA:\nC: d\r\n\r\n", /0x0a in a field value/],
  ["a bare CR in a value", "request", "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", /"c" behind a CR of a field/],
  ["two CR behind a value", "request", "GET / HTTP/1.1\r\nA: b\r\r\n\r\n", /0x0d behind a CR of a field/],
  ["a bare LF at the end", "request", "GET / HTTP/1.1\r\nA: b\r\n\n", /0x0a in a field name/],
  ["a bare CR at the end", "request", "GET / HTTP/1.1\r\nA: b\r\n\rX", /"X" behind the last CR/],
  ["a response before its version", "response", "\r\nHTTP/1.1 200 OK\r\n\r\n", /0x0d in the HTTP version/],
  ["a response of another protocol", "response", "ICY 200 OK\r\n\r\n", /"I" in the HTTP version/],
  ["two spaces before the status", "response", "HTTP/1.1  200 OK\r\n\r\n", /0x20 in the status code/],
  ["a tab before the status", "response", "HTTP/1.1\t200 OK\r\n\r\n", /0x09 behind the HTTP version/],
  ["a status of two digits", "response", "HTTP/1.1 20 OK\r\n\r\n", /0x20 in the status code/],
  ["a status of four digits", "response", "HTTP/1.1 2000 OK\r\n\r\n", /"0" behind the status code/],
  ["a status with a sign", "response", "HTTP/1.1 +20 OK\r\n\r\n", /"\+" in the status code/],
  ["a bare LF behind the status", "response", "HTTP/1.1 200\n\r\n", /0x0a behind the status code/],
  ["a bare LF behind the reason", "response", "HTTP/1.1 200 OK\nA: b\r\n\r\n", /0x0a in the reason/],
  ["NUL in the reason", "response", "HTTP/1.1 200 O\0K\r\n\r\n", /0x00 in the reason/],
  ["a folded field of a response", "response", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", /folded/],
  ["a space before the colon of a trailer", "trailers", "A : 1\r\n\r\n", /0x20 in a field name/],
  ["a folded trailer", "trailers", "A: 1\r\n 2\r\n\r\n", /folded/],
];

describe("the head parser", () => {
  for (const [title, kind, text, head] of ACCEPTED) {
    it(`accepts ${title}`, () => assert.deepEqual(read(kind, text), head));
  }

  for (const [title, kind, text, message] of REFUSED) {
    it(`refuses ${title}`, () => {
      const reading = read(kind, text);
      assert.ok(typeof reading === "object" && "fault" in reading, JSON.stringify(reading));
      assert.equal(reading.fault, "malformed");
      assert.match(reading.message, message);
    });
  }

  for (const version of ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/0.1", "HTTP/3.0", "HTTP/1.9"]) {
    it(`tells ${version} from a malformed version`, () => {
      for (const text of [`GET / ${version}\r\n\r\n`, `${version} 200 OK\r\n\r\n`]) {
        const reading = read(text.startsWith("GET") ? "request" : "response", text);
        assert.ok(typeof reading === "object" && "fault" in reading);
        assert.equal(reading.fault, "version");
      }
    });
  }
});

const PLACES: ReadonlyArray<readonly [place: string, allowed: RegExp, text: (char: string) => string]> = [
  ["a method", /^[!#$%&'*+\-.^_`|~0-9A-Za-z]$/, (char) => `G${char}T / HTTP/1.1\r\n\r\n`],
  ["a target", /^[\x21-\x7e]$/, (char) => `GET /${char}x HTTP/1.1\r\n\r\n`],
  ["a field name", /^[!#$%&'*+\-.^_`|~0-9A-Za-z:]$/, (char) => `GET / HTTP/1.1\r\nA${char}B: c\r\n\r\n`],
  ["a field value", /^[\t\x20-\x7e\x80-\xff]$/, (char) => `GET / HTTP/1.1\r\nA: b${char}c\r\n\r\n`],
  ["a reason", /^[\t\x20-\x7e\x80-\xff]$/, (char) => `HTTP/1.1 200 O${char}K\r\n\r\n`],
  ["a trailer's value", /^[\t\x20-\x7e\x80-\xff]$/, (char) => `A: b${char}c\r\n\r\n`],
];

describe("every byte", () => {
  for (const [place, allowed, text] of PLACES) {
    it(`is accepted or refused in ${place}`, () => {
      for (let code = 0; code < 256; code++) {
        const char = String.fromCharCode(code);
        const whole = text(char);
        const kind = whole.startsWith("HTTP") ? "response" : whole.startsWith("A") ? "trailers" : "request";
        const reading = read(kind, whole);
        const accepted = typeof reading === "object" && !("fault" in reading);
        assert.equal(accepted, allowed.test(char), `byte 0x${code.toString(16)}`);
      }
    });
  }
});

describe("the limits of a head", () => {
  const line = "GET /0123456789 HTTP/1.1\r\n";
  const fields = "A: 0123456789\r\nB: 0\r\n\r\n";
  const exact = { lineBytes: line.length, headerBytes: fields.length, headerCount: 2 };

  it("let in what is exactly as long", () => {
    assert.ok(typeof read("request", line + fields, exact) === "object");
    assert.ok(!("fault" in (read("request", line + fields, exact) as object)));
  });

  const PAST: ReadonlyArray<readonly [string, Partial<typeof LIMITS>, HeadFault]> = [
    ["a start line one byte longer", { lineBytes: line.length - 1 }, "line_too_long"],
    ["fields one byte longer", { headerBytes: fields.length - 1 }, "fields_too_large"],
    ["one field more", { headerCount: 1 }, "fields_too_large"],
  ];
  for (const [title, less, fault] of PAST) {
    it(`refuse ${title}, whole or byte by byte`, () => {
      const limits = { ...exact, ...less };
      const reading = read("request", line + fields, limits);
      assert.equal(typeof reading === "object" && "fault" in reading && reading.fault, fault);
      assert.equal(byteByByte("request", line + fields, limits).fault, fault);
    });
  }

  it("hold for a status line", () => {
    const text = "HTTP/1.1 200 OK\r\n\r\n";
    const reading = read("response", text, { ...LIMITS, lineBytes: 16 });
    assert.equal(typeof reading === "object" && "fault" in reading && reading.fault, "line_too_long");
  });

  it("hold for trailers", () => {
    const reading = read("trailers", "A: 0123456789\r\n\r\n", {
      lineBytes: 0,
      headerBytes: 10,
      headerCount: 1,
    });
    assert.equal(typeof reading === "object" && "fault" in reading && reading.fault, "fields_too_large");
  });

  it("stop a head without end at the limit, however it comes", () => {
    const parser = new HeadParser("request", { lineBytes: 64, headerBytes: 64, headerCount: 8 });
    let fed = 0;
    let end = parser.feed(Buffer.from("GET / HTTP/1.1\r\nA: "), 0);
    while (end === NEED_MORE && fed < 1000) {
      fed += 10;
      end = parser.feed(Buffer.from("x".repeat(10)), 0);
    }
    assert.equal(end, FAILED);
    assert.ok(fed <= 70, `taken ${fed} bytes behind the first ones`);
  });

  it("let more fields in than the parser has room for at first", () => {
    const many = Array.from({ length: 100 }, (_, i) => `F${i}: ${i}\r\n`).join("");
    const reading = read("request", `GET / HTTP/1.1\r\n${many}\r\n`, {
      ...LIMITS,
      headerBytes: 4096,
      headerCount: 100,
    });
    assert.ok(typeof reading === "object" && "fields" in reading);
    assert.deepEqual(reading.fields[99], ["F99", "99"]);
    assert.deepEqual(reading.fields[0], ["F0", "0"]);
  });
});

describe("a parser", () => {
  it("returns where the head ends, and leaves alone what follows", () => {
    const parser = new HeadParser("request", LIMITS);
    const chunk = Buffer.from("...GET / HTTP/1.1\r\n\r\nBODY");
    assert.equal(parser.feed(chunk, 3), chunk.length - 4);
  });

  it("returns the offset in the last piece when the head came in several", () => {
    const parser = new HeadParser("request", LIMITS);
    assert.equal(parser.feed(Buffer.from("GET / HTTP/1.1\r\nHost: a\r"), 0), NEED_MORE);
    assert.equal(parser.started, true);
    assert.equal(parser.feed(Buffer.from("..\n\r\nBODY"), 2), 5);
    assert.equal(parser.headers.get(12), "a");
  });

  it("reads the next head after a reset, with other limits", () => {
    const parser = new HeadParser("request", LIMITS);
    parser.feed(Buffer.from("GET /first HTTP/1.0\r\nA: 1\r\n"), 0);
    parser.reset({ ...LIMITS, headerCount: 1 });
    assert.equal(parser.started, false);
    parser.feed(Buffer.from("PUT /second HTTP/1.1\r\nB: 2\r\n\r\n"), 0);
    const { method, target, minorVersion, headers } = parser;
    assert.deepEqual([method, target, minorVersion, headers.names], ["PUT", "/second", 1, ["B"]]);
    parser.reset({ ...LIMITS, headerCount: 0 });
    assert.equal(parser.feed(Buffer.from("GET / HTTP/1.1\r\nB: 2\r\n\r\n"), 0), FAILED);
  });

  it("gives each head fields of its own", () => {
    const parser = new HeadParser("request", LIMITS);
    parser.feed(Buffer.from("GET / HTTP/1.1\r\nA: 1\r\n\r\n"), 0);
    const first = parser.headers;
    parser.reset(LIMITS);
    parser.feed(Buffer.from("GET / HTTP/1.1\r\nB: 2\r\n\r\n"), 0);
    assert.deepEqual(first.names, ["A"]);
  });

  it("keeps copies, so that the bytes of a piece may be used again", () => {
    const parser = new HeadParser("request", LIMITS);
    const piece = Buffer.from("GET /kept HTTP/1.1\r\n");
    parser.feed(piece, 0);
    piece.fill(0);
    parser.feed(Buffer.from("\r\n"), 0);
    assert.equal(parser.target, "/kept");
  });
});

function byteByByte(kind: HeadKind, text: string, limits: typeof LIMITS): HeadParser {
  const parser = new HeadParser(kind, limits);
  for (const byte of Buffer.from(text, "latin1")) {
    if (parser.feed(Buffer.of(byte), 0) !== NEED_MORE) break;
  }
  return parser;
}
