import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GatewayError } from "../../core/errors.ts";
import { HEAD_AGAIN, HEAD_ENDS, HEAD_KEPT, HEAD_PREFIX_BYTES } from "../../wire/frames.ts";
import { ResponseReader } from "./response-reader.ts";

const JSON_HEAD = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";

/** What a reader makes of a head and a body that goes with it. */
function read(reader: ResponseReader, flags: number, head: string, body = "") {
  const payload = Buffer.alloc(HEAD_PREFIX_BYTES + head.length + body.length);
  payload[0] = HEAD_ENDS | flags;
  payload.writeUInt32LE(head.length, 1);
  payload.write(head + body, HEAD_PREFIX_BYTES, "latin1");
  const found = reader.read(payload, 0, payload.length, "GET");
  if (typeof found === "string" || found instanceof GatewayError) throw new Error(String(found));
  return found;
}

describe("a head that comes again", () => {
  it("is what it was, however often, with the length of its own body", () => {
    const reader = new ResponseReader();
    read(reader, HEAD_KEPT, JSON_HEAD, "first");
    for (const body of ["", "a", "long", "", "xy"]) {
      const { status, reason, bodyLength, headers } = read(reader, HEAD_AGAIN, "", body);
      assert.deepEqual([status, reason, bodyLength], [200, "OK", body.length]);
      assert.equal(headers.forwardLines(), "content-type: application/json\r\n");
    }
  });

  it("has fields of its own each time", () => {
    const reader = new ResponseReader();
    for (let i = 0; i < 4; i++) {
      const { headers } = i === 0 ? read(reader, HEAD_KEPT, JSON_HEAD) : read(reader, HEAD_AGAIN, "");
      assert.equal(headers.forwardLines(), "content-type: application/json\r\n");
      headers.add("X-Added", String(i));
      headers.removeNamed("content-type");
      assert.equal(headers.forwardLines(), `X-Added: ${i}\r\n`);
    }
  });

  it("is the last one that was kept", () => {
    const reader = new ResponseReader();
    read(reader, HEAD_KEPT, JSON_HEAD);
    read(reader, HEAD_KEPT, JSON_HEAD.replace("200", "201"));
    read(reader, 0, JSON_HEAD.replace("200", "202"));
    assert.equal(read(reader, HEAD_AGAIN, "").status, 201);
  });
});
