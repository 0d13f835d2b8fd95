// Request heads on their way: target, Host, version and limits, as the client sends them and as the backend gets them.
// A real gateway between raw sockets.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { type Answer, ask } from "./client.ts";
import { Pair } from "./pair.ts";
import { valuesOf } from "./strict-reading.ts";

const LIMITS = { line: 256, bytes: 1024, count: 10, body: 100 };
const { line, bytes, count, body } = LIMITS;
const SECTIONS = `limits: { request_line: ${line}, header_bytes: ${bytes}, header_count: ${count}, body_size: ${body} }\n`;

let pair: Pair;
before(async () => {
  pair = await Pair.start({ sections: SECTIONS });
});
beforeEach(() => pair.origin.reset());
after(() => pair.stop());

/** Asserts that a text is answered with that status, that the connection is closed, and that no backend hears of it. */
async function refused(text: string, status: number): Promise<Answer> {
  const { answer, after: rest } = await ask(pair.port, text);
  assert.equal(answer.status, status, answer.body);
  assert.deepEqual(valuesOf(answer.fields, "connection"), ["close"]);
  assert.equal(rest, "");
  assert.deepEqual(pair.origin.requests, []);
  return answer;
}

async function passed(text: string): Promise<Answer> {
  const { answer } = await ask(pair.port, text);
  assert.equal(answer.status, 200, answer.body);
  return answer;
}

describe("a request target", { timeout: 120_000 }, () => {
  const FORWARDED: ReadonlyArray<readonly [line: string, forwarded: string, host: string]> = [
    ["GET / HTTP/1.1", "GET /", "a"],
    ["GET /x?y=%zz/../ HTTP/1.1", "GET /x?y=%zz/../", "a"],
    ["GET /a//b/./../%63/%2f/;x HTTP/1.1", "GET /a/c/%2F/;x", "a"],
    ["GET http://b.example:81/x/../y?z HTTP/1.1", "GET /y?z", "b.example:81"],
    ["GET http://b HTTP/1.1", "GET /", "b"],
    ["GET HTTPS://b?q HTTP/1.1", "GET /?q", "b"],
    ["OPTIONS * HTTP/1.1", "OPTIONS *", "a"],
    ["OPTIONS http://b HTTP/1.1", "OPTIONS *", "b"],
    ["OPTIONS /x HTTP/1.1", "OPTIONS /x", "a"],
    ["BREW /pot HTTP/1.1", "BREW /pot", "a"],
    ["\r\nGET /after-an-empty-line HTTP/1.1", "GET /after-an-empty-line", "a"],
  ];
  for (const [start, forwarded, host] of FORWARDED) {
    it(`${JSON.stringify(start)} goes on as ${forwarded} to ${host}`, async () => {
      await passed(`${start}\r\nHost: a\r\n\r\n`);
      const { method, target } = pair.origin.only;
      assert.equal(`${method} ${target}`, forwarded);
      assert.deepEqual(pair.origin.valuesOf("host"), [host]);
      assert.deepEqual(pair.origin.valuesOf("x-forwarded-host"), [host]);
    });
  }

  const REFUSED: ReadonlyArray<readonly [line: string, status: number]> = [
    ["GET * HTTP/1.1", 400],
    ["GET x HTTP/1.1", 400],
    ["GET ftp://b/ HTTP/1.1", 400],
    ["GET http://u@b/ HTTP/1.1", 400],
    ["GET /../x HTTP/1.1", 400],
    ["GET /a%2F..%2Fb HTTP/1.1", 400],
    ["GET /..;/x HTTP/1.1", 400],
    ["GET /%00 HTTP/1.1", 400],
    ["GET /%5Cx HTTP/1.1", 400],
    ["GET /x\\y HTTP/1.1", 400],
    ["GET /x#y HTTP/1.1", 400],
    ["GET /%4 HTTP/1.1", 400],
    ["CONNECT a:443 HTTP/1.1", 501],
    ["CONNECT / HTTP/1.1", 501],
    ["CONNECT http://a/ HTTP/1.1", 501],
  ];
  for (const [start, status] of REFUSED) {
    it(`${start} is refused with ${status}`, async () => {
      await refused(`${start}\r\nHost: a\r\n\r\n`, status);
    });
  }
});

