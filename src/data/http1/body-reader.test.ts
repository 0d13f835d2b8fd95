// The body reader: bodies by length, chunked and until the end of the connection, with every rule of chunked framing.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_CLOSE, BodyReader } from "./body-reader.ts";

interface Outcome {
  readonly data: string;
  /** Pieces handed out. */
  readonly pieces: number;
  readonly done: boolean;
  readonly fault: string | null;
  readonly trailers: ReadonlyArray<string> | null;
  /** Bytes behind the body. */
  readonly rest: string;
}

/** Feeds each piece as a read of its own, behind two bytes that are none of the body's. */
function readBody(kind: number, length: number, ...reads: string[]): Outcome {
  const reader = new BodyReader();
  reader.begin(kind, length);
  let data = "";
  let pieces = 0;
  let rest = "";
  for (const read of reads) {
    const chunk = Buffer.from(`..${read}`, "latin1");
    const end = reader.feed(chunk, 2);
    if (reader.data !== null) {
      data += reader.data.toString("latin1");
      pieces++;
    }
    rest += chunk.toString("latin1", end);
    if (reader.fault !== null) break;
  }
  const { done, fault, trailers } = reader;
  const lines = trailers?.names.map((name, i) => `${name}: ${trailers.values[i]}`) ?? null;
  return { data, pieces, done, fault, trailers: lines, rest };
}

function chunked(...reads: string[]): Outcome {
  return readBody(BODY_CHUNKED, 0, ...reads);
}

describe("a body of known length", () => {
  it("ends at its last byte, and leaves what follows", () => {
    const { data, done, rest } = readBody(BODY_LENGTH, 5, "helloGET /");
    assert.deepEqual([data, done, rest], ["hello", true, "GET /"]);
  });

  it("is not done before", () => {
    assert.equal(readBody(BODY_LENGTH, 5, "hell").done, false);
  });

  it("may come in pieces", () => {
    const { data, pieces, done, rest } = readBody(BODY_LENGTH, 5, "he", "ll", "oX");
    assert.deepEqual([data, pieces, done, rest], ["hello", 3, true, "X"]);
  });

  it("of nothing is done at once and takes nothing", () => {
    const { pieces, done, rest } = readBody(BODY_LENGTH, 0, "X");
    assert.deepEqual([pieces, done, rest], [0, true, "X"]);
  });

  it("is cut short by the end of the connection", () => {
    const reader = new BodyReader();
    reader.begin(BODY_LENGTH, 5);
    reader.feed(Buffer.from("hell"), 0);
    assert.equal(reader.finish(), false);
  });
});

describe("no body", () => {
  it("is done at once and takes nothing", () => {
    const { pieces, done, rest } = readBody(BODY_NONE, 0, "X");
    assert.deepEqual([pieces, done, rest], [0, true, "X"]);
  });
});

describe("a body until the end of the connection", () => {
  it("takes everything, and is done when the connection ends", () => {
    const reader = new BodyReader();
    reader.begin(BODY_UNTIL_CLOSE, 0);
    assert.equal(reader.untilClose, true);
    assert.equal(reader.feed(Buffer.from("0\r\n\r\n"), 0), 5);
    assert.equal(reader.data?.toString(), "0\r\n\r\n");
    assert.equal(reader.done, false);
    assert.equal(reader.finish(), true);
  });
});

