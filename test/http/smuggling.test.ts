// Requests that two readers could understand differently: each is refused, its connection closed, and nothing of it
// reaches the backend. A real gateway between raw sockets.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ask } from "./client.ts";
import { Pair } from "./pair.ts";
import { valuesOf } from "./strict-reading.ts";

const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
const CONTROL = "GET /control HTTP/1.1\r\nHost: a\r\n\r\n";
const CHUNKS = "5\r\nhello\r\n0\r\n\r\n";

function get(fields: string): string {
  return `GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
}

function post(fields: string, body: string): string {
  return `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n${body}`;
}

function chunks(body: string): string {
  return post("Transfer-Encoding: chunked\r\n", body);
}

type Case = readonly [title: string, status: number, text: string];

// biome-ignore format: one case a line
const FRAMING: readonly Case[] = [
  ["Content-Length and Transfer-Encoding", 400, post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", CHUNKS)],
  ["Transfer-Encoding and Content-Length", 400, post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", CHUNKS)],
  ["Content-Length and a coding that nobody knows", 400, post("Content-Length: 5\r\nTransfer-Encoding: x\r\n", "hello")],
  ["two equal Content-Lengths", 400, post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")],
  ["two different Content-Lengths", 400, post("Content-Length: 0\r\nContent-Length: 5\r\n", "hello")],
  ["a Content-Length of two members", 400, post("Content-Length: 5, 5\r\n", "hello")],
  ["a Content-Length with a sign", 400, post("Content-Length: +5\r\n", "hello")],
  ["a negative Content-Length", 400, post("Content-Length: -1\r\n", "hello")],
  ["a Content-Length in hexadecimal", 400, post("Content-Length: 0x5\r\n", "hello")],
  ["an empty Content-Length", 400, post("Content-Length:\r\n", "hello")],
  ["a Content-Length of 2^53", 400, post("Content-Length: 9007199254740992\r\n", "hello")],
  ["a Content-Length beyond 2^64", 400, post("Content-Length: 18446744073709551621\r\n", "hello")],
  ["Transfer-Encoding with another coding under chunked", 501, post("Transfer-Encoding: gzip, chunked\r\n", CHUNKS)],
  ["Transfer-Encoding identity", 400, post("Transfer-Encoding: identity\r\n", CHUNKS)],
  ["Transfer-Encoding that does not end in chunked", 400, post("Transfer-Encoding: chunked, gzip\r\n", CHUNKS)],
  ["Transfer-Encoding chunked twice", 400, post("Transfer-Encoding: chunked, chunked\r\n", CHUNKS)],
  ["Transfer-Encoding chunked in two lines", 400, post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", CHUNKS)],
  ["Transfer-Encoding in two lines, one unknown", 400, post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", CHUNKS)],
  ["Transfer-Encoding with a vertical tab", 400, post("Transfer-Encoding: \x0bchunked\r\n", CHUNKS)],
  ["Transfer-Encoding in quotes", 400, post('Transfer-Encoding: "chunked"\r\n', CHUNKS)],
  ["Transfer-Encoding with a parameter", 400, post("Transfer-Encoding: chunked;x=1\r\n", CHUNKS)],
  ["Transfer-Encoding that is empty", 400, post("Transfer-Encoding:\r\n", CHUNKS)],
  ["Transfer-Encoding in HTTP/1.0", 400, `POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`],
];

// biome-ignore format: one case a line
const SYNTAX: readonly Case[] = [
  ["a folded field", 400, get("X: a\r\n b\r\n")],
  ["a folded Transfer-Encoding", 400, post("Transfer-Encoding:\r\n chunked\r\n", CHUNKS)],
  ["a space before a colon", 400, post("Transfer-Encoding : chunked\r\n", CHUNKS)],
  ["a tab before a colon", 400, post("Content-Length\t: 5\r\n", "hello")],
  ["white space before the first field", 400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"],
  ["a bare LF between fields", 400, "GET / HTTP/1.1\r\nHost: a\nContent-Length: 5\r\n\r\nhello"],
  ["a bare LF behind the request line", 400, "GET / HTTP/1.1\nHost: a\r\n\r\n"],
  ["bare LF everywhere", 400, "GET / HTTP/1.1\nHost: a\n\n"],
  ["a bare CR in a value", 400, get("X: a\rContent-Length: 5\r\n")],
  ["NUL in a value", 400, get("X: a\0b\r\n")],
  ["NUL in a name", 400, get("Content-Length\0: 5\r\n")],
  ["a field without colon", 400, get("X\r\n")],
  ["a field without name", 400, get(": x\r\n")],
  ["a byte above ASCII in a name", 400, get("X\xe9: a\r\n")],
  ["a space in the target", 400, "GET / /x HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a tab between the parts of the request line", 400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["NUL in the target", 400, "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["two empty lines before the request line", 400, `\r\n\r\n${get("")}`],
];

// biome-ignore format: one case a line
const BODIES: readonly Case[] = [
  ["a chunk size that is no number", 400, chunks("xyz\r\nhello\r\n0\r\n\r\n")],
  ["an empty chunk size", 400, chunks("\r\nhello\r\n0\r\n\r\n")],
  ["a chunk size with a sign", 400, chunks("+5\r\nhello\r\n0\r\n\r\n")],
  ["a chunk size with 0x", 400, chunks("0x5\r\nhello\r\n0\r\n\r\n")],
  ["a chunk size beyond 2^64", 400, chunks("10000000000000005\r\nhello\r\n0\r\n\r\n")],
  ["a chunk size of 2^53", 400, chunks("20000000000000\r\nhello\r\n0\r\n\r\n")],
  ["white space before a chunk size", 400, chunks(" 5\r\nhello\r\n0\r\n\r\n")],
  ["another word behind a chunk size", 400, chunks("5 6\r\nhello\r\n0\r\n\r\n")],
  ["a bare LF behind a chunk size", 400, chunks("5\nhello\r\n0\r\n\r\n")],
  ["a bare LF in a chunk extension", 400, chunks("5;a\nhello\r\n0\r\n\r\n")],
  ["a bare CR in a chunk extension", 400, chunks("5;a\rb\r\nhello\r\n0\r\n\r\n")],
  ["chunk extensions beyond the limit", 400, chunks(`5;${"x".repeat(4096)}\r\nhello\r\n0\r\n\r\n`)],
  ["many chunk extensions, together beyond the limit", 400, chunks(`${`1;${"x".repeat(99)}\r\na\r\n`.repeat(41)}0\r\n\r\n`)],
  ["a missing CRLF behind a chunk", 400, chunks("5\r\nhello0\r\n\r\n")],
  ["a bare LF behind a chunk", 400, chunks("5\r\nhello\n0\r\n\r\n")],
  ["a chunk longer than its size", 400, chunks("4\r\nhello\r\n0\r\n\r\n")],
  ["a bare LF behind the last chunk", 400, chunks("5\r\nhello\r\n0\n\n")],
  ["something between the last chunk and the end", 400, chunks("5\r\nhello\r\n0\r\nX\r\n\r\n")],
  ["a space before the colon of a trailer", 400, chunks("5\r\nhello\r\n0\r\nX : y\r\n\r\n")],
];

describe("a request that could be read in two ways", { timeout: 120_000 }, () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.start();
  });
  after(() => pair.stop());

  for (const [title, status, text] of [...FRAMING, ...SYNTAX, ...BODIES]) {
    it(`is refused: ${title}`, async () => {
      pair.origin.reset();
      const connections = pair.origin.backend.connections.length;
      const { answer, after: rest } = await ask(pair.port, text + SMUGGLED, "POST");
      assert.equal(answer.status, status);
      assert.deepEqual(valuesOf(answer.fields, "connection"), ["close"]);
      assert.equal(rest, "", "one answer only");
      const control = await ask(pair.port, CONTROL);
      assert.equal(control.answer.status, 200);
      assert.equal(pair.origin.only.target, "/control");
      const seen = pair.origin.backend.connections.slice(connections).map(({ text }) => text);
      assert.ok(
        seen.every((text) => text === "" || text.startsWith("GET /control ")),
        seen.join("|"),
      );
    });
  }

  it("is cut off at the backend when the fault comes behind a part of its body", async () => {
    await ask(pair.port, CONTROL);
    pair.origin.reset();
    const client = await pair.connect();
    client.send(chunks("5\r\nhello\r\n"));
    // The one that the control left behind is used again.
    const upstream = pair.origin.backend.connections.at(-1)!;
    await upstream.until("5\r\nhello\r\n");
    client.send(`5\nhello\r\n0\r\n\r\n${SMUGGLED}`);
    const answer = await client.answer("POST");
    assert.equal(answer.status, 400);
    assert.equal(await client.ended(), "");
    assert.ok((await upstream.untilEnd()).endsWith("5\r\nhello\r\n"), "nothing follows the good chunk");
    assert.deepEqual(pair.origin.requests, []);
    client.close();
  });
});
