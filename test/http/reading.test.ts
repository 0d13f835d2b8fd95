// The engine against a second, strict reading: however the bytes are split, and whatever was done to the message, what
// the engine accepts means the same to both. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { GatewayError } from "../../src/core/errors.ts";
import { UNKNOWN_LENGTH } from "../../src/core/exchange.ts";
import { Field } from "../../src/core/headers.ts";
import {
  BODY_CHUNKED,
  BODY_LENGTH,
  BODY_NONE,
  BODY_UNTIL_CLOSE,
  BodyReader,
} from "../../src/data/http1/body-reader.ts";
import { FAILED, type HeadKind, HeadParser } from "../../src/data/http1/head-parser.ts";
import { readRequestHead } from "../../src/data/http1/request-head.ts";
import { readResponseHead } from "../../src/data/http1/response-head.ts";
import { chunkedBody, edited, inPieces, requestHead, responseHead } from "./generators.ts";
import {
  type Field as FieldLine,
  type Framing,
  readChunked,
  readRequest,
  readResponse,
} from "./strict-reading.ts";

const LIMITS = { lineBytes: 512, headerBytes: 1024, headerCount: 16 };
/** Within reach of the generated heads. */
const TIGHT = { lineBytes: 22, headerBytes: 48, headerCount: 2 };
const RUNS = { numRuns: 10_000 };

interface ParsedHead {
  readonly parser: HeadParser;
  /** Behind the head; null when the head is not whole, or was refused. */
  readonly rest: string | null;
  /** What was wrong, or null. */
  readonly fault: string | null;
}

function parseHead(kind: HeadKind, pieces: readonly string[], limits = LIMITS): ParsedHead {
  const parser = new HeadParser(kind, limits);
  for (const [i, piece] of pieces.entries()) {
    const chunk = Buffer.from(`..${piece}`, "latin1");
    const end = parser.feed(chunk, 2);
    if (end === FAILED) return { parser, rest: null, fault: `${parser.fault}: ${parser.message}` };
    if (end >= 0) {
      const rest = chunk.toString("latin1", end) + pieces.slice(i + 1).join("");
      return { parser, rest, fault: null };
    }
  }
  return { parser, rest: null, fault: null };
}

/** All that a reading says, to be compared with another. */
function outcomeOf(kind: HeadKind, pieces: readonly string[], limits: typeof LIMITS): unknown {
  const { parser, rest, fault } = parseHead(kind, pieces, limits);
  if (rest === null) return { fault };
  const { method, target, status, reason, minorVersion, headers } = parser;
  return { method, target, status, reason, minorVersion, names: headers.names, values: headers.values, rest };
}

interface ParsedBody {
  readonly data: string;
  readonly done: boolean;
  readonly fault: string | null;
  readonly trailers: readonly FieldLine[];
  readonly rest: string;
}

function parseChunked(pieces: readonly string[]): ParsedBody {
  const reader = new BodyReader();
  reader.begin(BODY_CHUNKED, 0);
  let data = "";
  let rest = "";
  for (const [i, piece] of pieces.entries()) {
    const chunk = Buffer.from(`..${piece}`, "latin1");
    const end = reader.feed(chunk, 2);
    data += reader.data?.toString("latin1") ?? "";
    if (!reader.done && reader.fault === null) continue;
    rest = chunk.toString("latin1", end) + pieces.slice(i + 1).join("");
    break;
  }
  const { done, fault, trailers } = reader;
  const fields = trailers?.names.map((name, i): FieldLine => [name, trailers.values[i]!]) ?? [];
  return { data, done, fault, trailers: fields, rest: fault === null ? rest : "" };
}

function fieldsOf(parser: HeadParser): FieldLine[] {
  return parser.headers.names.map((name, i) => [name, parser.headers.values[i]!]);
}

/** Checks a property, and that it said something: that many of the messages were accepted, and many were not. */
function checkBoth(text: fc.Arbitrary<string>, accepts: (text: string) => boolean): void {
  let accepted = 0;
  let refused = 0;
  const property = fc.property(text, (whole) => {
    if (accepts(whole)) accepted++;
    else refused++;
  });
  fc.assert(property, RUNS);
  assert.ok(accepted > 100 && refused > 100, `${accepted} accepted, ${refused} refused`);
}

