// examples/static, run as it is.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, it } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { ask } from "../static/files.ts";
import { TestGateway } from "../support/gateway.ts";

const ROOT = fileURLToPath(new URL("../../examples/static/public", import.meta.url));
const SCRIPT = "/assets/app.3f9a1c.js";

let gateway: TestGateway;
before(async () => {
  gateway = await TestGateway.startExample("static", { ROOT });
});
after(() => gateway.stop());

it("sends the page for every address that a browser opens, and for no other", async () => {
  const html = { accept: "text/html" };
  for (const path of ["/", "/users/7"]) {
    const { status, headers, body } = await ask(gateway.port, path, html);
    assert.equal(status, 200);
    assert.equal(headers["cache-control"], "no-cache");
    assert.match(body, /<script type="module"/);
  }
  assert.equal((await ask(gateway.port, "/users/7")).status, 404);
});

it("sends the script compressed, to be kept for a year", async () => {
  const { headers, body } = await ask(gateway.port, SCRIPT, { "accept-encoding": "gzip, br" });
  assert.equal(headers["content-encoding"], "gzip");
  assert.equal(headers["cache-control"], "public, max-age=31536000, immutable");
  assert.deepEqual(gunzipSync(Buffer.from(body, "latin1")), readFileSync(ROOT + SCRIPT));
  assert.equal((await ask(gateway.port, SCRIPT)).body, readFileSync(ROOT + SCRIPT, "latin1"));
});

it("lists the downloads, and sends a part of one", async () => {
  assert.match((await ask(gateway.port, "/downloads/")).body, /href="\.\/notes\.txt"/);
  const { status, body } = await ask(gateway.port, "/downloads/notes.txt", { range: "bytes=0-4" });
  assert.equal(status, 206);
  assert.equal(body, "Notes");
});

it("leaves the API alone", async () => {
  assert.deepEqual(JSON.parse((await ask(gateway.port, "/api/x")).body), { hello: "world" });
});
