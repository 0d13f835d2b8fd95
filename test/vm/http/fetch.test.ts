// What has to be native takes the light classes, and what comes from it passes for one: over a real server.
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { installGlobals } from "../../../src/vm/http/globals.ts";
import { requestOf } from "../../../src/vm/http/request-of.ts";
import { partsOf } from "../../../src/vm/http/response-parts.ts";

interface Seen {
  readonly method: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

installGlobals();

let server: Server;
let origin: string;
let closed: Promise<void>;

async function answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = "";
  for await (const piece of message) body += piece;
  switch (message.url) {
    case "/gzip":
      response.writeHead(200, { "content-type": "text/plain", "content-encoding": "gzip" });
      response.end(gzipSync("hello"));
      return;
    case "/cookies":
      response.writeHead(201, "Made", ["set-cookie", "a=1", "set-cookie", "b=2"]);
      response.end("cookies");
      return;
    case "/moved":
      response.writeHead(302, { location: "/gzip" }).end();
      return;
    case "/silent":
      closed = new Promise((resolve) => response.on("close", resolve));
      waiting?.();
      return;
    default: {
      const seen: Seen = { method: message.method, headers: message.headers, body };
      response.end(JSON.stringify(seen));
    }
  }
}

let waiting: (() => void) | null = null;

before(async () => {
  server = createServer((message, response) => void answer(message, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(() => {
  server.closeAllConnections();
  server.close();
});

function incoming(path: string, method: string, body: string | null, signal?: AbortSignal): Request {
  const length = body === null ? "" : `content-length: ${body.length}\r\n`;
  return requestOf({
    method,
    url: `${origin}${path}`,
    headerLines: `x-custom: yes\r\n${length}`,
    body: body === null ? null : { whole: Buffer.from(body), read: async () => null, cancel: () => {} },
    signal: () => signal ?? new AbortController().signal,
  });
}

describe("fetch() of a light request", () => {
  it("sends method, fields and body", async () => {
    const request = incoming("/", "PUT", "hello");
    const seen = (await (await fetch(request)).json()) as Seen;
    assert.deepEqual(
      [seen.method, seen.headers["x-custom"], seen.headers["content-type"], seen.body],
      ["PUT", "yes", undefined, "hello"],
    );
    assert.equal(request.bodyUsed, true);
    await assert.rejects(fetch(request), TypeError);
  });

  it("takes what the init changes", async () => {
    const request = incoming("/", "POST", "hello");
    const response = await fetch(request, { method: "PATCH", headers: { "x-other": "1" }, body: "changed" });
    const seen = (await response.json()) as Seen;
    assert.deepEqual(
      [seen.method, seen.headers["x-custom"], seen.headers["x-other"], seen.body],
      ["PATCH", undefined, "1", "changed"],
    );
    assert.equal(request.bodyUsed, false);
  });

  it("leaves behind a body that came with GET, and its length", async () => {
    const seen = (await (await fetch(incoming("/", "GET", "query"))).json()) as Seen;
    assert.deepEqual([seen.method, seen.body, seen.headers["content-length"]], ["GET", "", undefined]);
  });

  it("streams a body", async () => {
    const pieces = ["a", "b", "c"];
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const piece = pieces.shift();
        if (piece === undefined) controller.close();
        else controller.enqueue(Buffer.from(piece));
      },
    });
    const request = new Request(`${origin}/`, { method: "POST", body: body as never, duplex: "half" });
    assert.equal(((await (await fetch(new Request(request))).json()) as Seen).body, "abc");
  });

  it("follows the request's signal, and the options it was made with", async () => {
    const controller = new AbortController();
    const arrived = new Promise<void>((resolve) => {
      waiting = resolve;
    });
    const fetched = fetch(incoming("/silent", "GET", null, controller.signal));
    await arrived;
    controller.abort(new Error("The client went away"));
    await assert.rejects(fetched, /The client went away/);
    await closed;
    const response = await fetch(new Request(`${origin}/moved`, { redirect: "manual" }));
    assert.equal(response.status, 302);
  });

  it("takes light headers beside a URL, and a light request as its init", async () => {
    const headers = new Headers([
      ["x-a", "1"],
      ["x-a", "2"],
    ]);
    const seen = (await (await fetch(`${origin}/`, { headers })).json()) as Seen;
    assert.equal(seen.headers["x-a"], "1, 2");
    const request = incoming("/elsewhere", "POST", "hello");
    const second = (await (await fetch(`${origin}/`, request as RequestInit)).json()) as Seen;
    assert.deepEqual([second.method, second.body, second.headers["x-custom"]], ["POST", "hello", "yes"]);
  });
});

describe("a response of fetch()", () => {
  it("is a Response with Headers, and leaves as it came", async () => {
    const response = await fetch(`${origin}/cookies`);
    assert.ok(response instanceof Response && response.headers instanceof Headers);
    assert.equal(response.constructor, Response);
    const { status, statusText, headerLines, body, webSocket } = partsOf(response);
    assert.deepEqual([status, statusText, webSocket], [201, "Made", null]);
    assert.match(headerLines, /^set-cookie: a=1\r\nset-cookie: b=2\r\n/m);
    assert.equal(await new Response(body).text(), "cookies");
  });

  for (const [how, pass] of [
    ["as it is", (response: Response) => response],
    ["in a new one", (response: Response) => new Response(response.body, response)],
  ] as const) {
    it(`that was decoded leaves without the name of the encoding, ${how}`, async () => {
      const response = await fetch(`${origin}/gzip`);
      assert.equal(response.headers.get("content-encoding"), "gzip");
      const parts = partsOf(pass(response));
      assert.doesNotMatch(parts.headerLines, /content-encoding|content-length/i);
      assert.match(parts.headerLines, /content-type: text\/plain/);
      assert.equal(await new Response(parts.body).text(), "hello");
    });
  }

  it("keeps its encoding where its body does not leave", async () => {
    const response = await fetch(`${origin}/gzip`, { method: "HEAD" });
    assert.match(partsOf(response).headerLines, /content-encoding: gzip/);
  });

  it("can be cloned and changed", async () => {
    const response = await fetch(`${origin}/cookies`);
    const changed = new Response(response.clone().body, { status: 202, headers: response.headers });
    changed.headers.delete("set-cookie");
    assert.deepEqual(
      [changed.status, changed.headers.getSetCookie(), await changed.text()],
      [202, [], "cookies"],
    );
    assert.equal(await response.text(), "cookies");
  });
});

describe("WebAssembly", () => {
  const EMPTY_MODULE = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const streaming = Reflect.get(globalThis, "WebAssembly") as {
    compileStreaming(response: unknown): Promise<object>;
    instantiateStreaming(response: unknown): Promise<{ instance: object }>;
  };

  it("compiles and instantiates from a light response, and from the promise of one", async () => {
    const make = () => new Response(EMPTY_MODULE, { headers: { "content-type": "application/wasm" } });
    assert.equal(
      Object.prototype.toString.call(await streaming.compileStreaming(make())),
      "[object WebAssembly.Module]",
    );
    assert.ok((await streaming.instantiateStreaming(Promise.resolve(make()))).instance);
  });

  it("refuses what it refuses of a native one", async () => {
    await assert.rejects(streaming.compileStreaming(new Response(EMPTY_MODULE)), /unsupported MIME type/);
    await assert.rejects(streaming.compileStreaming(1), /ERR_INVALID_ARG_TYPE|Response/);
  });
});