describe("Host", { timeout: 120_000 }, () => {
  const REFUSED: ReadonlyArray<readonly [title: string, text: string]> = [
    ["none in HTTP/1.1", "GET / HTTP/1.1\r\n\r\n"],
    ["none beside an absolute-form target", "GET http://a/ HTTP/1.1\r\n\r\n"],
    ["two equal ones", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"],
    ["two in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"],
    ["an empty one", "GET / HTTP/1.1\r\nHost:\r\n\r\n"],
    ["a list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"],
    ["a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"],
    ["user information", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"],
    ["no number for a port", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"],
    ["a port above 65535", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"],
    ["an invalid one beside an absolute-form target", "GET http://a/ HTTP/1.1\r\nHost: b c\r\n\r\n"],
  ];
  for (const [title, text] of REFUSED) {
    it(`is refused: ${title}`, async () => {
      await refused(text, 400);
    });
  }

  for (const host of ["a", "A.Example:8080", "a_b.example.", "[::1]:80", "127.0.0.1"]) {
    it(`goes on as it came: ${host}`, async () => {
      await passed(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      assert.deepEqual(pair.origin.valuesOf("host"), [host]);
    });
  }

  it("is the backend's when a client of HTTP/1.0 names none", async () => {
    await passed("GET / HTTP/1.0\r\n\r\n");
    assert.deepEqual(pair.origin.valuesOf("host"), [`127.0.0.1:${pair.origin.port}`]);
    assert.deepEqual(pair.origin.valuesOf("x-forwarded-host"), []);
  });
});

describe("the version of a request", { timeout: 120_000 }, () => {
  const ANSWERS: ReadonlyArray<readonly [line: string, status: number]> = [
    ["GET / HTTP/2.0", 505],
    ["GET / HTTP/1.2", 505],
    ["GET / HTTP/0.9", 505],
    ["PRI * HTTP/2.0", 505],
    ["GET / HTTP/11", 400],
    ["GET / http/1.1", 400],
    ["GET / HTTPS/1.1", 400],
    ["GET /", 400],
  ];
  for (const [start, status] of ANSWERS) {
    it(`is refused with ${status}: ${start}`, async () => {
      await refused(`${start}\r\nHost: a\r\n\r\n`, status);
    });
  }
});

describe("the limits", { timeout: 120_000 }, () => {
  const target = (length: number) => `/${"x".repeat(length - "GET / HTTP/1.1\r\n".length)}`;
  const fields = (length: number) => `X: ${"x".repeat(length - "Host: a\r\nX: \r\n\r\n".length)}`;

  it("let in a request line that just fits, and refuse a longer one with 414", async () => {
    await passed(`GET ${target(line)} HTTP/1.1\r\nHost: a\r\n\r\n`);
    pair.origin.reset();
    await refused(`GET ${target(line + 1)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414);
  });

  it("refuse a request line without end", async () => {
    await refused(`GET /${"x".repeat(line)}`, 414);
  });

  it("let in fields that just fit, and refuse longer ones with 431", async () => {
    await passed(`GET / HTTP/1.1\r\nHost: a\r\n${fields(bytes)}\r\n\r\n`);
    pair.origin.reset();
    await refused(`GET / HTTP/1.1\r\nHost: a\r\n${fields(bytes + 1)}\r\n\r\n`, 431);
  });

  it("let in as many fields as may be, and refuse one more with 431", async () => {
    const many = (n: number) => `GET / HTTP/1.1\r\nHost: a\r\n${"X: y\r\n".repeat(n - 1)}\r\n`;
    await passed(many(count));
    pair.origin.reset();
    await refused(many(count + 1), 431);
  });

  it("refuse a body that is declared too long with 413, before it comes", async () => {
    await refused(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body + 1}\r\n\r\n`, 413);
  });

  it("let in a body that just fits, declared or chunked", async () => {
    const data = "x".repeat(body);
    await passed(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body}\r\n\r\n${data}`);
    await passed(
      `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n${data}\r\n0\r\n\r\n`,
    );
    assert.deepEqual(
      pair.origin.requests.map((seen) => seen.body),
      [data, data],
    );
  });

  it("refuse a chunked body with 413 when it turns out to be longer", async () => {
    const chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    await refused(`${chunked}65\r\n${"x".repeat(body + 1)}\r\n0\r\n\r\n`, 413);
    await refused(`${chunked}${"a\r\n0123456789\r\n".repeat(10)}1\r\nx\r\n0\r\n\r\n`, 413);
  });

  it("count neither chunk sizes nor extensions as body", async () => {
    await passed(
      `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${"1;xxxxxxxxxx\r\ny\r\n".repeat(body)}0\r\n\r\n`,
    );
  });
});

describe("a refusal", { timeout: 120_000 }, () => {
  it("says what was wrong, as JSON", async () => {
    const { body: text, fields: sent } = await refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400);
    assert.deepEqual(valuesOf(sent, "content-type"), ["application/json"]);
    assert.deepEqual(JSON.parse(text), {
      error: {
        code: "request_malformed",
        status: 400,
        message: 'Host "a b": expected a host and at most a port',
      },
    });
  });

  it("has no body for HEAD", async () => {
    const answer = await refused("HEAD / HTTP/1.1\r\nHost: a b\r\n\r\n", 400);
    assert.equal(answer.body, "");
  });
});
