// What the settings of `static` change, over the whole program. Runs in the test process.

import assert from "node:assert/strict";
import { mkdirSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { TestGateway } from "../support/gateway.ts";
import { type Answer, ask, TestFiles } from "./files.ts";

const SCRIPT = `${"let x = 1;\n".repeat(50)}`;
const LARGE = Buffer.alloc(200_000, "0123456789");

describe("settings of static files", () => {
  const files = new TestFiles({
    "index.html": "home",
    "app.js": SCRIPT,
    "app.js.br": brotliCompressSync(SCRIPT),
    "app.js.zst": zstdCompressSync(SCRIPT),
    "app.js.gz": gzipSync(SCRIPT),
    "large.txt": LARGE,
    "large.txt.gz": Buffer.alloc(100_000, "not really gzip "),
    "only.gz": "only",
    "alone.js.gz": "alone",
    "plain.css": "a{}",
    "assets/x.js": "x",
    "page.htm": "page",
    "other/default.htm": "default",
    "other/page.htm": "page of other",
    "list/<b>.txt": "",
    "list/sub/a": "",
    "list/.hidden": "",
    ".dot/.file": "dotted",
    "data.own": "own",
  });
  symlinkSync("../../..", files.at("list/out"));
  let gateway: TestGateway;
  const get = (path: string, headers?: Record<string, string>, method?: string): Promise<Answer> =>
    ask(gateway.port, path, headers, method);
  before(async () => {
    const root = `root: ${JSON.stringify(files.root)}`;
    gateway = await TestGateway.start(`routing:
  all: { static: { ${root} } }
  packed: { path: /packed, strip_prefix: true, static: { ${root}, precompressed: true } }
  chosen: { path: /chosen, strip_prefix: true, static: { ${root}, precompressed: [gzip, br] } }
  rules: { path: /rules, strip_prefix: /rules, static: { ${root}, cache_control: { "*.html": no-cache, "assets/*": "max-age=31536000, immutable" }, types: { .own: text/x-own } } }
  index: { path: /other, static: { ${root}, index: [default.htm, page.htm] } }
  one: { path: "exact:/one", strip_prefix: true, static: { ${root}, index: page.htm } }
  spa: { path: /spa, strip_prefix: true, static: { ${root}, spa_fallback: index.html, precompressed: true, cache_control: { index.html: no-cache } } }
  list: { path: /list, static: { ${root}, list: true } }
  dots: { path: /dots, strip_prefix: true, static: { ${root}, list: true, dotfiles: true } }
`);
  });
  after(async () => {
    await gateway.stop();
    files.remove();
  });

  it("serves the compressed neighbour that the client likes best", async () => {
    for (const [accepted, encoding, file] of [
      ["gzip, deflate, br, zstd", "br", brotliCompressSync(SCRIPT)],
      ["gzip, zstd", "zstd", zstdCompressSync(SCRIPT)],
      ["gzip", "gzip", gzipSync(SCRIPT)],
      ["gzip;q=1, br;q=0.1", "gzip", gzipSync(SCRIPT)],
      ["deflate", undefined, Buffer.from(SCRIPT)],
      ["br;q=0", undefined, Buffer.from(SCRIPT)],
    ] as const) {
      const { status, headers, body } = await get("/packed/app.js", { "accept-encoding": accepted });
      assert.equal(status, 200);
      assert.equal(headers["content-encoding"], encoding);
      assert.equal(headers["content-type"], "text/javascript; charset=utf-8");
      assert.equal(headers.vary, "Accept-Encoding");
      assert.ok(Buffer.from(body, "latin1").equals(file), accepted);
    }
    assert.equal((await get("/packed/app.js")).headers["content-encoding"], undefined);
    const { headers } = await get("/chosen/app.js", { "accept-encoding": "gzip, br, zstd" });
    assert.equal(headers["content-encoding"], "gzip");
    assert.equal((await get("/app.js", { "accept-encoding": "br" })).headers.vary, undefined);
  });

  it("tells one form from the other by its ETag, in conditions and ranges too", async () => {
    const tags = new Map<string, string>();
    for (const encoding of ["br", "zstd", "gzip", "identity"]) {
      const { headers } = await get("/packed/app.js", { "accept-encoding": encoding });
      tags.set(encoding, headers.etag!);
    }
    assert.equal(new Set(tags.values()).size, 4);
    const ofGzip = { "accept-encoding": "gzip", "if-none-match": tags.get("gzip")! };
    const same = await get("/packed/app.js", ofGzip);
    assert.equal(same.status, 304);
    assert.equal(same.headers.vary, "Accept-Encoding");
    assert.equal((await get("/packed/app.js", { ...ofGzip, "accept-encoding": "br" })).status, 200);
    const part = await get("/packed/app.js", { "accept-encoding": "gzip", range: "bytes=0-1" });
    assert.equal(part.status, 206);
    assert.equal(part.headers["content-encoding"], "gzip");
    assert.equal(part.body, "\x1f\x8b");
  });

  it("serves large compressed neighbours, and none without a file that they belong to", async () => {
    const { headers, body } = await get("/packed/large.txt", { "accept-encoding": "gzip" });
    assert.equal(headers["content-encoding"], "gzip");
    assert.equal(headers["content-type"], "text/plain; charset=utf-8");
    assert.equal(body.length, 100_000);
    assert.equal((await get("/packed/alone.js", { "accept-encoding": "gzip" })).status, 404);
    const own = await get("/packed/only.gz", { "accept-encoding": "gzip" });
    assert.equal(own.headers["content-encoding"], undefined);
    assert.equal(own.body, "only");
    assert.equal((await get("/packed/plain.css", { "accept-encoding": "gzip" })).headers.vary, undefined);
  });

  it("has Cache-Control and media types by rule", async () => {
    const control = async (path: string) => (await get(path)).headers["cache-control"];
    assert.equal(await control("/rules/"), "no-cache");
    assert.equal(await control("/rules/index.html"), "no-cache");
    assert.equal(await control("/rules/assets/x.js"), "max-age=31536000, immutable");
    assert.equal(await control("/rules/app.js"), undefined);
    assert.equal((await get("/rules/data.own")).headers["content-type"], "text/x-own");
  });

  it("has other index files, the first one that is there", async () => {
    assert.equal((await get("/other/")).body, "default");
    assert.equal((await get("/")).body, "home");
  });

  it("takes off the prefix, and redirects to what the client knows", async () => {
    assert.equal((await get("/packed/")).body, "home");
    for (const [path, location] of [
      ["/packed", "/packed/"],
      ["/packed?x", "/packed/?x"],
      ["/packed/assets", "/packed/assets/"],
    ] as const) {
      const { status, headers } = await get(path);
      assert.equal(status, 301);
      assert.equal(headers.location, location);
    }
    assert.equal((await get("/packedx")).status, 404);
  });

  it("sends the page of the application where a browser opens an address without a file", async () => {
    const html = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
    for (const path of ["/spa/users/7", "/spa/users/jane.doe", "/spa/assets/", "/spa/app.js/x"]) {
      for (const method of ["GET", "HEAD"]) {
        const { status, headers, body } = await get(path, html, method);
        assert.equal(status, 200, path);
        assert.equal(body, method === "GET" ? "home" : "");
        assert.equal(headers["content-type"], "text/html; charset=utf-8");
        assert.equal(headers["cache-control"], "no-cache");
        assert.equal(headers.vary, "Accept");
      }
    }
    assert.equal((await get("/spa/app.js", html)).body, SCRIPT);
    assert.equal((await get("/spa/assets", html)).status, 301);
    const { headers } = await get("/spa/x", html);
    assert.equal((await get("/spa/x", { ...html, "if-none-match": headers.etag! })).status, 304);
    for (const accept of ["*/*", "application/json", "text/html;q=0", "text/htmlx", "image/*"])
      assert.equal((await get("/spa/x", { accept })).status, 404, accept);
    assert.equal((await get("/spa/x")).status, 404);
    for (const path of ["/spa/.env", "/spa/a%2Fb"]) assert.equal((await get(path, html)).status, 404, path);
    assert.equal((await get("/spa/x", html, "POST")).status, 405);
  });

  it("sends 404 again once the page of the application is gone", async () => {
    const html = { accept: "text/html" };
    mkdirSync(files.at("away"));
    renameSync(files.at("index.html"), files.at("away/index.html"));
    try {
      let answer = await get("/spa/gone", html);
      const until = performance.now() + 10_000;
      while (answer.status === 200 && performance.now() < until) answer = await get("/spa/gone", html);
      assert.equal(answer.status, 404);
    } finally {
      renameSync(files.at("away/index.html"), files.at("index.html"));
    }
  });

  it("lists a folder without an index file, only where that is wanted", async () => {
    const { status, headers, body } = await get("/list/");
    assert.equal(status, 200);
    assert.equal(headers["content-type"], "text/html; charset=utf-8");
    assert.match(body, /<a href="\.\/sub\/">sub\/<\/a>/);
    assert.match(body, /<a href="\.\/%3Cb%3E\.txt">&lt;b&gt;\.txt<\/a>/);
    assert.doesNotMatch(body, /hidden/);
    assert.equal((await get("/list/", { "if-none-match": headers.etag! })).status, 304);
    assert.equal((await get("/list/sub")).status, 301);
    assert.match((await get("/list/sub/")).body, /href="\.\.\/"/);
    assert.equal((await get("/list/nothing/")).status, 404);
    assert.equal((await get("/assets/")).status, 404);
  });

  it("neither lists nor redirects to a folder outside", async () => {
    for (const path of ["/list/out/", "/list/out", "/dots/list/out/", "/dots/list/out"]) {
      const { status, body } = await get(path, {});
      assert.equal(status, 404);
      assert.equal(JSON.parse(body).error.code, "file_not_found");
    }
    const line = await gateway.logged(({ msg }) =>
      msg.includes(`${join(files.root, "list/out")} is not below`),
    );
    assert.equal(line.level, "warn");
  });

  it("serves dotfiles where that is wanted", async () => {
    assert.equal((await get("/dots/.dot/.file")).body, "dotted");
    assert.match((await get("/dots/list/")).body, /\.hidden/);
    assert.equal((await get("/.dot/.file")).status, 404);
  });
});
