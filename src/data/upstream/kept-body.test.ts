// What of a request body is kept to be sent again. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { KeptBody } from "./kept-body.ts";

describe("a kept body", () => {
  it("is empty and whole at first", () => {
    const body = new KeptBody(10);
    assert.deepEqual([body.chunks.length, body.whole, body.ended], [0, true, false]);
  });

  it("has what came, though the buffer that it came in is used again", () => {
    const body = new KeptBody(100);
    const buffer = Buffer.from("first");
    body.add(buffer);
    buffer.write("other");
    body.add(buffer);
    assert.equal(Buffer.concat(body.chunks).toString(), "firstother");
  });

  it("is whole up to its bound, to the byte", () => {
    const body = new KeptBody(10);
    body.add(Buffer.alloc(9));
    body.add(Buffer.alloc(1));
    assert.deepEqual([body.whole, Buffer.concat(body.chunks).length], [true, 10]);
    body.add(Buffer.alloc(1));
    assert.equal(body.whole, false);
  });

  it("that may have no byte is whole without one only", () => {
    const body = new KeptBody(0);
    body.add(Buffer.alloc(0));
    assert.equal(body.whole, true);
    body.add(Buffer.alloc(1));
    assert.equal(body.whole, false);
  });

  it("is all that came, in its order, or nothing", () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 20 });
    fc.assert(
      fc.property(pieces, fc.nat(200), (chunks, maxBytes) => {
        const body = new KeptBody(maxBytes);
        for (const chunk of chunks) body.add(Buffer.from(chunk));
        const all = Buffer.concat(chunks);
        assert.equal(body.whole, all.length <= maxBytes);
        assert.deepEqual(Buffer.concat(body.chunks), body.whole ? all : Buffer.alloc(0));
      }),
    );
  });
});
