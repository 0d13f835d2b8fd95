// Responses on their way to the client: framing for either version, responses without body, and 1xx. A real gateway
// between raw sockets.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { ask, type Client } from "./client.ts";
import { Pair } from "./pair.ts";
import { valuesOf } from "./strict-reading.ts";

let pair: Pair;
before(async () => {
  pair = await Pair.start();
});
beforeEach(() => pair.origin.reset());
after(() => pair.stop());

function request(method = "GET", version = "1.1", more = ""): string {
  return `${method} / HTTP/${version}\r\nHost: a\r\n${more}\r\n`;
}

function response(status: string, fields: string, body = ""): string {
  return `HTTP/1.1 ${status}\r\n${fields}\r\n${body}`;
}

const CHUNKED = "Transfer-Encoding: chunked\r\n";
const KEEP = "Connection: keep-alive\r\n";

/** Asserts that the connection still carries requests. */
async function usable(client: Client): Promise<void> {
  pair.origin.answer = () => response("200 OK", "Content-Length: 4\r\n", "next");
  client.send(request());
  assert.equal((await client.answer()).body, "next");
  client.close();
}

describe("a response of known length", { timeout: 120_000 }, () => {
  for (const version of ["1.1", "1.0"]) {
    it(`keeps its length for HTTP/${version}`, async () => {
      pair.origin.answer = () => response("200 Fine", "content-length: 0005\r\nX-A: 1\r\n", "hello");
      const client = await pair.connect();
      client.send(request("GET", version, KEEP));
      const { status, body, fields, framing } = await client.answer();
      assert.deepEqual([status, body, framing], [200, "hello", 5]);
      assert.deepEqual(valuesOf(fields, "content-length"), ["5"]);
      assert.deepEqual(valuesOf(fields, "x-a"), ["1"]);
      await usable(client);
    });
  }

  it("may be empty", async () => {
    pair.origin.answer = () => response("404 Not Found", "Content-Length: 0\r\n");
    const { answer } = await ask(pair.port, request());
    assert.deepEqual([answer.status, answer.framing], [404, 0]);
  });
});

describe("a chunked response", { timeout: 120_000 }, () => {
  const chunks = '0003;name="value"\r\nabc\r\nA \t;x\r\n0123456789\r\n00;last\r\n\r\n';

  it("is encoded anew for HTTP/1.1", async () => {
    pair.origin.answer = () => response("200 OK", "transfer-encoding:  Chunked\r\n", chunks);
    const client = await pair.connect();
    client.send(request());
    const text = await client.connection.until("0\r\n\r\n");
    assert.ok(text.endsWith("\r\n\r\nd\r\nabc0123456789\r\n0\r\n\r\n"), text);
    const { body, fields } = await client.answer();
    assert.equal(body, "abc0123456789");
    assert.deepEqual(valuesOf(fields, "transfer-encoding"), ["chunked"]);
    assert.deepEqual(valuesOf(fields, "content-length"), []);
    await usable(client);
  });

  it("reaches the client chunk by chunk", async () => {
    const client = await pair.connect();
    pair.origin.answer = (_, connection) => {
      connection.write(response("200 OK", CHUNKED, "3\r\nabc\r\n"));
      client.connection.until("abc\r\n").then(() => connection.write("2\r\nde\r\n0\r\n\r\n"));
      return null;
    };
    client.send(request());
    assert.equal((await client.answer()).body, "abcde");
    await usable(client);
  });

  it("ends with the connection for HTTP/1.0, even one that asked to be kept", async () => {
    pair.origin.answer = () => response("200 OK", CHUNKED, `${chunks}`);
    for (const more of ["", KEEP]) {
      const { answer } = await ask(pair.port, request("GET", "1.0", more));
      assert.deepEqual([answer.body, answer.framing], ["abc0123456789", "until close"]);
      assert.deepEqual(valuesOf(answer.fields, "transfer-encoding"), []);
      assert.deepEqual(valuesOf(answer.fields, "connection"), ["close"]);
    }
  });

  it("keeps its trailers that are data, and no others", async () => {
    const trailers = "X-Sum: 1\r\nSet-Cookie: a=b\r\nContent-Length: 3\r\nLocation: /\r\nx-sum: 2\r\n";
    pair.origin.answer = () =>
      response("200 OK", `${CHUNKED}Trailer: X-Sum\r\n`, `1\r\na\r\n0\r\n${trailers}\r\n`);
    const client = await pair.connect();
    client.send(request());
    const answer = await client.answer();
    assert.deepEqual(answer.trailers, [
      ["X-Sum", "1"],
      ["x-sum", "2"],
    ]);
    assert.deepEqual([answer.body, valuesOf(answer.fields, "trailer")], ["a", ["X-Sum"]]);
    assert.deepEqual(valuesOf(answer.fields, "x-sum"), [], "never merged into the fields");
    await usable(client);
  });

  it("loses its trailers for HTTP/1.0", async () => {
    pair.origin.answer = () => response("200 OK", CHUNKED, "1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n");
    const { answer } = await ask(pair.port, request("GET", "1.0"));
    assert.equal(answer.body, "a");
  });
});

