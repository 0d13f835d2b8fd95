// The policy `error_pages`: which errors get which page, what stays of the response, and that nothing is left over of the one
// that is not sent. Runs against a gateway in a process of its own.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { type Answer, ask, Client } from "../http/client.ts";
import { Pair } from "../http/pair.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { RawBackend, type RawConnection } from "../support/raw.ts";

const HTML = "<style>p { color: red }</style><p>{status} {reason} {path} {unknown}</p>";

function routes(folder: string): string {
  return `
  own: { path: /own, upstream: nobody, policies: { error_pages: { pages: {
    502: { body: "{status} {code} {method} {route} {client} {host}", content_type: text/plain },
    5xx: { body: "another" } } } } },
  json: { path: /json, upstream: nobody, policies: { error_pages: { pages: {
    502: { file: ${folder}/e.json } } } } },
  taken: { path: /taken, upstream: origin, policies: { error_pages: { intercept: true, pages: {
    404: ${folder}/404.html, 5xx: { body: "<h1>{status} {reason}</h1>" } } } } },
  early: { path: /early, upstream: early, policies: { error_pages: { intercept: true, pages: {
    5xx: { body: "<h1>{status} {reason}</h1>" } } } } },
  answered: { path: /answered, respond: { status: 404, body: mine }, policies: { error_pages: { intercept: true, pages: {
    404: { body: page } } } } },
  off: { path: /off, upstream: nobody, policies: { error_pages: { enabled: false } } },
  limited: { path: /limited, upstream: origin, limits: { body_size: 3 },
    policies: { error_pages: { pages: { 413: { body: too much } } }, rate_limit: { enabled: false, rate: 1/s } } },`;
}

