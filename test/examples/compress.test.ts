// examples/compress, run as it is.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import { type Answer, ask } from "../http/client.ts";
import { Origin } from "../http/origin.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { TestGateway } from "../support/gateway.ts";

const DECODERS = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync } as const;

let origin: Origin;
let gateway: TestGateway;
before(async () => {
  origin = await Origin.start();
  gateway = await TestGateway.startExample("compress", { BACKEND_PORT: `${origin.port}` });
});
after(async () => {
  await gateway.stop();
  await origin.stop();
});

async function get(path: string, accepted: string): Promise<Answer> {
  const text = `GET ${path} HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: ${accepted}\r\n\r\n`;
  return (await ask(gateway.port, text)).answer;
}

for (const encoding of ["gzip", "br", "zstd"] as const) {
  it(`sends the page in ${encoding}`, async () => {
    const { fields, body } = await get("/", encoding);
    assert.deepEqual(valuesOf(fields, "content-encoding"), [encoding]);
    assert.match(DECODERS[encoding](Buffer.from(body, "latin1")).toString(), /^<!doctype html>\n/);
  });
}

it("leaves the account page as it is", async () => {
  const page = "<p>secret</p>".repeat(100);
  origin.answer = () =>
    `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: ${page.length}\r\n\r\n${page}`;
  assert.equal((await get("/account", "gzip")).body, page);
  assert.deepEqual(valuesOf((await get("/app", "gzip")).fields, "content-encoding"), ["gzip"]);
});
