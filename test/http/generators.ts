// Messages for the properties: valid ones, and the same with a few bytes put in, taken out, doubled or changed in case.

import fc from "fast-check";

const METHODS = ["GET", "HEAD", "POST", "PUT", "OPTIONS", "get", "X-Y", "CONNECT"];
const TARGETS = ["/", "/a/b?c=d", "/%41/../x", "*", "http://b.example/x", "/a%2Fb", "//", "/;x"];
const VERSIONS = ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"];
const NAMES = [
  "Accept",
  "x-a",
  "X-A",
  "Connection",
  "Expect",
  "Upgrade",
  "TE",
  "Trailer",
  "Cookie",
  "Content_Length",
];
const VALUES = [
  "",
  "a",
  "close",
  "keep-alive, x-a",
  "100-continue",
  "websocket",
  "trailers",
  "a b\tc",
  "a \t",
  "\x80\xff",
  ":,;=",
];
const FRAMINGS = [
  "",
  "",
  "Content-Length: 0\r\n",
  "Content-Length: 5\r\n",
  "content-length:\t0007 \r\n",
  "Transfer-Encoding: chunked\r\n",
  "transfer-encoding:  Chunked\r\n",
];

/** What smuggling is made of. */
const INSERTED = [
  "\r",
  "\n",
  "\r\n",
  "\r\n ",
  "\0",
  " ",
  "\t",
  ":",
  ",",
  ";",
  "0",
  "\x7f",
  "\x80",
  "\xa0",
  " HTTP/1.1",
  ", chunked",
  "Host: c\r\n",
  "Content-Length: 5\r\n",
  "Content-Length : 5\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: identity\r\n",
  "\r\nGET /smuggled HTTP/1.1\r\nHost: d\r\n\r\n",
];

const fieldLine = fc
  .tuple(fc.constantFrom(...NAMES), fc.constantFrom(":", ": ", ":\t "), fc.constantFrom(...VALUES))
  .map(([name, colon, value]) => `${name}${colon}${value}\r\n`);

const fieldSection = fc.array(fieldLine, { maxLength: 4 }).map((lines) => lines.join(""));

/** Heads that are well-formed, most of them also valid. */
export const requestHead = fc
  .tuple(
    fc.constantFrom("", "", "", "\r\n"),
    fc.constantFrom(...METHODS),
    fc.constantFrom(...TARGETS),
    fc.constantFrom(...VERSIONS),
    fieldSection,
    fc.constantFrom(...FRAMINGS),
  )
  .map(
    ([before, method, target, version, fields, framing]) =>
      `${before}${method} ${target} ${version}\r\nHost: a.example\r\n${fields}${framing}\r\n`,
  );

export const responseHead = fc
  .tuple(
    fc.constantFrom(...VERSIONS),
    fc.constantFrom(200, 100, 101, 103, 204, 304, 404, 599),
    fc.constantFrom("", " ", " OK", " Not \x80\tFine"),
    fieldSection,
    fc.constantFrom(...FRAMINGS),
  )
  .map(
    ([version, status, reason, fields, framing]) =>
      `${version} ${status}${reason}\r\n${fields}${framing}\r\n`,
  );

const chunk = fc
  .tuple(
    fc.string({
      minLength: 1,
      maxLength: 20,
      unit: fc.constantFrom("a", "0", "\r", "\n", ";", "\0", "\xff"),
    }),
    fc.constantFrom("", "0", "000"),
    fc.constantFrom("", "", ";a", ' \t;a="b c"', ";a=b;c"),
    fc.boolean(),
  )
  .map(([data, zeros, extension, upper]) => {
    const size = data.length.toString(16);
    return `${zeros}${upper ? size.toUpperCase() : size}${extension}\r\n${data}\r\n`;
  });

export const chunkedBody = fc
  .tuple(fc.array(chunk, { maxLength: 5 }), fc.constantFrom("0", "00", "0;z"), fieldSection)
  .map(([chunks, last, trailers]) => `${chunks.join("")}${last}\r\n${trailers}\r\n`);

interface Edit {
  readonly kind: "insert" | "remove" | "double" | "case";
  /** Share of the text before the edit. */
  readonly at: number;
  readonly inserted: string;
  readonly length: number;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom("insert", "insert", "remove", "double", "case"),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  inserted: fc.constantFrom(...INSERTED),
  length: fc.integer({ min: 1, max: 12 }),
});

/** The same text, or the same with up to three edits. */
export function edited(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(text, fc.array(edit, { maxLength: 3 }))
    .map(([whole, edits]) => edits.reduce(applyEdit, whole));
}

function applyEdit(text: string, { kind, at, inserted, length }: Edit): string {
  const start = Math.floor(at * text.length);
  const before = text.slice(0, start);
  const piece = text.slice(start, start + length);
  const after = text.slice(start + length);
  switch (kind) {
    case "insert":
      return before + inserted + piece + after;
    case "remove":
      return before + after;
    case "double":
      return before + piece + piece + after;
    case "case":
      return (
        before +
        piece.replace(/[a-z]/gi, (letter) => String.fromCharCode(letter.charCodeAt(0) ^ 0x20)) +
        after
      );
  }
}

/** A text and the pieces it may be read in. */
export function inPieces(
  text: fc.Arbitrary<string>,
): fc.Arbitrary<readonly [whole: string, pieces: string[]]> {
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 });
  return fc.tuple(text, cuts).map(([whole, shares]) => {
    const places = [0, ...shares.map((share) => Math.floor(share * whole.length)).sort((a, b) => a - b)];
    const pieces = places.map((place, i) => whole.slice(place, places[i + 1]));
    return [whole, pieces.filter((piece) => piece !== "")] as const;
  });
}
