// Files over the whole program: what is served at which path, with which fields. Runs in the test process.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { TestGateway } from "../support/gateway.ts";
import { RawConnection } from "../support/raw.ts";
import { type Answer, ask, startServing, TestFiles } from "./files.ts";

const LARGE = Buffer.from(Array.from({ length: 300_000 }, (_, at) => at % 251));

describe("static files", () => {
  const files = new TestFiles({
    "index.html": "home",
    "hello.txt": "Hello, world\n",
    "empty.css": "",
    "large.bin": LARGE,
    "docs/index.html": "the docs",
    "bare/a.txt": "a",
    "no-extension": "?",
    "UPPER.HTML": "loud",
    "späße & 100%.txt": "fun",
    "\u{1f600}/\u4e2d.txt": "wide",
    ".well-known/security.txt": "Contact: x",
    ".env": "SECRET=1",
    ".git/config": "secret",
    "docs/.hidden": "secret",
    "docs/.well-known/x": "secret",
    "a.tar.gz": "zip",
    "../outside.txt": "secret",
  });
  let gateway: TestGateway;
  const get = (path: string, headers?: Record<string, string>, method?: string): Promise<Answer> =>
    ask(gateway.port, path, headers, method);
  before(async () => {
    gateway = await startServing(files.root);
  });
  after(async () => {
    await gateway.stop();
    files.remove();
  });

  const FOUND: ReadonlyArray<readonly [path: string, body: string, type: string]> = [
    ["/", "home", "text/html; charset=utf-8"],
    ["/index.html", "home", "text/html; charset=utf-8"],
    ["/hello.txt", "Hello, world\n", "text/plain; charset=utf-8"],
    ["/hello.txt?x=1", "Hello, world\n", "text/plain; charset=utf-8"],
    ["/h%65llo.txt", "Hello, world\n", "text/plain; charset=utf-8"],
    ["//hello.txt", "Hello, world\n", "text/plain; charset=utf-8"],
    ["/docs/../hello.txt", "Hello, world\n", "text/plain; charset=utf-8"],
    ["/empty.css", "", "text/css; charset=utf-8"],
    ["/docs/", "the docs", "text/html; charset=utf-8"],
    ["/bare/a.txt", "a", "text/plain; charset=utf-8"],
    ["/no-extension", "?", "application/octet-stream"],
    ["/UPPER.HTML", "loud", "text/html; charset=utf-8"],
    ["/sp%C3%A4%C3%9Fe%20&%20100%25.txt", "fun", "text/plain; charset=utf-8"],
    ["/%F0%9F%98%80/%E4%B8%AD.txt", "wide", "text/plain; charset=utf-8"],
    ["/.well-known/security.txt", "Contact: x", "text/plain; charset=utf-8"],
    ["/a.tar.gz", "zip", "application/gzip"],
  ];
  for (const [path, body, type] of FOUND) {
    it(`serves ${path}`, async () => {
      const answer = await get(path);
      assert.equal(answer.status, 200);
      assert.equal(answer.body, body);
      assert.equal(answer.headers["content-type"], type);
      assert.equal(answer.headers["content-length"], String(body.length));
      assert.equal(answer.headers["accept-ranges"], "bytes");
      assert.match(answer.headers.etag!, /^"[\w-]+"$/);
      assert.match(answer.headers["last-modified"]!, / GMT$/);
      assert.equal(answer.headers["cache-control"], undefined);
      assert.equal(answer.headers.vary, undefined);
    });
  }

  const MISSING = [
    "/nothing",
    "/hello.txt/",
    "/hello.txt/x",
    "/bare/",
    "/docs%2Findex.html",
    "/%2Fetc%2Fpasswd",
    "/.env",
    "/%2Eenv",
    "/.git/config",
    "/docs/.hidden",
    "/docs/.well-known/x",
    "/.well-known-not/x",
    "/%252e%252e/outside.txt",
    "/%C3%28",
    "/%FF",
    `/${"x".repeat(300)}`,
    `/${"x/".repeat(3000)}`,
  ];
  for (const path of MISSING) {
    it(`has nothing at ${path.slice(0, 40)}`, async () => {
      const answer = await get(path);
      assert.equal(answer.status, 404);
      assert.equal(JSON.parse(answer.body).error.code, "file_not_found");
      assert.doesNotMatch(answer.body, /secret|SECRET/);
    });
  }

  const REFUSED = [
    "/../outside.txt",
    "/%2e%2e/outside.txt",
    "/..%2Foutside.txt",
    "/docs/..%5C..%5Csecret",
    "/a%00.txt",
    "/a\\b",
  ];
  for (const path of REFUSED) {
    it(`refuses ${path}`, async () => {
      const connection = await RawConnection.connect(gateway.port);
      connection.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      assert.match(await connection.untilEnd(), /^HTTP\/1\.1 400 /);
      connection.destroy();
    });
  }

  it("sends a large file whole", async () => {
    const { status, body, headers } = await get("/large.bin");
    assert.equal(status, 200);
    assert.equal(headers["content-length"], "300000");
    assert.ok(Buffer.from(body, "latin1").equals(LARGE));
  });

  it("sends the head alone for HEAD, of small and of large files", async () => {
    for (const path of ["/hello.txt", "/large.bin"]) {
      const { headers: wanted } = await get(path);
      const { status, body, headers } = await get(path, {}, "HEAD");
      assert.equal(status, 200);
      assert.equal(body, "");
      assert.deepEqual({ ...headers, date: "" }, { ...wanted, date: "" });
    }
  });

  it("redirects to a folder, with the query", async () => {
    for (const [path, location] of [
      ["/docs", "/docs/"],
      ["/docs?a=b&c", "/docs/?a=b&c"],
      ["//docs", "/docs/"],
      ["/bare", "/bare/"],
    ] as const) {
      const { status, headers } = await get(path);
      assert.equal(status, 301);
      assert.equal(headers.location, location);
    }
  });

  it("takes no other methods", async () => {
    for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
      const { status, headers } = await get("/hello.txt", { "content-length": "0" }, method);
      assert.equal(status, 405);
      assert.equal(headers.allow, "GET, HEAD, OPTIONS");
    }
    const options = await get("/hello.txt", {}, "OPTIONS");
    assert.equal(options.status, 204);
    assert.equal(options.headers.allow, "GET, HEAD, OPTIONS");
    assert.equal((await get("*", {}, "OPTIONS")).status, 204);
  });

  it("serves one request after the other on a connection, sent ahead too, and nothing beside the answers", async () => {
    const connection = await RawConnection.connect(gateway.port);
    const one = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
    connection.write(
      one("/hello.txt") + one("/large.bin") + one("/nothing") + one("/large.bin") + one("/docs/"),
    );
    const received = await connection.until("the docs");
    const bodies = [
      "Hello, world\n",
      LARGE.toString("latin1"),
      "{.*}\n",
      LARGE.toString("latin1"),
      "the docs",
    ];
    let rest = received;
    for (const body of bodies) {
      const head = /^HTTP\/1\.1 (200 OK|404 Not Found)\r\n(?:[^\r\n]+\r\n)+\r\n/.exec(rest)?.[0] ?? "";
      assert.notEqual(head, "");
      const length = Number(/^Content-Length: (\d+)\r$/m.exec(head)![1]);
      if (!body.startsWith("{")) assert.ok(rest.slice(head.length, head.length + length) === body);
      rest = rest.slice(head.length + length);
    }
    assert.equal(rest, "");
    connection.destroy();
  });

  it("serves HTTP/1.0", async () => {
    const connection = await RawConnection.connect(gateway.port);
    connection.write("GET /large.bin HTTP/1.0\r\n\r\n");
    const received = await connection.untilEnd();
    assert.match(received, /^HTTP\/1\.1 200 OK\r\n/);
    assert.ok(received.slice(received.indexOf("\r\n\r\n") + 4) === LARGE.toString("latin1"));
    connection.destroy();
  });
});