describe("any split of the bytes reads the same as one piece", () => {
  for (const [kind, head] of [
    ["request", requestHead],
    ["response", responseHead],
  ] as const) {
    it(`in a ${kind} head, valid or not`, () => {
      const property = fc.property(inPieces(edited(head)), ([whole, pieces]) => {
        for (const limits of [LIMITS, TIGHT]) {
          assert.deepEqual(outcomeOf(kind, pieces, limits), outcomeOf(kind, [whole], limits));
        }
      });
      fc.assert(property, RUNS);
    });
  }

  it("in a chunked body, valid or not", () => {
    const property = fc.property(inPieces(edited(chunkedBody)), ([whole, pieces]) => {
      assert.deepEqual(parseChunked(pieces), parseChunked([whole]));
    });
    fc.assert(property, RUNS);
  });
});

describe("what the engine accepts, a strict reader accepts with the same meaning", () => {
  it("of a request head", () => {
    checkBoth(edited(requestHead), (text) => {
      const { parser, rest } = parseHead("request", [text]);
      if (rest === null) return false;
      const incoming = readRequestHead(parser);
      if (incoming instanceof GatewayError) return false;
      const strict = readRequest(text);
      assert.notEqual(strict, null, "accepted by the engine alone");
      const { method, target, version, fields, framing } = strict!;
      assert.deepEqual(
        [parser.method, parser.target, incoming.head.protocol, fieldsOf(parser)],
        [method, target, version, fields],
      );
      const { bodyLength } = incoming.head;
      assert.equal(bodyLength === UNKNOWN_LENGTH ? "chunked" : bodyLength, framing);
      assert.equal(rest, strict!.rest);
      return true;
    });
  });

  for (const method of ["GET", "HEAD"]) {
    it(`of the head of a response to ${method}`, () => {
      checkBoth(edited(responseHead), (text) => {
        const { parser, rest } = parseHead("response", [text]);
        if (rest === null) return false;
        const incoming = readResponseHead(parser, method);
        if (typeof incoming === "string") return false;
        const strict = readResponse(text, method);
        assert.notEqual(strict, null, "accepted by the engine alone");
        const { status, version, fields, framing } = strict!;
        assert.deepEqual(
          [parser.status, `HTTP/1.${parser.minorVersion}`, fieldsOf(parser)],
          [status, version, fields],
        );
        assert.equal(framingOf(incoming.bodyKind, incoming.head.bodyLength), framing);
        assert.equal(rest, strict!.rest);
        return true;
      });
    });
  }

  it("of a chunked body", () => {
    checkBoth(edited(chunkedBody), (text) => {
      const { data, done, trailers, rest } = parseChunked([text]);
      if (!done) return false;
      assert.deepEqual({ data, trailers, rest }, readChunked(text));
      return true;
    });
  });
});

describe("what a strict reader accepts, the engine accepts too", () => {
  it("of a chunked body", () => {
    checkBoth(edited(chunkedBody), (text) => {
      const strict = readChunked(text);
      assert.equal(parseChunked([text]).done, strict !== null);
      return strict !== null;
    });
  });

  it("of the lines of a head", () => {
    checkBoth(edited(responseHead), (text) => {
      const strict = readResponse(text, "GET");
      if (strict !== null) assert.notEqual(parseHead("response", [text]).rest, null);
      return strict !== null;
    });
  });
});

describe("the fields that go on", () => {
  it("are those of the head, whatever of them was taken out, written in one way", () => {
    const property = fc.property(edited(requestHead), fc.nat(), (text, taken) => {
      const { parser, rest } = parseHead("request", [text]);
      if (rest === null) return;
      const { headers } = parser;
      headers.remove(headers.ids[taken % headers.length] ?? Field.removed);
      const isLeft = (id: number) => id === Field.other || id > Field.lastHopByHop;
      const left = fieldsOf(parser).filter((_, i) => isLeft(headers.ids[i]!));
      assert.equal(headers.forwardLines(), left.map(([name, value]) => `${name}: ${value}\r\n`).join(""));
    });
    fc.assert(property, RUNS);
  });
});

function framingOf(kind: number, length: number): Framing {
  if (kind === BODY_NONE) return 0;
  if (kind === BODY_LENGTH) return length;
  if (kind === BODY_CHUNKED) return "chunked";
  assert.equal(kind, BODY_UNTIL_CLOSE);
  return "until close";
}
