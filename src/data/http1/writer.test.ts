// The writer: what it makes itself, what it copies, and what it never copies.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ResponseHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { Field, HeaderList } from "../../core/headers.ts";
import {
  chunkStart,
  FRAME_CHUNKED,
  FRAME_LENGTH,
  FRAME_NONE,
  FRAME_UNTIL_CLOSE,
  framingOf,
  informationalText,
  lastChunk,
  responseHeadText,
} from "./writer.ts";

type Fields = ReadonlyArray<readonly [string, string]>;

function listOf(fields: Fields): HeaderList {
  const headers = new HeaderList();
  for (const [name, value] of fields) headers.add(name, value);
  return headers;
}

function head(
  status: number,
  bodyLength: number,
  fields: Fields = [["Date", "now"]],
  reason = "",
): ResponseHead {
  return { status, reason, headers: listOf(fields), bodyLength };
}

describe("field lines", () => {
  it("are the fields in their order and case", () => {
    const headers = listOf([
      ["X-b", "1"],
      ["Host", "h"],
      ["A", ""],
      ["x-B", "2"],
    ]);
    assert.equal(headers.forwardLines(), "X-b: 1\r\nHost: h\r\nA: \r\nx-B: 2\r\n");
  });

  it("leave out what was removed", () => {
    const headers = listOf([
      ["A", "1"],
      ["Via", "x"],
      ["B", "2"],
    ]);
    headers.remove(Field.via);
    assert.equal(headers.forwardLines(), "A: 1\r\nB: 2\r\n");
  });

  const HOP_BY_HOP = [
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "Transfer-Encoding",
    "TE",
    "Upgrade",
    "Content-Length",
    "Proxy-Authorization",
    "Proxy-Authenticate",
    "HTTP2-Settings",
    "Expect",
  ];
  for (const name of HOP_BY_HOP) {
    it(`never copy ${name}`, () => {
      for (const form of [name, name.toLowerCase(), name.toUpperCase()]) {
        const headers = listOf([
          ["A", "1"],
          [form, "x"],
          ["B", "2"],
        ]);
        assert.equal(headers.forwardLines(), "A: 1\r\nB: 2\r\n");
      }
    });
  }

  for (const name of [
    "Trailer",
    "Via",
    "Date",
    "Content-Type",
    "Cookie",
    "Set-Cookie",
    "Upgrade-Insecure-Requests",
  ]) {
    it(`copy ${name}`, () => assert.equal(listOf([[name, "x"]]).forwardLines(), `${name}: x\r\n`));
  }
});

describe("the framing of a response to the client", () => {
  const FRAMINGS: ReadonlyArray<readonly [string, string, ResponseHead, number]> = [
    ["GET", "HTTP/1.1", head(200, 5), FRAME_LENGTH],
    ["GET", "HTTP/1.1", head(200, 0), FRAME_LENGTH],
    ["GET", "HTTP/1.0", head(200, 5), FRAME_LENGTH],
    ["GET", "HTTP/1.1", head(200, UNKNOWN_LENGTH), FRAME_CHUNKED],
    ["GET", "HTTP/1.0", head(200, UNKNOWN_LENGTH), FRAME_UNTIL_CLOSE],
    ["HEAD", "HTTP/1.1", head(200, 5), FRAME_NONE],
    ["HEAD", "HTTP/1.0", head(200, UNKNOWN_LENGTH), FRAME_NONE],
    ["GET", "HTTP/1.1", head(204, 0), FRAME_NONE],
    ["GET", "HTTP/1.1", head(204, UNKNOWN_LENGTH), FRAME_NONE],
    ["GET", "HTTP/1.1", head(304, 5), FRAME_NONE],
    ["GET", "HTTP/1.0", head(304, UNKNOWN_LENGTH), FRAME_NONE],
    ["GET", "HTTP/1.1", head(103, UNKNOWN_LENGTH), FRAME_NONE],
  ];
  for (const [method, protocol, response, framing] of FRAMINGS) {
    it(`is ${framing} for ${method} in ${protocol} with ${response.status} and length ${response.bodyLength}`, () => {
      assert.equal(framingOf(response, method, protocol), framing);
    });
  }
});