describe("a response that ends with the backend's connection", { timeout: 120_000 }, () => {
  beforeEach(() => {
    pair.origin.answer = (_, connection) => {
      connection.write(response("200 OK", "", "hello"));
      connection.socket.end();
      return null;
    };
  });

  it("is chunked for HTTP/1.1", async () => {
    const client = await pair.connect();
    client.send(request());
    const { body, framing } = await client.answer();
    assert.deepEqual([body, framing], ["hello", "chunked"]);
    await usable(client);
  });

  it("ends with the connection for HTTP/1.0", async () => {
    const { answer } = await ask(pair.port, request("GET", "1.0", KEEP));
    assert.deepEqual([answer.body, answer.framing], ["hello", "until close"]);
  });
});

describe("a response without body", { timeout: 120_000 }, () => {
  // biome-ignore format: one case a line
  const BODYLESS: ReadonlyArray<readonly [method: string, text: string, length: string[]]> = [
    ["HEAD", response("200 OK", "Content-Length: 5\r\n"), ["5"]],
    ["HEAD", response("200 OK", "Content-Length: 0\r\n"), ["0"]],
    ["HEAD", response("200 OK", CHUNKED), []],
    ["HEAD", response("200 OK", ""), []],
    ["HEAD", response("404 Not Found", "Content-Length: 5\r\n"), ["5"]],
    ["GET", response("304 Not Modified", "Content-Length: 5\r\n"), ["5"]],
    ["GET", response("304 Not Modified", ""), []],
    ["GET", response("204 No Content", ""), []],
    ["GET", response("204 No Content", "Content-Length: 0\r\n"), []],
    ["GET", response("204 No Content", "Content-Length: 5\r\n"), []],
    ["GET", response("204 No Content", CHUNKED), []],
    ["HEAD", response("204 No Content", "Content-Length: 5\r\n"), []],
  ];
  for (const [method, text, length] of BODYLESS) {
    const [, status, fields] = /^HTTP\/1.1 (\d+) [^\r]*\r\n(.*)\r\n/s.exec(text)!;
    for (const version of ["1.1", "1.0"]) {
      it(`is one to ${method} in HTTP/${version}: ${status} ${JSON.stringify(fields)}`, async () => {
        pair.origin.answer = () => text;
        const client = await pair.connect();
        client.send(request(method, version, KEEP));
        const answer = await client.answer(method);
        assert.equal(answer.status, Number(status));
        assert.deepEqual(valuesOf(answer.fields, "content-length"), length);
        assert.deepEqual(valuesOf(answer.fields, "transfer-encoding"), []);
        await usable(client);
      });
    }
  }
});

describe("an informational response", { timeout: 120_000 }, () => {
  const FINAL = response("200 OK", "Content-Length: 2\r\n", "ok");
  const HINTS = response(
    "103 Early Hints",
    "Link: </a>\r\nConnection: x-b\r\nX-B: 1\r\nContent-Length: 0\r\n",
  );

  it("goes on to a client of HTTP/1.1, without the fields of one hop", async () => {
    pair.origin.answer = () => HINTS + response("102 Processing", "") + FINAL;
    const client = await pair.connect();
    client.send(request());
    const hints = await client.answer();
    assert.deepEqual([hints.status, hints.fields], [103, [["Link", "</a>"]]]);
    assert.equal((await client.answer()).status, 102);
    assert.equal((await client.answer()).body, "ok");
    await usable(client);
  });

  it("reaches the client before the final one is there", async () => {
    const client = await pair.connect();
    pair.origin.answer = (_, connection) => {
      connection.write(HINTS);
      client.connection.until("</a>\r\n\r\n").then(() => connection.write(FINAL));
      return null;
    };
    client.send(request());
    assert.equal((await client.answer()).status, 103);
    assert.equal((await client.answer()).status, 200);
    client.close();
  });

  it("is not for a client of HTTP/1.0", async () => {
    pair.origin.answer = () => HINTS + FINAL;
    const { answer } = await ask(pair.port, request("GET", "1.0"));
    assert.equal(answer.status, 200);
  });

  it("100 stays with the gateway, which was not asked", async () => {
    pair.origin.answer = () => response("100 Continue", "") + FINAL;
    const { answer, after: rest } = await ask(pair.port, request("GET", "1.1", "Connection: close\r\n"));
    assert.deepEqual([answer.status, rest], [200, ""]);
  });

  it("may come 32 times, and not once more", async () => {
    pair.origin.answer = () => response("100 Continue", "").repeat(32) + FINAL;
    assert.equal((await ask(pair.port, request())).answer.status, 200);
    pair.origin.answer = () => response("100 Continue", "").repeat(33) + FINAL;
    assert.equal((await ask(pair.port, request())).answer.status, 502);
  });
});

describe("Date", { timeout: 120_000 }, () => {
  it("is the backend's, or the gateway's where the backend sends none", async () => {
    pair.origin.answer = () => response("200 OK", "Content-Length: 0\r\nDate: then\r\n");
    assert.deepEqual(valuesOf((await ask(pair.port, request())).answer.fields, "date"), ["then"]);
    pair.origin.answer = () => response("200 OK", "Content-Length: 0\r\n");
    const date = valuesOf((await ask(pair.port, request())).answer.fields, "date")[0]!;
    assert.ok(Math.abs(Date.parse(date) - Date.now()) < 10_000, date);
  });
});
