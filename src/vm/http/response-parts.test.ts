import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LightHeaders } from "./headers.ts";
import { LightResponse } from "./response.ts";
import { partsOf } from "./response-parts.ts";

function parts(response: LightResponse) {
  return partsOf(response as unknown as Response);
}

const EMPTY = { status: 200, statusText: "", headerLines: "", body: null, webSocket: null };

describe("the parts of a light response", () => {
  it("are a text as it was given", () => {
    const headerLines = "content-type: text/plain;charset=UTF-8\r\n";
    assert.deepEqual(parts(new LightResponse("hello")), { ...EMPTY, headerLines, body: "hello" });
  });

  it("are bytes, and nothing for null", () => {
    assert.deepEqual(parts(new LightResponse(Buffer.from("hi"))), {
      ...EMPTY,
      body: new Uint8Array([104, 105]),
    });
    assert.deepEqual(parts(new LightResponse(null, { status: 204 })), { ...EMPTY, status: 204 });
  });

  it("are JSON, a redirect", () => {
    assert.deepEqual(parts(LightResponse.json({ a: 1 }, { status: 201, statusText: "Made" })), {
      ...EMPTY,
      ...{
        status: 201,
        statusText: "Made",
        headerLines: "content-type: application/json\r\n",
        body: '{"a":1}',
      },
    });
    const headerLines = "location: http://a/\r\n";
    assert.deepEqual(parts(LightResponse.redirect("http://a")), { ...EMPTY, status: 302, headerLines });
  });

  it("have a line for each cookie, and names as they were given", () => {
    const headers: [string, string][] = [
      ["Set-Cookie", "a=1"],
      ["X-Y", "z"],
      ["set-cookie", "b=2"],
      ["x-y", "w"],
    ];
    assert.equal(
      parts(new LightResponse(null, { headers })).headerLines,
      "Set-Cookie: a=1\r\nX-Y: z, w\r\nset-cookie: b=2\r\n",
    );
  });

  it("have what was changed afterwards", () => {
    const response = new LightResponse("x");
    response.headers.set("content-type", "a/b");
    response.headers.append("x", "y");
    assert.equal(parts(response).headerLines, "content-type: a/b\r\nx: y\r\n");
  });

  it("are a stream where there is no more than that", async () => {
    const stream = new ReadableStream();
    assert.equal(parts(new LightResponse(stream)).body, stream);
  });

  it("are the text again where only its stream was handed on", () => {
    const first = new LightResponse("hello", { status: 201 });
    const second = new LightResponse(first.body, first as unknown as ResponseInit);
    assert.equal(parts(second).body, "hello");
    assert.equal(first.bodyUsed, true);
    assert.equal(first.body?.locked, true);
  });

  it("use the body up", async () => {
    const response = new LightResponse("hello");
    parts(response);
    assert.equal(response.bodyUsed, true);
    await assert.rejects(response.text(), TypeError);
    assert.throws(() => parts(response), { name: "TypeError", message: /already been read/ });
  });

  it("of a body that is locked or was read are refused", async () => {
    const locked = new LightResponse("hello");
    locked.body?.getReader();
    assert.throws(() => parts(locked), TypeError);
    const read = new LightResponse("hello");
    await read.text();
    assert.throws(() => parts(read), TypeError);
  });

  it("of an error response are refused", () => {
    assert.throws(() => parts(LightResponse.error()), /Cannot send an error response/);
  });

  it("of a field with a control character are refused, which no message can hold", () => {
    const response = new LightResponse(null, { headers: { a: "b", c: "d\x01e" } });
    assert.throws(() => parts(response), { message: /^Cannot send the header field "c: d\\u0001e"/ });
    const tab = new LightResponse(null, { headers: { a: "b\tc" } });
    assert.equal(parts(tab).headerLines, "a: b\tc\r\n");
  });
});

describe("the lines that leave", () => {
  const smuggled = "a\r\nx: y";

  it("hold no line that a Blob's type brings along", () => {
    class Own extends Blob {
      override get type() {
        return smuggled;
      }
    }
    assert.equal(parts(new LightResponse(new Own(["a"]))).headerLines, "");
    assert.equal(parts(new LightResponse(new Own(["a"]), { headers: { b: "c" } })).headerLines, "b: c\r\n");
  });

  it("hold no line that a class of the app's own brings along", () => {
    const sound = { status: 200, statusText: "", headers: [], body: null };
    for (const change of [
      { statusText: smuggled },
      { headers: [["a", smuggled]] },
      { headers: [[smuggled, "a"]] },
    ]) {
      assert.throws(() => partsOf({ ...sound, ...change } as unknown as Response), TypeError);
    }
    assert.throws(() => partsOf({ ...sound, status: smuggled } as unknown as Response), RangeError);
    assert.equal(partsOf(sound as unknown as Response).headerLines, "");
  });
});

describe("the parts of a native response", () => {
  it("are taken from what it shows", async () => {
    const { status, statusText, headerLines, body } = partsOf(
      new Response("hello", {
        status: 201,
        statusText: "S",
        headers: [
          ["set-cookie", "a"],
          ["set-cookie", "b"],
        ],
      }),
    );
    assert.deepEqual([status, statusText], [201, "S"]);
    assert.equal(headerLines, "content-type: text/plain;charset=UTF-8\r\nset-cookie: a\r\nset-cookie: b\r\n");
    assert.equal(await new Response(body as ReadableStream<Uint8Array>).text(), "hello");
  });

  it("are the text again where it only wraps a light one, as a framework's own class does", () => {
    const inner = new LightResponse("hello");
    const wrapper = { status: 200, statusText: "", headers: inner.headers, body: inner.body };
    assert.equal(partsOf(wrapper as unknown as Response).body, "hello");
    assert.throws(() => partsOf(wrapper as unknown as Response), TypeError);
  });

  it("of a body that was used are refused", async () => {
    const response = new Response("hello");
    await response.text();
    assert.throws(() => partsOf(response), { name: "TypeError", message: /already been read/ });
  });

  it("of a field with a control character are refused", () => {
    assert.throws(
      () => partsOf(new Response(null, { headers: { a: "\x7f" } })),
      /expected no control characters/,
    );
  });
});

describe("a response with a webSocket", () => {
  const webSocket = {};
  const init = (more: object) => ({ status: 101, webSocket, ...more }) as ResponseInit;

  it("has status 101, and its socket among its parts", () => {
    const response = new LightResponse(null, init({ headers: { "Sec-WebSocket-Protocol": "chat" } }));
    assert.equal(response.webSocket, webSocket);
    assert.equal(response.headers instanceof LightHeaders, true);
    const headerLines = "Sec-WebSocket-Protocol: chat\r\n";
    assert.deepEqual(parts(response), { ...EMPTY, status: 101, headerLines, webSocket });
  });

  it("is refused with another status, with a body, or without a socket", () => {
    assert.throws(() => new LightResponse(null, init({ status: 200 })), {
      name: "RangeError",
      message: /has status 101, got 200/,
    });
    assert.throws(() => new LightResponse("x", init({})), TypeError);
    assert.throws(() => new LightResponse(null, { status: 101 }), RangeError);
    assert.throws(() => new LightResponse(null, init({ webSocket: 1 })), {
      name: "TypeError",
      message: /use 1 as the webSocket/,
    });
  });

  it("is one of a kind", () => {
    assert.throws(() => new LightResponse(null, init({})).clone(), TypeError);
  });

  it("is what no other response is", () => {
    assert.equal(new LightResponse().webSocket, null);
    assert.equal(new LightResponse(null, { status: 200, webSocket: null } as ResponseInit).webSocket, null);
  });
});