const WHOLE: ReadonlyArray<readonly [title: string, text: string, data: string]> = [
  ["one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello"],
  ["several chunks", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello"],
  ["no data", "0\r\n\r\n", ""],
  ["sizes in either case", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", "01234567890123456789a"],
  ["leading zeros", "0005\r\nhello\r\n000\r\n\r\n", "hello"],
  ["an extension, dropped", "5;a=b\r\nhello\r\n0;last\r\n\r\n", "hello"],
  ["a quoted extension, dropped", '5;a="\t;\\" 7"\r\nhello\r\n0\r\n\r\n', "hello"],
  ["white space before an extension", "5 \t;a\r\nhello\r\n0\r\n\r\n", "hello"],
  ["line ends and sizes that are data", "9\r\n0\r\n\r\n0\r\nX\r\n0\r\n\r\n", "0\r\n\r\n0\r\nX"],
];

const BROKEN: ReadonlyArray<readonly [title: string, text: string, fault: RegExp]> = [
  ["an empty size", "\r\nhello\r\n0\r\n\r\n", /0x0d in a chunk size/],
  ["an extension without size", ";a\r\n\r\n", /";" in a chunk size/],
  ["white space before a size", " 5\r\nhello\r\n0\r\n\r\n", /0x20 in a chunk size/],
  ["a size that is no number", "zz\r\n\r\n", /"z" in a chunk size/],
  ["a negative size", "-5\r\nhello\r\n0\r\n\r\n", /"-" in a chunk size/],
  ["a size with a sign", "+5\r\nhello\r\n0\r\n\r\n", /"\+" in a chunk size/],
  ["a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n", /"x" in a chunk size/],
  ["a size with an underscore", "1_0\r\n0123456789abcdef\r\n0\r\n\r\n", /"_" in a chunk size/],
  ["a size of 14 digits", "00000000000005\r\nhello\r\n0\r\n\r\n", /more than 13 hex digits/],
  ["a size beyond 2^64", "10000000000000005\r\nhello\r\n0\r\n\r\n", /more than 13 hex digits/],
  ["NUL in a size", "5\0\r\nhello\r\n0\r\n\r\n", /0x00 in a chunk size/],
  ["a bare LF behind a size", "5\nhello\r\n0\r\n\r\n", /0x0a in a chunk size/],
  ["a bare CR behind a size", "5\rhello\r\n0\r\n\r\n", /"h" behind the CR of a chunk size/],
  ["white space behind a size", "5 \r\nhello\r\n0\r\n\r\n", /0x0d behind a chunk size/],
  ["another size behind a size", "5 5\r\nhello\r\n0\r\n\r\n", /"5" behind a chunk size/],
  ["a bare LF in an extension", "5;a\nhello\r\n0\r\n\r\n", /0x0a in a chunk extension/],
  ["a bare CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n", /"b" behind the CR of a chunk size/],
  ["NUL in an extension", "5;a\0\r\nhello\r\n0\r\n\r\n", /0x00 in a chunk extension/],
  ["a missing CRLF behind a chunk", "5\r\nhello0\r\n\r\n", /"0" behind the data/],
  ["data longer than its size", "4\r\nhello\r\n0\r\n\r\n", /"o" behind the data/],
  ["data shorter than its size", "6\r\nhello\r\n0\r\n\r\n", /0x0a behind the data/],
  ["a bare LF behind a chunk", "5\r\nhello\n0\r\n\r\n", /0x0a behind the data/],
  ["a bare CR behind a chunk", "5\r\nhello\r0\r\n\r\n", /"0" behind the CR of a chunk/],
  ["a bare LF behind the last chunk", "5\r\nhello\r\n0\n\r\n", /0x0a in a chunk size/],
  ["something else than an empty line at the end", "0\r\nX\r\n", /trailer section: 0x0d in a field name/],
  ["a bare LF at the end", "0\r\n\n", /trailer section: 0x0a/],
  ["a space before the colon of a trailer", "0\r\nA : b\r\n\r\n", /trailer section: 0x20 in a field name/],
  ["a folded trailer", "0\r\nA: b\r\n c\r\n\r\n", /trailer section: .*folded/],
  ["NUL in a trailer", "0\r\nA: \0\r\n\r\n", /trailer section: 0x00/],
];

describe("a chunked body", () => {
  for (const [title, text, data] of WHOLE) {
    it(`is decoded: ${title}`, () => {
      const outcome = chunked(`${text}REST`);
      assert.deepEqual([outcome.fault, outcome.done, outcome.data, outcome.rest], [null, true, data, "REST"]);
      assert.equal(outcome.trailers, null);
    });

    it(`is decoded byte by byte: ${title}`, () => {
      const outcome = chunked(...text);
      assert.deepEqual([outcome.fault, outcome.done, outcome.data], [null, true, data]);
    });
  }

  for (const [title, text, fault] of BROKEN) {
    it(`is refused for ${title}`, () => {
      const outcome = chunked(text);
      assert.match(outcome.fault ?? "", fault);
      assert.equal(outcome.done, false);
    });
  }

  it("is one piece per read, however many chunks the read holds", () => {
    const outcome = chunked("3\r\nabc\r\n4\r\ndefg\r\n2\r\nh", "i\r\n1\r\nj\r\n0\r\n\r\n");
    assert.deepEqual([outcome.data, outcome.pieces, outcome.done], ["abcdefghij", 2, true]);
  });

  it("does not touch the bytes behind it when it moves data together", () => {
    const outcome = chunked("1\r\na\r\n1\r\nb\r\n0\r\n\r\nGET /next HTTP/1.1\r\n");
    assert.deepEqual([outcome.data, outcome.rest], ["ab", "GET /next HTTP/1.1\r\n"]);
  });

  it("hands out the data that came before a fault", () => {
    const outcome = chunked("5\r\nhello\r\nX");
    assert.deepEqual([outcome.data, outcome.fault !== null], ["hello", true]);
  });

  it("takes sizes up to 2^52 - 1", () => {
    const outcome = chunked("fffffffffffff\r\nx");
    assert.deepEqual([outcome.data, outcome.fault, outcome.done], ["x", null, false]);
  });

  it("gives its trailers", () => {
    const outcome = chunked("1\r\na\r\n0\r\nA: 1\r\nB: 2\r\n\r\nREST");
    assert.deepEqual([outcome.trailers, outcome.done, outcome.rest], [["A: 1", "B: 2"], true, "REST"]);
  });

  it("is cut short by the end of the connection, also after its last chunk", () => {
    const reader = new BodyReader();
    reader.begin(BODY_CHUNKED, 0);
    reader.feed(Buffer.from("1\r\na\r\n0\r\n"), 0);
    assert.equal(reader.finish(), false);
  });

  it("starts afresh: nothing of the body before counts", () => {
    const reader = new BodyReader();
    reader.begin(BODY_CHUNKED, 0);
    reader.feed(Buffer.from("0\r\nA: 1\r\n\r\n"), 0);
    reader.begin(BODY_CHUNKED, 0);
    assert.equal(reader.trailers, null);
    const text = "1\r\na\r\n0\r\n\r\n";
    assert.equal(reader.feed(Buffer.from(text), 0), text.length);
    assert.deepEqual([reader.done, reader.trailers, reader.fault], [true, null, null]);
  });
});

describe("the limits of a chunked body", () => {
  it("let in extensions of 4096 bytes over all chunks, and not one more", () => {
    const half = `;${"x".repeat(2047)}`;
    assert.equal(chunked(`1${half}\r\na\r\n1${half}\r\nb\r\n0\r\n\r\n`).fault, null);
    assert.match(chunked(`1${half}\r\na\r\n1${half}\r\nb\r\n0;\r\n\r\n`).fault ?? "", /more than 4096 bytes/);
  });

  it("count the white space before an extension", () => {
    assert.match(chunked(`1${" ".repeat(4096)};`).fault ?? "", /more than 4096 bytes/);
    assert.equal(chunked(`1${" ".repeat(4095)};`).fault, null);
  });

  it("let in 32 trailers, and not one more", () => {
    const lines = (count: number) => `0\r\n${"A: b\r\n".repeat(count)}\r\n`;
    assert.equal(chunked(lines(32)).trailers?.length, 32);
    assert.match(chunked(lines(33)).fault ?? "", /more than 32/);
  });

  it("let in trailers of 8192 bytes, and not one more", () => {
    const line = (size: number) => `0\r\nA: ${"x".repeat(size - 7)}\r\n\r\n`;
    assert.equal(chunked(line(8192)).done, true);
    assert.match(chunked(line(8193)).fault ?? "", /longer than 8192 bytes/);
  });
});
