// Files over HTTP/2, and behind policies that hold on to what is sent: lent buffers are read into again only when the
// client has taken what was in them. Runs in the test process.

import assert from "node:assert/strict";
import { type ClientHttp2Session, connect } from "node:http2";
import { after, before, describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { TestGateway } from "../support/gateway.ts";
import { ask, TestFiles } from "./files.ts";

/** Every eight characters say where they are. */
const LARGE = Array.from({ length: 400_000 }, (_, at) => at.toString(36).padStart(8, ".")).join("");

describe("files by other ways", () => {
  const files = new TestFiles({ "large.txt": LARGE, "small.txt": "small", "page/index.html": "page" });
  let gateway: TestGateway;
  let session: ClientHttp2Session;
  before(async () => {
    const root = `root: ${JSON.stringify(files.root)}`;
    const config = `routing:
  plain: { static: { ${root} } }
  packed: { path: /packed, strip_prefix: true, static: { ${root} }, policies: { compress: {} } }
  cached: { path: /cached, strip_prefix: true, static: { ${root}, cache_control: "max-age=60" }, policies: { cache: {} } }
`;
    gateway = await TestGateway.start(config, { server: "h2c: true" });
    session = connect(`http://127.0.0.1:${gateway.port}`);
  });
  after(async () => {
    session.destroy();
    await gateway.stop();
    files.remove();
  });

  async function askTwo(path: string, fields = {}): Promise<{ status: number; body: Buffer }> {
    const stream = session.request({ ":path": path, ...fields });
    let status = 0;
    stream.once("response", (headers) => {
      status = Number(headers[":status"]);
    });
    const chunks = (await stream.toArray()) as Buffer[];
    return { status, body: Buffer.concat(chunks) };
  }

  it("are whole over HTTP/2, several at once", async () => {
    const answers = await Promise.all(Array.from({ length: 4 }, () => askTwo("/large.txt")));
    for (const { status, body } of answers) {
      assert.equal(status, 200);
      assert.ok(body.toString() === LARGE);
    }
    assert.equal((await askTwo("/small.txt")).body.toString(), "small");
    const part = await askTwo("/large.txt", { range: "bytes=8-15" });
    assert.equal(part.status, 206);
    assert.equal(part.body.toString(), ".......1");
    assert.equal((await askTwo("/page")).status, 301);
    assert.equal((await askTwo("/nothing")).status, 404);
  });

  it("are whole when they are compressed on the way", async () => {
    const gzip = { "accept-encoding": "gzip" };
    assert.ok(gunzipSync((await askTwo("/packed/large.txt", gzip)).body).toString() === LARGE);
    const { headers, body } = await ask(gateway.port, "/packed/large.txt", gzip);
    assert.equal(headers["content-encoding"], "gzip");
    assert.match(headers.etag!, /^W\//);
    assert.ok(gunzipSync(Buffer.from(body, "latin1")).toString() === LARGE);
    const same = await ask(gateway.port, "/packed/large.txt", { ...gzip, "if-none-match": headers.etag! });
    assert.equal(same.status, 304);
  });

  it("are whole from a cache that kept them", async () => {
    for (let i = 0; i < 3; i++) {
      const { status, body } = await ask(gateway.port, "/cached/large.txt");
      assert.equal(status, 200);
      assert.ok(body === LARGE);
    }
  });
});