describe("the policy error_pages", () => {
  let folder: string;
  let pair: Pair;
  let backend: RawBackend;
  before(async () => {
    backend = await RawBackend.start(() => {});
    folder = mkdtempSync(join(tmpdir(), "sluice-error-pages-"));
    writeFileSync(join(folder, "404.html"), HTML);
    writeFileSync(join(folder, "e.json"), '{"s":{status},"path":"{path}"}');
    pair = await Pair.start({
      backends: `nobody: [{ host: 127.0.0.1, port: 1 }], early: [{ host: 127.0.0.1, port: ${backend.port} }]`,
      routes: routes(folder),
      sections: `policies: { error_pages: { pages: { 404: ${folder}/404.html } } }\n`,
    });
  });
  beforeEach(() => pair.origin.reset());
  after(async () => {
    await pair.stop();
    await backend.stop();
    rmSync(folder, { recursive: true });
  });

  async function get(path: string, fields = "", method = "GET"): Promise<Answer> {
    const { answer } = await ask(pair.port, `${method} ${path} HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n`);
    return answer;
  }

  it("gives an error of the gateway its page, with the variables", async () => {
    const { status, body, fields } = await get("/own");
    assert.equal(status, 502);
    assert.equal(body, "502 connect_failed GET own 127.0.0.1 a.test");
    assert.deepEqual(valuesOf(fields, "content-type"), ["text/plain"]);
    assert.deepEqual(valuesOf(fields, "vary"), ["Accept"]);
  });

  it("finds the type by the ending, and lets no value break out of it", async () => {
    const { body, fields } = await get("/json/a'b");
    assert.deepEqual(valuesOf(fields, "content-type"), ["application/json"]);
    assert.equal(body, `{"s":502,"path":"/json/a'b"}`);
  });

  it("leaves errors of backends alone unless it is told to", async () => {
    pair.origin.answer = () => "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone";
    assert.equal((await get("/other")).body, "gone");
  });

  it("takes the place of a backend's error, and keeps what is not about its body", async () => {
    pair.origin.answer = () =>
      'HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nContent-Type: text/x\r\nContent-Encoding: gzip\r\nETag: "a"\r\n' +
      "Set-Cookie: a=1\r\nRetry-After: 7\r\nAllow: GET\r\nWWW-Authenticate: Basic\r\nVary: Cookie\r\n\r\ngone";
    const { status, body, fields } = await get("/taken/x'y%3Cb%3E");
    assert.equal(status, 404);
    assert.equal(body, "<style>p { color: red }</style><p>404 Not Found /taken/x&#39;y%3Cb%3E {unknown}</p>");
    for (const [name, value] of [
      ["set-cookie", "a=1"],
      ["retry-after", "7"],
      ["allow", "GET"],
      ["www-authenticate", "Basic"],
      ["content-type", "text/html; charset=utf-8"],
      ["content-length", String(body.length)],
    ] as const)
      assert.deepEqual(valuesOf(fields, name), [value], name);
    assert.deepEqual(valuesOf(fields, "vary"), ["Cookie", "Accept"]);
    for (const gone of ["content-encoding", "etag"]) assert.deepEqual(valuesOf(fields, gone), [], gone);
  });

  it("takes the place of a fixed response", async () => {
    assert.equal((await get("/answered")).body, "page");
  });

  it("leaves a good response alone", async () => {
    assert.equal((await get("/taken")).body, "ok");
  });

  it("leaves the error as it is for a client that wants something else", async () => {
    for (const accept of ["application/json", "application/json, */*", "text/html"]) {
      const { body } = await get("/own", `Accept: ${accept}\r\n`);
      assert.match(
        body,
        accept === "text/html" ? /^<!doctype html>/ : /^\{"error":\{"code":"connect_failed"/,
      );
    }
  });

  it("can be switched off by a route", async () => {
    assert.match((await get("/off")).body, /connect_failed/);
  });

  it("sends no body to HEAD, but its length", async () => {
    const { status, body, fields } = await get("/own", "", "HEAD");
    assert.equal(status, 502);
    assert.equal(body, "");
    // The method is in this page.
    assert.deepEqual(valuesOf(fields, "content-length"), [
      String("502 connect_failed HEAD own 127.0.0.1 a.test".length),
    ]);
  });

  it("keeps both connections when a short body is not sent", async () => {
    const client = await Client.connect(pair.port);
    for (const framing of [
      "Content-Length: 4\r\n\r\ngone",
      "Transfer-Encoding: chunked\r\n\r\n4\r\ngone\r\n0\r\n\r\n",
    ]) {
      pair.origin.answer = () => `HTTP/1.1 500 Oops\r\n${framing}`;
      client.send("GET /taken HTTP/1.1\r\nHost: a\r\n\r\n");
      assert.equal((await client.answer()).body, "<h1>500 Internal Server Error</h1>");
    }
    client.close();
    assert.equal(new Set(pair.origin.requests.map(({ connection }) => connection)).size, 1);
  });

  it("answers at once when the body does not come, and the next request on the connection too", async () => {
    pair.origin.answer = (_, connection) => {
      connection.write("HTTP/1.1 500 Oops\r\nContent-Length: 1000\r\n\r\nslow");
      return null;
    };
    const client = await Client.connect(pair.port);
    for (let i = 0; i < 2; i++) {
      client.send("GET /taken HTTP/1.1\r\nHost: a\r\n\r\n");
      assert.equal((await client.answer()).status, 500);
    }
    // What comes late is for nobody.
    for (const connection of pair.origin.backend.connections) connection.write("x".repeat(996));
    pair.origin.answer = () => "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";
    client.send("GET /taken HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.equal((await client.answer()).body, "fine");
    client.close();
  });

  it("reads no long body to its end", async () => {
    let sent: RawConnection | null = null;
    pair.origin.answer = (_, connection) => {
      sent = connection;
      connection.write("HTTP/1.1 500 Oops\r\n\r\n");
      const more = () => {
        while (
          !connection.closed &&
          connection.socket.writable &&
          connection.socket.write("x".repeat(10_000))
        );
      };
      connection.socket.on("drain", more);
      more();
      return null;
    };
    assert.equal((await get("/taken")).body, "<h1>500 Internal Server Error</h1>");
    await sent!.untilEnd();
  });

  it("gives up a backend that answers before it has the whole request", async () => {
    const client = await Client.connect(pair.port);
    client.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    const early = await backend.connection(0);
    await early.until("abc");
    early.write("HTTP/1.1 500 Oops\r\nContent-Length: 1000\r\n\r\nslow");
    assert.equal((await client.answer("POST")).body, "<h1>500 Internal Server Error</h1>");
    await early.untilEnd();
    await client.ended();
  });

  it("gives a body that is too long its page, however it was found out", async () => {
    for (const fields of [
      "Content-Length: 4\r\n\r\nlong",
      "Transfer-Encoding: chunked\r\n\r\n4\r\nlong\r\n0\r\n\r\n",
    ]) {
      const { answer } = await ask(pair.port, `POST /limited HTTP/1.1\r\nHost: a\r\n${fields}`);
      assert.deepEqual([answer.status, answer.body], [413, "too much"]);
    }
  });

  it("of the file has a page for what no route is for, which a reload reads anew", async () => {
    const config = `policies: { error_pages: { pages: { 404: ${folder}/none.html } } }\nrouting: { a: { hosts: b.test, respond: {} } }`;
    for (const text of ["first {path}", "second {path}"]) {
      writeFileSync(join(folder, "none.html"), text);
      await pair.gateway.adopt(config);
      assert.equal((await get("/nowhere")).body, text.replace("{path}", "/nowhere"));
    }
    rmSync(join(folder, "none.html"));
    pair.gateway.configure(config);
    assert.equal((await pair.gateway.reload()).level, "error");
    assert.equal((await get("/nowhere")).body, "second /nowhere");
  });
});
