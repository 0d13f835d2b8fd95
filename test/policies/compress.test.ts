// The policy `compress` over real connections: streams, slow and vanishing clients, HEAD, HTTP/1.0, trailers. Runs against a
// gateway in a process of its own.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { constants, gunzipSync, zstdDecompressSync } from "node:zlib";
import { ask, Client } from "../http/client.ts";
import { Pair } from "../http/pair.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { RawConnection } from "../support/raw.ts";

const BODY = JSON.stringify(Array.from({ length: 400 }, (_, id) => ({ id, name: `number ${id}` })));
const HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

const ROUTES = `
  fixed: { path: /fixed, respond: { body: '${BODY}', headers: { Content-Type: application/json, ETag: '"a"' } } },
  plain: { path: /plain, upstream: origin, policies: { compress: { enabled: false } } },
  page: { path: /page, upstream: origin, policies: { error_pages: { intercept: true, pages: {
    500: { body: "${"a page of our own. ".repeat(100)}" } } } } },`;

describe("the policy compress", () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.start({ routes: ROUTES, sections: "policies: { compress: {} }\n" });
  });
  beforeEach(() => pair.origin.reset());
  after(() => pair.stop());

  const request = (path: string, method = "GET", accepted = "gzip", version = "1.1") =>
    `${method} ${path} HTTP/${version}\r\nHost: a\r\nAccept-Encoding: ${accepted}\r\n\r\n`;

  it("compresses what comes whole, with its length", async () => {
    for (const path of ["/fixed", "/other"]) {
      pair.origin.answer = () => `${HEAD}Content-Length: ${BODY.length}\r\n\r\n${BODY}`;
      const { answer } = await ask(pair.port, request(path));
      assert.deepEqual(valuesOf(answer.fields, "content-encoding"), ["gzip"]);
      assert.deepEqual(valuesOf(answer.fields, "content-length"), [String(answer.body.length)]);
      assert.ok(answer.body.length < BODY.length / 3);
      assert.equal(gunzipSync(Buffer.from(answer.body, "latin1")).toString(), BODY);
    }
  });

  it("compresses long bodies and those of unknown length, in chunks", async () => {
    const long = BODY.repeat(50);
    for (const framed of [
      `Content-Length: ${long.length}\r\n\r\n${long}`,
      `Transfer-Encoding: chunked\r\n\r\n${long.length.toString(16)}\r\n${long}\r\n0\r\n\r\n`,
    ]) {
      pair.origin.answer = () => HEAD + framed;
      const { answer } = await ask(pair.port, request("/long", "GET", "zstd, gzip"));
      assert.deepEqual(valuesOf(answer.fields, "content-encoding"), ["zstd"]);
      assert.equal(answer.framing, "chunked");
      assert.equal(zstdDecompressSync(Buffer.from(answer.body, "latin1")).toString(), long);
    }
  });

  it("holds nothing of a stream back that pauses, and keeps its trailers", async () => {
    pair.origin.answer = (_, connection) => {
      connection.write(`${HEAD}Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n`);
      return null;
    };
    const client = await Client.connect(pair.port);
    client.send(request("/stream"));
    await decodedUntil(client.connection, "first");
    pair.origin.backend.connections.at(-1)!.write("7\r\n second\r\n");
    await decodedUntil(client.connection, "first second");
    pair.origin.backend.connections.at(-1)!.write("0\r\nX-Sum: 7\r\n\r\n");
    const answer = await client.answer();
    assert.deepEqual(answer.trailers, [["X-Sum", "7"]]);
    assert.equal(gunzipSync(Buffer.from(answer.body, "latin1")).toString(), "first second");
    client.close();
  });

  it("leaves to the client what it does not take, and says so to caches", async () => {
    const { answer } = await ask(pair.port, request("/fixed", "GET", "deflate"));
    assert.equal(answer.body, BODY);
    assert.deepEqual(valuesOf(answer.fields, "vary"), ["Accept-Encoding"]);
    assert.deepEqual(valuesOf(answer.fields, "etag"), ['"a"']);
  });

  it("tells the backend what the client takes, and leaves what that compressed", async () => {
    pair.origin.answer = () => `${HEAD}Content-Encoding: br\r\nContent-Length: 4\r\n\r\nabcd`;
    const { answer } = await ask(pair.port, request("/other", "GET", "gzip, br"));
    assert.deepEqual(pair.origin.valuesOf("accept-encoding"), ["gzip, br"]);
    assert.deepEqual([answer.body, valuesOf(answer.fields, "content-encoding")], ["abcd", ["br"]]);
  });

  it("answers HEAD with the fields of GET, but for the length", async () => {
    pair.origin.answer = () => `${HEAD}ETag: "a"\r\nContent-Length: 5000\r\n\r\n`;
    const { answer } = await ask(pair.port, request("/other", "HEAD"));
    assert.deepEqual(valuesOf(answer.fields, "content-encoding"), ["gzip"]);
    assert.deepEqual(valuesOf(answer.fields, "etag"), ['W/"a"']);
    for (const name of ["content-length", "transfer-encoding"])
      assert.deepEqual(valuesOf(answer.fields, name), [], name);
  });

  it("ends with the connection for HTTP/1.0", async () => {
    const long = BODY.repeat(50);
    pair.origin.answer = () => `${HEAD}Content-Length: ${long.length}\r\n\r\n${long}`;
    const { answer } = await ask(pair.port, request("/long", "GET", "gzip", "1.0"));
    assert.equal(answer.framing, "until close");
    assert.equal(gunzipSync(Buffer.from(answer.body, "latin1")).toString(), long);
  });

  it("compresses the page of an error", async () => {
    pair.origin.answer = () => "HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno";
    const { answer } = await ask(pair.port, request("/page"));
    assert.equal(answer.status, 500);
    assert.match(gunzipSync(Buffer.from(answer.body, "latin1")).toString(), /^a page of our own/);
    assert.deepEqual(valuesOf(answer.fields, "vary"), ["Accept, Accept-Encoding"].join().split(", "));
  });

  it("can be switched off by a route", async () => {
    pair.origin.answer = () => `${HEAD}Content-Length: ${BODY.length}\r\n\r\n${BODY}`;
    const { answer } = await ask(pair.port, request("/plain"));
    assert.deepEqual([answer.body, valuesOf(answer.fields, "vary")], [BODY, []]);
  });

  it("cuts a response whose backend breaks off", async () => {
    pair.origin.answer = (_, connection) => {
      connection.write(`${HEAD}Content-Length: 100000\r\n\r\n${BODY}`);
      connection.socket.destroySoon();
      return null;
    };
    const client = await Client.connect(pair.port);
    client.send(request("/broken"));
    assert.equal(await client.connection.untilGone(), "reset");
  });

  it("slows the backend down where the client is slow, and outlives clients that go", async () => {
    const random = () => Buffer.from(crypto.getRandomValues(new Uint8Array(16_384))).toString("latin1");
    let sent = 0;
    let full: () => void = () => {};
    const isFull = new Promise<void>((resolve) => {
      full = resolve;
    });
    pair.origin.answer = (_, connection) => {
      connection.write(`${HEAD}\r\n`);
      const more = () => {
        while (!connection.closed && connection.socket.writable) {
          sent++;
          if (!connection.socket.write(random(), "latin1")) return;
        }
      };
      connection.socket.on("drain", more);
      more();
      // Nothing moves any more: the client takes nothing.
      let last = 0;
      const look = setInterval(() => {
        if (sent === last) {
          clearInterval(look);
          full();
        }
        last = sent;
      }, 300);
      return null;
    };
    const slow = await RawConnection.connect(pair.port);
    slow.socket.pause();
    slow.write(request("/flood"));
    await isFull;
    assert.ok(sent * 16_384 < 60e6, `${sent * 16_384} bytes`);
    slow.destroy();
    await pair.origin.backend.connections.at(-1)!.untilEnd();
    pair.origin.answer = () => `${HEAD}Content-Length: ${BODY.length}\r\n\r\n${BODY}`;
    for (let i = 0; i < 50; i++) {
      const gone = await RawConnection.connect(pair.port);
      gone.write(request("/other"));
      if (i % 2 === 0) await gone.until("\r\n\r\n");
      gone.destroy();
    }
    const { answer } = await ask(pair.port, request("/other"));
    assert.equal(gunzipSync(Buffer.from(answer.body, "latin1")).toString(), BODY);
  });
});

/** Resolves when the chunks that came so far decode to the text. */
async function decodedUntil(connection: RawConnection, text: string): Promise<void> {
  for (let seen = 0; ; seen = connection.length) {
    await connection.untilBytes(seen + 1);
    const [, body = ""] = connection.text.split("\r\n\r\n");
    const chunks = Buffer.from([...wholeChunks(body)].join(""), "latin1");
    const decoded =
      chunks.length === 0 ? "" : gunzipSync(chunks, { finishFlush: constants.Z_SYNC_FLUSH }).toString();
    if (decoded === text) return;
  }
}

function* wholeChunks(body: string): Generator<string> {
  for (let at = 0; ; ) {
    const size = /^([0-9a-f]+)\r\n/.exec(body.slice(at));
    if (size === null) return;
    const start = at + size[0].length;
    at = start + Number.parseInt(size[1]!, 16) + 2;
    if (at > body.length) return;
    yield body.slice(start, at - 2);
  }
}
