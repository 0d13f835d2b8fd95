// Request bodies on their way to the backend: by length, chunked and encoded anew, asked for with 100 (Continue), cut
// short. A real gateway between raw sockets.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, beforeEach, describe, it } from "node:test";
import type { RawConnection } from "../support/raw.ts";
import { ask, type Client } from "./client.ts";
import { OK } from "./origin.ts";
import { Pair } from "./pair.ts";
import { valuesOf } from "./strict-reading.ts";

// Nobody listens on port 1.
const BACKENDS = "nobody: [{ host: 127.0.0.1, port: 1 }]";
const ROUTES = `
  small: { path: /small, limits: { body_size: 10 }, upstream: origin },
  nowhere: { path: /nowhere, upstream: nobody }`;

let pair: Pair;
before(async () => {
  pair = await Pair.start({ backends: BACKENDS, routes: ROUTES });
});
beforeEach(() => pair.origin.reset());
after(() => pair.stop());

function post(fields: string, body = "", target = "/"): string {
  return `POST ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n${body}`;
}

const CHUNKED = "Transfer-Encoding: chunked\r\n";

/** Makes sure that the gateway has a connection to the origin at hand, and returns the origin's end of it. */
async function warm(): Promise<RawConnection> {
  await ask(pair.port, "GET /warm HTTP/1.1\r\nHost: a\r\n\r\n");
  pair.origin.reset();
  return pair.origin.backend.connections.at(-1)!;
}

describe("a body of known length", { timeout: 120_000 }, () => {
  it("reaches the backend with its length, byte for byte", async () => {
    const bytes = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
    const { answer } = await ask(pair.port, post("Content-Length: 256\r\n", bytes));
    assert.equal(answer.status, 200);
    assert.deepEqual([pair.origin.only.body, pair.origin.only.chunked], [bytes, false]);
    assert.deepEqual(pair.origin.valuesOf("content-length"), ["256"]);
    assert.deepEqual(pair.origin.valuesOf("transfer-encoding"), []);
  });

  it("is told also where it is 0, and only where the client told it", async () => {
    await ask(pair.port, post("Content-Length: 0\r\n"));
    assert.deepEqual(pair.origin.valuesOf("content-length"), ["0"]);
    pair.origin.reset();
    await ask(pair.port, post(""));
    assert.deepEqual(pair.origin.valuesOf("content-length"), []);
  });

  it("is written in one way, whatever the client wrote", async () => {
    await ask(pair.port, post("content-length:\t0005 \r\n", "hello"));
    assert.deepEqual(pair.origin.valuesOf("content-length"), ["5"]);
  });
});

describe("a chunked body", { timeout: 120_000 }, () => {
  it("is encoded anew: nothing of the client's chunks remains", async () => {
    const upstream = await warm();
    const chunks = '0003;name="value"\r\nabc\r\nA \t;x\r\n0123456789\r\n00;last\r\n\r\n';
    await ask(pair.port, post(`transfer-encoding:  Chunked\r\n`, chunks));
    const { body, chunked, trailers } = pair.origin.only;
    assert.deepEqual([body, chunked, trailers], ["abc0123456789", true, []]);
    assert.deepEqual(pair.origin.valuesOf("transfer-encoding"), ["chunked"]);
    assert.deepEqual(pair.origin.valuesOf("content-length"), []);
    assert.ok(upstream.text.endsWith("\r\n\r\nd\r\nabc0123456789\r\n0\r\n\r\n"), upstream.text);
  });

  it("reaches the backend chunk by chunk", async () => {
    const upstream = await warm();
    const client = await pair.connect();
    client.send(post(CHUNKED, "3\r\nabc\r\n"));
    await upstream.until("\r\n3\r\nabc\r\n");
    client.send("2\r\nde\r\n");
    await upstream.until("abc\r\n2\r\nde\r\n");
    client.send("0\r\n\r\n");
    assert.equal((await client.answer()).status, 200);
    assert.equal(pair.origin.only.body, "abcde");
    client.close();
  });

  it("keeps its trailers that are data, and no others", async () => {
    const trailers = [
      "X-Sum: 1",
      "Content-Length: 9",
      "Transfer-Encoding: gzip",
      "Host: b",
      "X-Forwarded-For: 192.0.2.1",
      "X_Forwarded_For: 192.0.2.1",
      "X-Real-IP: 192.0.2.1",
      "Authorization: Basic x",
      "Cookie: a=b",
      "Connection: close",
      "Content-Type: text/html",
      "Cache-Control: no-store",
      "If-Match: x",
      "x-sum: 2",
    ];
    const section = trailers.map((line) => `${line}\r\n`).join("");
    const { answer } = await ask(
      pair.port,
      post(`Trailer: X-Sum\r\n${CHUNKED}`, `1\r\na\r\n0\r\n${section}\r\n`),
    );
    assert.equal(answer.status, 200);
    assert.deepEqual(pair.origin.only.trailers, [
      ["X-Sum", "1"],
      ["x-sum", "2"],
    ]);
    assert.deepEqual(pair.origin.valuesOf("x-sum"), [], "never merged into the fields");
    assert.deepEqual(pair.origin.valuesOf("trailer"), ["X-Sum"]);
  });

  it("of nothing is still chunked", async () => {
    await ask(pair.port, post(CHUNKED, "0\r\n\r\n"));
    assert.deepEqual([pair.origin.only.body, pair.origin.only.chunked], ["", true]);
  });
});

