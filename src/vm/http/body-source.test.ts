import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LightRequest } from "./request.ts";
import { requestOf, requestPartsOf } from "./request-of.ts";
import type { BodySource } from "./request-source.ts";

/** A link that notes what it is asked for. */
class Source implements BodySource {
  readonly whole: Uint8Array | null;
  readonly pieces: (Uint8Array | Error)[];
  reads = 0;
  cancels = 0;

  constructor(pieces: (string | Error)[], whole: string | null = null) {
    this.pieces = pieces.map((piece) => (typeof piece === "string" ? Buffer.from(piece) : piece));
    this.whole = whole === null ? null : Buffer.from(whole);
  }

  async read(): Promise<Uint8Array | null> {
    this.reads++;
    const piece = this.pieces.shift() ?? null;
    if (piece instanceof Error) throw piece;
    return piece;
  }

  cancel(): void {
    this.cancels++;
  }
}

function requestWith(body: BodySource, method = "POST"): Request {
  return requestOf({
    method,
    url: "http://localhost/",
    headerLines: "content-length: 5\r\nx: y\r\n",
    body,
    signal: () => new AbortController().signal,
  });
}

describe("the body of a request that the link gives", () => {
  it("is not asked for before somebody reads", async () => {
    const source = new Source(["a"]);
    const request = requestWith(source);
    const { body } = request;
    request.headers.get("x");
    await new Promise(setImmediate);
    assert.deepEqual([body?.locked, request.bodyUsed, source.reads], [false, false, 0]);
  });

  it("is asked for piece by piece, as the reader goes on", async () => {
    const source = new Source(["a", "b", "c"]);
    const reader = requestWith(source).body!.getReader();
    for (let reads = 1; reads <= 3; reads++) {
      await reader.read();
      await new Promise(setImmediate);
      assert.equal(source.reads, reads);
    }
    assert.equal((await reader.read()).done, true);
    assert.equal(source.reads, 4);
  });

  it("is asked for no more than a slow writer takes", async () => {
    const source = new Source(Array.from({ length: 100 }, () => "x".repeat(1024)));
    const { promise: written, resolve: finish } = Promise.withResolvers<void>();
    let pieces = 0;
    const slow = new WritableStream({
      write() {
        pieces++;
        return written;
      },
    });
    const controller = new AbortController();
    const piped = requestWith(source).body!.pipeTo(slow, { signal: controller.signal });
    for (let turns = 0; turns < 10; turns++) await new Promise(setImmediate);
    assert.equal(pieces, 1);
    assert.ok(source.reads <= 3, `${source.reads} pieces asked for while one was being written`);
    controller.abort();
    finish();
    await assert.rejects(piped, { name: "AbortError" });
    assert.equal(source.cancels, 1);
  });

  it("at hand is never asked for", async () => {
    const source = new Source([], "hello");
    assert.equal(await requestWith(source).text(), "hello");
    assert.equal(await new Response(requestWith(source).body).text(), "hello");
    assert.equal(source.reads, 0);
  });

  it("is read to the end by text(), without a stream", async () => {
    const source = new Source(["he", "", "llo"]);
    const request = requestWith(source);
    const text = request.text();
    assert.equal(request.bodyUsed, true);
    assert.equal(await text, "hello");
    assert.equal(source.reads, 4);
  });

  it("that breaks off rejects with the link's own error, however it is read", async () => {
    const gone = new Error("The client went away");
    await assert.rejects(requestWith(new Source(["a", gone])).text(), gone);
    await assert.rejects(requestWith(new Source(["a", gone])).json(), gone);
    const streamed = requestWith(new Source(["a", gone]));
    assert.ok(streamed.body);
    await assert.rejects(streamed.text(), gone);
    const clone = requestWith(new Source([gone])).clone();
    await assert.rejects(clone.text(), gone);
  });

  it("that nobody wants is cancelled once", async () => {
    const source = new Source(["a", "b"]);
    const request = requestWith(source);
    await request.body!.cancel();
    assert.deepEqual([source.cancels, request.bodyUsed], [1, true]);
    const late = new Source(["a", "b"]);
    const reader = requestWith(late).body!.getReader();
    await reader.read();
    await reader.cancel();
    assert.equal(late.cancels, 1);
  });

  it("is not cancelled when it moves on to another request", async () => {
    const source = new Source(["a", "b"]);
    const first = requestWith(source) as unknown as LightRequest;
    assert.ok(first.body);
    const second = new LightRequest(new LightRequest(first));
    assert.equal(await second.text(), "ab");
    assert.equal(source.cancels, 0);
  });

  it("keeps its memory: a piece that looks into more is copied", async () => {
    const shared = Buffer.from("abcdef");
    const source = new Source([]);
    source.pieces.push(shared.subarray(1, 3));
    const { value } = await requestWith(source).body!.getReader().read();
    assert.equal(Buffer.from(value!).toString(), "bc");
    assert.equal(shared.toString(), "abcdef");
  });
});

describe("a request that leaves for an upstream", () => {
  it("has the text that came, the body that came, and the signal that came", async () => {
    const source = new Source([], "hello");
    const controller = new AbortController();
    const request = requestOf({
      method: "PUT",
      url: "http://localhost/a",
      headerLines: "X-Y: z\r\n",
      body: source,
      signal: () => controller.signal,
    });
    const parts = requestPartsOf(request);
    assert.deepEqual(parts, {
      method: "PUT",
      url: "http://localhost/a",
      headerLines: "X-Y: z\r\n",
      body: Buffer.from("hello"),
      signal: controller.signal,
    });
    assert.throws(() => requestPartsOf(request), TypeError);
  });

  it("keeps a body that came with GET", () => {
    assert.deepEqual(requestPartsOf(requestWith(new Source([], "query"), "GET")).body, Buffer.from("query"));
  });

  it("keeps it in a request made from that one, but none may be made with another method or with a body for GET", async () => {
    const first = requestWith(new Source([], "query"), "GET") as unknown as LightRequest;
    assert.throws(() => new LightRequest(first, { method: "HEAD" }), TypeError);
    assert.throws(() => new LightRequest(first, { body: "x" }), TypeError);
    assert.equal(await new LightRequest(first, { headers: { a: "b" } }).text(), "query");
  });

  it("with a field that no message can hold is refused", () => {
    const request = requestWith(new Source([]));
    request.headers.set("a", "\x02");
    assert.throws(() => requestPartsOf(request), /expected no control characters/);
  });
});
