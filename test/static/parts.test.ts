// Conditions and ranges over the whole program, of a file in memory and of one that is read. Runs in the test process.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { TestGateway } from "../support/gateway.ts";
import { type Answer, ask, startServing, TestFiles } from "./files.ts";

const SIZES = { small: 1000, large: 1_000_000 };
const content = (size: number) => Buffer.from(Array.from({ length: size }, (_, at) => (at * 7) % 251));

describe("parts of files", () => {
  const files = new TestFiles({
    "small.bin": content(SIZES.small),
    "large.bin": content(SIZES.large),
    "empty.bin": "",
  });
  let gateway: TestGateway;
  const get = (path: string, headers?: Record<string, string>, method?: string): Promise<Answer> =>
    ask(gateway.port, path, headers, method);
  before(async () => {
    gateway = await startServing(files.root, 'cache_control: "max-age=60"');
  });
  after(async () => {
    await gateway.stop();
    files.remove();
  });

  for (const [name, size] of Object.entries(SIZES)) {
    const path = `/${name}.bin`;
    const bytes = content(size).toString("latin1");

    it(`sends one range of a ${name} file`, async () => {
      for (const [range, start, end] of [
        ["bytes=0-9", 0, 10],
        ["bytes=990-", 990, size],
        ["bytes=-10", size - 10, size],
        ["bytes=5-99999999", 5, size],
      ] as const) {
        const { status, headers, body } = await get(path, { range });
        assert.equal(status, 206);
        assert.equal(headers["content-range"], `bytes ${start}-${end - 1}/${size}`);
        assert.equal(headers["content-length"], String(end - start));
        assert.equal(headers["content-type"], "application/octet-stream");
        assert.ok(body === bytes.slice(start, end), range);
      }
    });

    it(`sends several ranges of a ${name} file as multipart/byteranges`, async () => {
      const { status, headers, body } = await get(path, { range: `bytes=0-1,100-299,-5` });
      assert.equal(status, 206);
      assert.equal(headers["content-range"], undefined);
      const boundary = /^multipart\/byteranges; boundary=([0-9a-f]{32})$/.exec(headers["content-type"]!)![1]!;
      const piece = (start: number, end: number) =>
        `--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${start}-${end - 1}/${size}\r\n\r\n${bytes.slice(start, end)}\r\n`;
      assert.ok(body === `${piece(0, 2)}${piece(100, 300)}${piece(size - 5, size)}--${boundary}--\r\n`);
      assert.equal(headers["content-length"], String(body.length));
    });

    it(`says which bytes a ${name} file has where it has none of those asked for`, async () => {
      const { status, headers, body } = await get(path, { range: `bytes=${size}-` });
      assert.equal(status, 416);
      assert.equal(headers["content-range"], `bytes */${size}`);
      assert.equal(JSON.parse(body).error.code, "range_not_satisfiable");
    });

    it(`sends all of a ${name} file where a range is not to be looked at`, async () => {
      const { headers: fields } = await get(path);
      for (const headers of [
        { range: "bytes=5-1" },
        { range: "lines=1-2" },
        { range: "bytes=0-,0-" },
        { range: "bytes=0-9", "if-range": '"other"' },
        { range: "bytes=0-9", "if-range": `W/${fields.etag}` },
      ]) {
        const { status, body } = await get(path, headers);
        assert.equal(status, 200, JSON.stringify(headers));
        assert.ok(body === bytes);
      }
      const same = await get(path, { range: "bytes=0-9", "if-range": fields.etag! });
      assert.equal(same.status, 206);
      const head = await get(path, { range: "bytes=0-9" }, "HEAD");
      assert.equal(head.status, 200);
      assert.equal(head.headers["content-length"], String(size));
    });

    it(`answers conditions of a ${name} file`, async () => {
      const { headers: fields } = await get(path);
      for (const method of ["GET", "HEAD"]) {
        for (const headers of [
          { "if-none-match": fields.etag! },
          { "if-none-match": `"a", W/${fields.etag}` },
          { "if-modified-since": fields["last-modified"]! },
          { "if-none-match": fields.etag!, range: "bytes=0-9" },
        ]) {
          const answer = await get(path, headers, method);
          assert.equal(answer.status, 304, JSON.stringify(headers));
          assert.equal(answer.body, "");
          assert.equal(answer.headers.etag, fields.etag);
          assert.equal(answer.headers["cache-control"], "max-age=60");
          assert.equal(answer.headers["content-type"], undefined);
          assert.equal(answer.headers["content-length"], undefined);
        }
        const failed = await get(path, { "if-match": '"other"' }, method);
        assert.equal(failed.status, 412);
        const old = await get(path, { "if-unmodified-since": "Sun, 06 Nov 1994 08:49:37 GMT" }, method);
        assert.equal(old.status, 412);
        const other = await get(path, { "if-none-match": '"other"' }, method);
        assert.equal(other.status, 200);
      }
    });
  }

  it("has no range of an empty file", async () => {
    assert.equal((await get("/empty.bin", { range: "bytes=0-" })).status, 416);
    assert.equal((await get("/empty.bin")).headers["content-length"], "0");
    const { status } = await get("/empty.bin", { "if-none-match": "*" });
    assert.equal(status, 304);
  });
});
