import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GatewayError } from "../../core/errors.ts";
import { HEAD_ENDS, HEAD_PREFIX_BYTES } from "../../wire/frames.ts";
import { ResponseReader } from "./response-reader.ts";

const JSON_HEAD = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";

/** What a reader makes of a head and a body that goes with it. */
function read(reader: ResponseReader, head: string, { method = "GET", body = "" } = {}) {
  const payload = Buffer.alloc(HEAD_PREFIX_BYTES + head.length + body.length);
  payload[0] = HEAD_ENDS;
  payload.writeUInt32LE(head.length, 1);
  payload.write(head + body, HEAD_PREFIX_BYTES, "latin1");
  const found = reader.read(payload, 0, payload.length, method);
  if (typeof found === "string" || found instanceof GatewayError) return found;
  const { status, reason, bodyLength, headers } = found;
  return { status, reason, bodyLength, lines: headers.forwardLines(), headers };
}

function plain(found: ReturnType<typeof read>) {
  if (typeof found === "string" || found instanceof GatewayError) return found;
  const { headers, ...rest } = found;
  return rest;
}

describe("a head that comes again", () => {
  it("is what it was, however often", () => {
    const reader = new ResponseReader();
    for (const body of ["", "a", "long", "", "xy"]) {
      assert.deepEqual(plain(read(reader, JSON_HEAD, { body })), {
        status: 200,
        reason: "OK",
        bodyLength: body.length,
        lines: "content-type: application/json\r\n",
      });
    }
  });

  it("has fields of its own each time", () => {
    const reader = new ResponseReader();
    for (let i = 0; i < 3; i++) {
      const found = read(reader, JSON_HEAD);
      assert.ok(typeof found === "object" && "headers" in found);
      assert.equal(found.headers.length, 1);
      found.headers.add("X-Added", String(i));
      found.headers.removeNamed("content-type");
    }
  });

  it("is read anew where anything of it is different", () => {
    const reader = new ResponseReader();
    const heads = [
      JSON_HEAD,
      JSON_HEAD.replace("200", "201"),
      JSON_HEAD.replace("json", "yaml"),
      JSON_HEAD.replace("\r\n\r\n", "\r\nx: 1\r\n\r\n"),
      JSON_HEAD,
    ];
    for (const head of [...heads, ...heads, ...heads]) {
      assert.deepEqual(plain(read(reader, head)), plain(read(new ResponseReader(), head)));
    }
  });

  it("means something else for HEAD", () => {
    const long = JSON_HEAD.replace("\r\n\r\n", "\r\ncontent-length: 7\r\n\r\n");
    for (const head of [long, "HTTP/1.1 204 No Content\r\n\r\n"]) {
      const reader = new ResponseReader();
      for (const method of ["GET", "HEAD", "GET", "HEAD"]) {
        const expected = plain(read(new ResponseReader(), head, { method }));
        assert.deepEqual(plain(read(reader, head, { method })), expected);
      }
    }
  });

  it("is as wrong as it was", () => {
    const reader = new ResponseReader();
    for (const wrong of ["HTTP/1.1 199 x\r\n\r\n", "HTTP/1.1 200 OK\r\na b: 1\r\n\r\n"]) {
      read(reader, JSON_HEAD);
      for (let i = 0; i < 2; i++) assert.equal(typeof read(reader, wrong), "string");
    }
  });
});
