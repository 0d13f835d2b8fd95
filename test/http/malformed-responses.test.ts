// Responses that two readers could understand differently: each is 502 for the client, nothing of it gets through, and
// the backend's connection never carries another request. A real gateway between raw sockets.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type { Client } from "./client.ts";
import { OK } from "./origin.ts";
import { Pair } from "./pair.ts";

const EVIL = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

function ok(fields: string, body = ""): string {
  return `HTTP/1.1 200 OK\r\n${fields}\r\n${body}`;
}

function chunks(body: string): string {
  return ok("Transfer-Encoding: chunked\r\n", body);
}

// biome-ignore format: one case a line
const MALFORMED: ReadonlyArray<readonly [title: string, text: string]> = [
  ["a length and a coding", ok("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")],
  ["two equal lengths", ok("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")],
  ["two different lengths", ok("Content-Length: 5\r\nContent-Length: 0\r\n", "hello")],
  ["a length of two members", ok("Content-Length: 5, 5\r\n", "hello")],
  ["a negative length", ok("Content-Length: -5\r\n", "hello")],
  ["a length of 2^53", ok("Content-Length: 9007199254740992\r\n")],
  ["another coding", ok("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")],
  ["coding identity", ok("Transfer-Encoding: identity\r\n")],
  ["a coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["a folded field", ok("X: a\r\n b\r\nContent-Length: 0\r\n")],
  ["a space before a colon", ok("Content-Length : 0\r\n")],
  ["a field without colon", ok("X\r\nContent-Length: 0\r\n")],
  ["a bare LF between fields", ok("X: a\nContent-Length: 0\r\n")],
  ["a bare CR in a value", ok("X: a\rb\r\nContent-Length: 0\r\n")],
  ["NUL in a value", ok("X: a\0b\r\nContent-Length: 0\r\n")],
  ["bare LF everywhere", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"],
  ["a bare LF in the reason", "HTTP/1.1 200 O\nK\r\nContent-Length: 0\r\n\r\n"],
  ["another version", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"],
  ["another protocol", "ICY 200 OK\r\nContent-Length: 0\r\n\r\n"],
  ["an empty line before it", `\r\n${OK}`],
  ["a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"],
  ["a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"],
  ["a status below 100", "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n"],
  ["a status above 599", "HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n"],
  ["a status line without end", `HTTP/1.1 200 ${"x".repeat(8192)}`],
  ["fields without end", ok(`X: ${"x".repeat(65_536)}`)],
  ["more than 256 fields", ok(`${"X: y\r\n".repeat(256)}Content-Length: 0\r\n`)],
  ["a 1xx with a length", `HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello${OK}`],
  ["a 1xx with a coding", `HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${OK}`],
  ["a 101 that nobody asked for", `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n${EVIL}`],
  ["a chunk size that is no number", chunks("xyz\r\n")],
  ["a chunk size with 0x", chunks("0x5\r\nhello\r\n0\r\n\r\n")],
  ["a chunk size beyond 2^64", chunks("10000000000000005\r\nhello\r\n0\r\n\r\n")],
  ["a bare LF behind a chunk size", chunks("5\nhello\r\n0\r\n\r\n")],
  ["a bare LF in a chunk extension", chunks("5;a\nhello\r\n0\r\n\r\n")],
  ["chunk extensions beyond the limit", chunks(`5;${"x".repeat(4096)}\r\nhello\r\n0\r\n\r\n`)],
  ["a missing CRLF behind a chunk", chunks("5\r\nhello0\r\n\r\n")],
  ["a bare LF behind the last chunk", chunks("0\n\n")],
  ["a space before the colon of a trailer", chunks("0\r\nX : y\r\n\r\n")],
];

let pair: Pair;
before(async () => {
  pair = await Pair.start();
});
beforeEach(() => pair.origin.reset());
after(() => pair.stop());

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** Which connection of the origin the next request comes on. */
async function nextConnection(client: Client): Promise<number> {
  pair.origin.reset();
  client.send(GET);
  assert.equal((await client.answer()).body, "ok");
  return pair.origin.only.connection;
}

describe("a response that could be read in two ways", { timeout: 120_000 }, () => {
  for (const [title, text] of MALFORMED) {
    it(`is 502: ${title}`, async () => {
      const client = await pair.connect();
      const used = await nextConnection(client);
      pair.origin.answer = () => text + EVIL;
      client.send(GET);
      const answer = await client.answer();
      assert.deepEqual([answer.status, JSON.parse(answer.body).error.code], [502, "response_malformed"]);
      await (await pair.origin.backend.connection(used)).untilEnd();
      assert.notEqual(await nextConnection(client), used);
      assert.equal(client.unread, "");
      client.close();
    });
  }
});

describe("a response with more than its body", { timeout: 120_000 }, () => {
  // biome-ignore format: one case a line
  const LONGER: ReadonlyArray<readonly [title: string, method: string, text: string, body: string]> = [
    ["behind its length", "GET", OK + EVIL, "ok"],
    ["behind its last chunk", "GET", chunks("2\r\nok\r\n0\r\n\r\n") + EVIL, "ok"],
    ["behind its trailers", "GET", chunks("2\r\nok\r\n0\r\nA: b\r\n\r\n") + EVIL, "ok"],
    ["to HEAD", "HEAD", OK, ""],
    ["of 204", "GET", `HTTP/1.1 204 No Content\r\n\r\n${EVIL}`, ""],
    ["of 304", "GET", `HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil`, ""],
  ];
  for (const [title, method, text, body] of LONGER) {
    it(`is answered, and its connection not used again: ${title}`, async () => {
      const client = await pair.connect();
      const used = await nextConnection(client);
      pair.origin.answer = () => text;
      client.send(GET.replace("GET", method));
      assert.equal((await client.answer(method)).body, body);
      await (await pair.origin.backend.connection(used)).untilEnd();
      assert.notEqual(await nextConnection(client), used);
      client.close();
    });
  }

  for (const declared of ["Content-Length: 2\r\n", "Transfer-Encoding: chunked\r\n"]) {
    it(`is feared where a 204 declares a body: ${JSON.stringify(declared)}`, async () => {
      const client = await pair.connect();
      const used = await nextConnection(client);
      pair.origin.answer = () => `HTTP/1.1 204 No Content\r\n${declared}\r\n`;
      client.send(GET);
      assert.equal((await client.answer()).status, 204);
      await (await pair.origin.backend.connection(used)).untilEnd();
      client.close();
    });
  }
});

describe("a response whose chunks go wrong in the middle", { timeout: 120_000 }, () => {
  it("is cut off for the client, and its connection not used again", async () => {
    const client = await pair.connect();
    const used = await nextConnection(client);
    const upstream = await pair.origin.backend.connection(used);
    pair.origin.answer = () => chunks("4\r\nhalf\r\n");
    client.send(GET);
    await client.connection.until("half");
    upstream.write(`4\nevil\r\n0\r\n\r\n${EVIL}`);
    assert.equal(await client.connection.untilGone(), "reset");
    assert.doesNotMatch(client.connection.text, /evil|\r\n0\r\n/);
    await upstream.untilEnd();
    assert.notEqual(await nextConnection(await pair.connect()), used);
  });
});
