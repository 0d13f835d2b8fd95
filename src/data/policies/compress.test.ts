// The policy `compress` between an action and a client: what is compressed, and how a body in pieces goes through. Runs in the
// test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { brotliDecompressSync, constants, gunzipSync, zstdDecompressSync } from "node:zlib";
import type { CompressEncoding, CompressSpec } from "../../config/snapshot.ts";
import { createCompress } from "./compress.ts";
import { type CompressorStream, createCompressor } from "./compressor.ts";
import { FakeClient } from "./fake-client.test.ts";

const DECODERS = {
  gzip: (body: Buffer) => gunzipSync(body, { finishFlush: constants.Z_SYNC_FLUSH }),
  br: (body: Buffer) => brotliDecompressSync(body, { finishFlush: constants.BROTLI_OPERATION_FLUSH }),
  zstd: (body: Buffer) => zstdDecompressSync(body, { finishFlush: constants.ZSTD_e_flush }),
} as const satisfies Record<CompressEncoding, (body: Buffer) => Buffer>;

const TEXT = Buffer.from("all work and no play makes a dull page. ".repeat(100));
const JSON_TYPE = { "Content-Type": "application/json" };
const ALL = "gzip, br, zstd";

const SPEC: CompressSpec = {
  encodings: ["zstd", "br", "gzip"],
  types: [
    ["text/", ""],
    ["application/json", null],
    ["application/", "+json"],
    ["image/svg+xml", null],
  ],
  minBytes: 1024,
  level: "balanced",
};

function policy(settings: Partial<CompressSpec> = {}) {
  return createCompress({ ...SPEC, ...settings });
}

function clientFor(accepted: string | null, request: object = {}): FakeClient {
  return new FakeClient(accepted === null ? {} : { "Accept-Encoding": accepted }, request);
}

describe("the encoding of a response", () => {
  const CASES: ReadonlyArray<readonly [accepted: string | null, encoding: string | null]> = [
    [null, null],
    ["", null],
    ["gzip", "gzip"],
    ["gzip, deflate, br, zstd", "zstd"],
    ["gzip, deflate, br", "br"],
    ["gzip;q=1, br;q=0.5", "gzip"],
    ["br;q=0, zstd;q=0, gzip;q=0.1", "gzip"],
    ["*", "zstd"],
    ["*;q=0.5, zstd;q=0", "br"],
    ["identity", null],
    ["identity;q=0.5, gzip;q=0.1", null],
    ["identity;q=0, gzip", "gzip"],
    ["*;q=0", null],
    ["deflate", null],
    ["GZIP", "gzip"],
    ["x-gzip", "gzip"],
  ];
  const shared = policy();
  for (const [accepted, encoding] of CASES) {
    it(`is ${encoding ?? "none"} for ${JSON.stringify(accepted)}`, () => {
      const client = clientFor(accepted).enter(shared);
      client.respond(200, JSON_TYPE, TEXT, { last: true });
      assert.equal(client.field("content-encoding"), encoding);
      assert.equal(client.field("vary"), "Accept-Encoding");
      const decode = encoding === null ? (body: Buffer) => body : DECODERS[encoding as CompressEncoding];
      assert.deepEqual(decode(client.body), TEXT);
      assert.equal(client.head?.bodyLength, client.body.length);
    });
  }

  it("is what the configuration likes best of what the client likes as well", () => {
    const client = clientFor(ALL).enter(policy({ encodings: ["gzip", "br"] }));
    client.respond(200, JSON_TYPE, TEXT, { last: true });
    assert.equal(client.field("content-encoding"), "gzip");
  });
});