describe("a large body", { timeout: 120_000 }, () => {
  const data = Buffer.alloc(700_000, "0123456789abcdef").toString();
  const digest = (text: string) => createHash("sha256").update(text, "latin1").digest("hex");
  const chunks = data.match(/.{1,999}/g)!.map((piece) => `${piece.length.toString(16)};x\r\n${piece}\r\n`);
  const FORMS: ReadonlyArray<readonly [form: string, text: string]> = [
    ["by length", post(`Content-Length: ${data.length}\r\n`, data)],
    ["chunked", post(CHUNKED, `${chunks.join("")}0\r\n\r\n`)],
  ];
  for (const [form, text] of FORMS) {
    it(`arrives whole, ${form}`, async () => {
      assert.equal((await ask(pair.port, text)).answer.status, 200);
      assert.equal(digest(pair.origin.only.body), digest(data));
    });
  }
});

describe("a body that its client does not finish", { timeout: 120_000 }, () => {
  const BEGUN: ReadonlyArray<readonly [form: string, text: string, last: string]> = [
    ["by length", post("Content-Length: 10\r\n", "12345"), "12345"],
    ["chunked", post(CHUNKED, "5\r\n12345\r\n"), "12345\r\n"],
    ["chunked, without the end of the trailers", post(CHUNKED, "5\r\n12345\r\n0\r\nA: b\r\n"), "12345\r\n"],
  ];
  for (const [form, text, last] of BEGUN) {
    it(`is not finished for the backend either, ${form}`, async () => {
      const upstream = await warm();
      const client = await pair.connect();
      client.send(text);
      await upstream.until(last);
      client.connection.socket.resetAndDestroy();
      assert.ok((await upstream.untilEnd()).endsWith(last));
      assert.deepEqual(pair.origin.requests, []);
    });
  }
});

describe("Expect: 100-continue", { timeout: 120_000 }, () => {
  const EXPECT = "Expect: 100-Continue\r\n";

  async function finish(client: Client, body: string): Promise<void> {
    client.send(body);
    assert.equal((await client.answer()).status, 200);
    assert.equal(client.unread, "");
    client.close();
  }

  for (const [form, fields, body] of [
    ["by length", "Content-Length: 5\r\n", "hello"],
    ["chunked", CHUNKED, "5\r\nhello\r\n0\r\n\r\n"],
  ] as const) {
    it(`is answered once, by the gateway, and not forwarded: a body ${form}`, async () => {
      const client = await pair.connect();
      client.send(post(fields + EXPECT));
      const first = await client.answer();
      assert.deepEqual([first.status, first.fields], [100, []]);
      await finish(client, body);
      assert.deepEqual([pair.origin.only.body, pair.origin.valuesOf("expect")], ["hello", []]);
    });
  }

  it("is answered once also when the body is so long that the backend makes it wait", async () => {
    const body = "x".repeat(700_000);
    const client = await pair.connect();
    client.send(post(`Content-Length: ${body.length}\r\n${EXPECT}`));
    assert.equal((await client.answer()).status, 100);
    await finish(client, body);
    assert.equal(pair.origin.only.body.length, body.length);
  });

  it("is not answered when the body is there already", async () => {
    const { answer } = await ask(pair.port, post(`Content-Length: 5\r\n${EXPECT}`, "hello"));
    assert.equal(answer.status, 200);
  });

  it("is not answered a second time when the backend sends a 100 of its own", async () => {
    const upstream = await warm();
    pair.origin.answer = () => `HTTP/1.1 100 Continue\r\n\r\n${OK}`;
    const client = await pair.connect();
    client.send(post(`Content-Length: 5\r\n${EXPECT}`));
    assert.equal((await client.answer()).status, 100);
    await upstream.until("Content-Length: 5\r\n");
    upstream.write("HTTP/1.1 100 Continue\r\n\r\n");
    await finish(client, "hello");
  });

  const REFUSED: ReadonlyArray<readonly [title: string, text: string, status: number]> = [
    ["a body that is too long", post(`Content-Length: 11\r\n${EXPECT}`, "", "/small"), 413],
    ["a path above the root", `POST /../ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n${EXPECT}\r\n`, 400],
    ["another expectation", post("Content-Length: 5\r\nExpect: 200-ok\r\n"), 417],
    ["two expectations", post("Content-Length: 5\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n"), 417],
  ];
  for (const [title, text, status] of REFUSED) {
    it(`is not answered when the request is refused with ${status}: ${title}`, async () => {
      const { answer, after: rest } = await ask(pair.port, text);
      assert.equal(answer.status, status);
      assert.deepEqual([valuesOf(answer.fields, "connection"), rest], [["close"], ""]);
      assert.deepEqual(pair.origin.requests, []);
    });
  }

  it("is not answered while no backend takes the request", async () => {
    const { answer } = await ask(pair.port, post(`Content-Length: 5\r\n${EXPECT}`, "", "/nowhere"));
    assert.ok(answer.status >= 502, String(answer.status));
  });

  it("means nothing in HTTP/1.0, and is not forwarded", async () => {
    const { answer } = await ask(pair.port, `POST / HTTP/1.0\r\nContent-Length: 5\r\n${EXPECT}\r\nhello`);
    assert.equal(answer.status, 200);
    assert.deepEqual(pair.origin.valuesOf("expect"), []);
  });
});