describe("a response head", () => {
  const TEXTS: ReadonlyArray<readonly [title: string, text: string, expected: string]> = [
    [
      "has a length",
      responseHeadText(head(200, 5), FRAME_LENGTH, ""),
      "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\n\r\n",
    ],
    [
      "has a length of nothing",
      responseHeadText(head(200, 0), FRAME_LENGTH, ""),
      "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 0\r\n\r\n",
    ],
    [
      "is chunked",
      responseHeadText(head(200, UNKNOWN_LENGTH), FRAME_CHUNKED, ""),
      "HTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    [
      "ends with the connection",
      responseHeadText(head(200, UNKNOWN_LENGTH), FRAME_UNTIL_CLOSE, "close"),
      "HTTP/1.1 200 OK\r\nDate: now\r\nConnection: close\r\n\r\n",
    ],
    [
      "of HEAD tells the length",
      responseHeadText(head(200, 5), FRAME_NONE, ""),
      "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\n\r\n",
    ],
    [
      "of HEAD may not know the length",
      responseHeadText(head(200, UNKNOWN_LENGTH), FRAME_NONE, ""),
      "HTTP/1.1 200 OK\r\nDate: now\r\n\r\n",
    ],
    [
      "of 304 tells the length",
      responseHeadText(head(304, 5), FRAME_NONE, ""),
      "HTTP/1.1 304 Not Modified\r\nDate: now\r\nContent-Length: 5\r\n\r\n",
    ],
    [
      "of 204 has no length",
      responseHeadText(head(204, 0), FRAME_NONE, "keep-alive"),
      "HTTP/1.1 204 No Content\r\nDate: now\r\nConnection: keep-alive\r\n\r\n",
    ],
    [
      "keeps the reason of the backend",
      responseHeadText(head(200, 0, [["Date", "now"]], "Fine \xe9"), FRAME_LENGTH, ""),
      "HTTP/1.1 200 Fine \xe9\r\nDate: now\r\nContent-Length: 0\r\n\r\n",
    ],
    [
      "never copies framing",
      responseHeadText(
        head(200, 5, [
          ["Date", "now"],
          ["Content-Length", "9"],
          ["Transfer-Encoding", "x"],
        ]),
        FRAME_LENGTH,
        "",
      ),
      "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\n\r\n",
    ],
  ];
  for (const [title, text, expected] of TEXTS) it(title, () => assert.equal(text, expected));

  it("gets the Date that it lacks", () => {
    const text = responseHeadText(head(200, 0, []), FRAME_LENGTH, "");
    const [, date] = /^Date: (.+)$/m.exec(text) ?? [];
    assert.ok(Math.abs(Date.parse(date!) - Date.now()) < 5000, text);
  });
});

describe("an informational response", () => {
  it("has its fields and no framing", () => {
    const hints = head(103, 0, [
      ["Link", "</a>"],
      ["Content-Length", "0"],
      ["Connection", "x"],
    ]);
    assert.equal(informationalText(hints, null), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  });

  it("of a switch names the protocol", () => {
    const text = informationalText(
      head(101, 0, [
        ["Sec-WebSocket-Accept", "x"],
        ["Upgrade", "evil"],
      ]),
      "websocket",
    );
    assert.equal(
      text,
      "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
  });
});

describe("chunks", () => {
  it("start with their size in hexadecimal", () => {
    assert.equal(chunkStart(1), "1\r\n");
    assert.equal(chunkStart(255), "ff\r\n");
    assert.equal(chunkStart(65_536), "10000\r\n");
  });

  it("end without trailers", () => {
    assert.equal(lastChunk(null), "0\r\n\r\n");
    assert.equal(lastChunk(new HeaderList()), "0\r\n\r\n");
  });

  it("end with the trailers that are data", () => {
    const trailers = listOf([
      ["Grpc-Status", "0"],
      ["X-Sum", "a"],
      ["x-sum", "b"],
      ["Server-Timing", "t"],
    ]);
    assert.equal(
      lastChunk(trailers),
      "0\r\nGrpc-Status: 0\r\nX-Sum: a\r\nx-sum: b\r\nServer-Timing: t\r\n\r\n",
    );
  });

  const FORBIDDEN = [
    [
      "framing",
      ["Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Keep-Alive", "Proxy-Connection"],
    ],
    [
      "routing",
      ["Host", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X_Forwarded_For", "X-Real-IP", "Via"],
    ],
    ["authorisation", ["Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "WWW-Authenticate"]],
    [
      "modifiers",
      [
        "Cache-Control",
        "Expect",
        "Max-Forwards",
        "Pragma",
        "Range",
        "TE",
        "If-Match",
        "If-None-Match",
        "If-Modified-Since",
        "If-Unmodified-Since",
        "If-Range",
      ],
    ],
    ["control data", ["Age", "Date", "Expires", "Location", "Retry-After", "Vary", "Warning"]],
    ["content", ["Content-Encoding", "Content-Type", "Content-Range", "Trailer"]],
  ] as const;
  for (const [kind, names] of FORBIDDEN) {
    it(`never end with fields of ${kind}`, () => {
      for (const name of names) {
        for (const form of [name, name.toUpperCase()]) {
          assert.equal(
            lastChunk(
              listOf([
                ["A", "1"],
                [form, "x"],
              ]),
            ),
            "0\r\nA: 1\r\n\r\n",
            form,
          );
        }
      }
    });
  }
});