describe("a response is left as it is", () => {
  const CASES: ReadonlyArray<readonly [what: string, status: number, fields: Record<string, string>]> = [
    ["with an encoding of its own", 200, { ...JSON_TYPE, "Content-Encoding": "gzip" }],
    ["that must not be transformed", 200, { ...JSON_TYPE, "Cache-Control": "public, No-Transform" }],
    ["of an event stream", 200, { "Content-Type": "text/event-stream; charset=utf-8" }],
    ["of another type", 200, { "Content-Type": "image/png" }],
    ["without a type", 200, {}],
    ["that is a part", 206, { ...JSON_TYPE, "Content-Range": "bytes 0-1/2" }],
    ["with a range", 200, { ...JSON_TYPE, "Content-Range": "bytes 0-1/2" }],
    ["with a type that only begins alike", 200, { "Content-Type": "application/json5" }],
  ];
  for (const [what, status, fields] of CASES) {
    it(what, () => {
      const client = clientFor(ALL).enter(policy());
      client.respond(status, fields, TEXT, { last: true });
      assert.deepEqual(client.body, TEXT);
      assert.equal(client.field("vary"), null);
      assert.equal(client.field("content-encoding"), fields["Content-Encoding"] ?? null);
    });
  }

  it("without a body", () => {
    for (const status of [204, 304, 200]) {
      const client = clientFor(ALL).enter(policy({ minBytes: 0 }));
      client.respond(status, { ...JSON_TYPE, ETag: '"a"' }, null, { last: true });
      assert.deepEqual([client.field("content-encoding"), client.field("etag")], [null, '"a"'], `${status}`);
    }
  });

  it("below the least size, to the byte, where its length is known", () => {
    for (const [length, encoding] of [
      [1023, null],
      [1024, "zstd"],
    ] as const) {
      const client = clientFor(ALL).enter(policy());
      client.respond(200, JSON_TYPE, Buffer.alloc(length, "a"), { last: true });
      assert.equal(client.field("content-encoding"), encoding);
    }
  });

  it("that would not become shorter", () => {
    const random = Buffer.from(crypto.getRandomValues(new Uint8Array(5000)));
    const client = clientFor(ALL).enter(policy());
    client.respond(200, JSON_TYPE, random, { last: true });
    assert.deepEqual(client.body, random);
    assert.deepEqual([client.field("content-encoding"), client.field("vary")], [null, "Accept-Encoding"]);
  });
});

describe("the types that are compressed", () => {
  const CASES: ReadonlyArray<readonly [type: string, isTaken: boolean]> = [
    ["text/html", true],
    ["Text/HTML; charset=utf-8", true],
    ["application/problem+json", true],
    ["application/+json", true],
    ["application/json+x", false],
    ["image/svg+xml", true],
    ["application/octet-stream", false],
  ];
  const shared = policy();
  for (const [type, isTaken] of CASES) {
    it(`${isTaken ? "have" : "have no"} ${type}`, () => {
      for (let i = 0; i < 2; i++) {
        const client = clientFor(ALL).enter(shared);
        client.respond(200, { "Content-Type": type }, TEXT, { last: true });
        assert.equal(client.field("content-encoding"), isTaken ? "zstd" : null);
      }
    });
  }
});

describe("fields of a compressed response", () => {
  it("say what is true of it", () => {
    const fields = {
      ...JSON_TYPE,
      ETag: '"a"',
      "Accept-Ranges": "bytes",
      "Content-MD5": "x",
      "Repr-Digest": "x",
      Vary: "Cookie",
      "Last-Modified": "Wed, 25 Nov 2026 00:00:00 GMT",
    };
    const client = clientFor(ALL).enter(policy());
    client.respond(200, fields, TEXT, { last: true });
    assert.equal(client.field("etag"), 'W/"a"');
    for (const gone of ["accept-ranges", "content-md5", "repr-digest"])
      assert.equal(client.field(gone), null, gone);
    assert.ok(client.field("last-modified") !== null);
    assert.equal(
      client.head!.headers.has("vary", "Cookie") && client.head!.headers.has("vary", "Accept-Encoding"),
      true,
    );
  });

  it("keep a weak tag, and the tag of what is not compressed", () => {
    const weak = clientFor(ALL).enter(policy());
    weak.respond(200, { ...JSON_TYPE, ETag: 'W/"a"' }, TEXT, { last: true });
    assert.equal(weak.field("etag"), 'W/"a"');
    const plain = clientFor("identity").enter(policy());
    plain.respond(200, { ...JSON_TYPE, ETag: '"a"' }, TEXT, { last: true });
    assert.equal(plain.field("etag"), '"a"');
  });

  it("of a 304 have the tag that the client has", () => {
    for (const [asked, expected] of [
      ['W/"a"', 'W/"a"'],
      ['"a"', '"a"'],
      ['W/"b", W/"a"', 'W/"a"'],
    ] as const) {
      const client = new FakeClient({ "Accept-Encoding": ALL, "If-None-Match": asked }).enter(policy());
      client.respond(304, { ETag: '"a"' }, null, { last: true });
      assert.equal(client.field("etag"), expected);
    }
  });

  it("are for HEAD what they are for GET, without a length", () => {
    const client = clientFor(ALL, { method: "HEAD" }).enter(policy());
    client.respond(200, { ...JSON_TYPE, ETag: '"a"' }, null, { last: true, length: 5000 });
    assert.deepEqual(
      [client.field("content-encoding"), client.field("etag"), client.head?.bodyLength, client.ended],
      ["zstd", 'W/"a"', -1, true],
    );
  });
});

it("a body whose compressor fails is cut, and its action given up", () => {
  const streams: CompressorStream[] = [];
  const create: typeof createCompressor = (encoding, level) => {
    const compressor = createCompressor(encoding, level);
    const stream = () => {
      const made = compressor.stream();
      streams.push(made);
      return made;
    };
    return { ...compressor, stream };
  };
  const client = clientFor("gzip").enter(createCompress(SPEC, create));
  client.respond(200, JSON_TYPE, TEXT);
  streams[0]!.emit("error", new Error("out of memory"));
  assert.deepEqual([client.wasCut, client.aborts, client.exchange.error?.code], [true, 1, "internal"]);
});

for (const encoding of ["gzip", "br", "zstd"] as const) {
  describe(`a body in pieces, with ${encoding}`, () => {
    it("comes out whole, though each piece is valid for its call only", async () => {
      const client = clientFor(encoding).enter(policy());
      const layer = client.exchange.client;
      const piece = Buffer.alloc(30_000);
      const sent: Buffer[] = [];
      client.respond(200, JSON_TYPE, null);
      for (let i = 0; i < 20; i++) {
        for (let at = 0; at < piece.length; at += 4) piece.writeUInt32LE((at * (i + 1)) >> 3, at);
        sent.push(Buffer.from(piece));
        layer.sendBody(piece);
        piece.fill(0);
      }
      layer.sendEnd(null);
      await client.until(() => client.ended);
      assert.deepEqual(DECODERS[encoding](client.body), Buffer.concat(sent));
      assert.equal(client.head?.bodyLength, -1);
      assert.equal(client.late, 0);
    });

    it("is whole where all of a long one comes with the head", async () => {
      const client = clientFor(encoding).enter(policy());
      const long = Buffer.alloc(100_000, "some text ");
      client.respond(200, JSON_TYPE, long, { last: true });
      await client.until(() => client.ended);
      assert.deepEqual(DECODERS[encoding](client.body), long);
    });

    it("goes out when its source pauses", async () => {
      const client = clientFor(encoding).enter(policy());
      client.respond(200, JSON_TYPE, Buffer.from("first"));
      const soFar = () => client.body.length > 0 && DECODERS[encoding](client.body).toString();
      await client.until(() => soFar() === "first");
      client.exchange.client.sendBody(Buffer.from(", second"));
      await client.until(() => soFar() === "first, second");
      client.finish();
    });

    it("waits for a slow client, and goes on when that has taken what there is", async () => {
      const client = clientFor(encoding).enter(policy());
      const { exchange } = client;
      client.respond(200, JSON_TYPE, null);
      client.flows = false;
      let sent = 0;
      const random = () => Buffer.from(crypto.getRandomValues(new Uint8Array(16_384)));
      const more = async (most: number) => {
        let flows = true;
        while (flows && sent < most) {
          flows = exchange.client.sendBody(random());
          sent += 16_384;
          await new Promise((resolve) => setImmediate(resolve));
        }
        return flows;
      };
      assert.equal(await more(10_000_000), false);
      assert.ok(sent < 1_000_000, `${sent} bytes were taken`);
      // One that does not listen gets nothing through either.
      for (let i = 0; i < 40; i++) await more(sent + 16_384);
      assert.ok(client.pieces.length <= 1, `${client.pieces.length} pieces went out`);
      const { drains } = client;
      client.flows = true;
      exchange.transform!.onClientDrain();
      await client.until(() => client.drains > drains);
      assert.equal(await more(sent + 32_768), true);
      exchange.client.sendEnd(null);
      await client.until(() => client.ended);
      assert.equal(DECODERS[encoding](client.body).length, sent);
    });

    it("ends with its exchange, at any point, and holds nothing", async () => {
      const piece = Buffer.alloc(50_000, "some text ");
      const before = process.memoryUsage().rss;
      const clients: FakeClient[] = [];
      for (let i = 0; i < 300; i++) {
        const client = clientFor(encoding).enter(policy());
        client.respond(200, JSON_TYPE, piece);
        if (i % 3 === 0) client.exchange.client.sendEnd(null);
        if (i % 3 === 1) client.exchange.client.cut();
        client.finish();
        clients.push(client);
        if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      for (const client of clients) assert.deepEqual(client.pieces, []);
      // A compressor holds 0.3 to 2 MB.
      const grown = process.memoryUsage().rss - before;
      assert.ok(grown < 100e6, `${grown} bytes`);
    });
  });
}
