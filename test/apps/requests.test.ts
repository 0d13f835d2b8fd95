// Requests that a handler answers, through the whole gateway: real VMs, real sockets.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { writeApp } from "./write-app.ts";

const HANDLER = `
export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    switch (pathname) {
      case "/json":
        return Response.json({ method: request.method, url: request.url, host: request.headers.get("host") });
      case "/echo":
        return new Response(request.body, { headers: { "X-Length": request.headers.get("content-length") ?? "none" } });
      case "/text":
        return new Response((await request.text()).toUpperCase());
      case "/long":
        return new Response("ü".repeat(100_000));
      case "/cookies":
        return new Response(null, { status: 204, headers: [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]] });
      case "/throw":
        throw new Error("the handler broke");
      case "/number":
        return 42 as never;
      case "/never":
        return await new Promise<Response>(() => {});
      default:
        return new Response("nothing here", { status: 404 });
    }
  },
};
`;

describe("a route with an app", () => {
  let gateway: TestGateway;
  const url = (path: string) => `http://127.0.0.1:${gateway.port}${path}`;
  before(async () => {
    const entry = writeApp(HANDLER);
    gateway = await TestGateway.start(
      `apps: { hello: { entry: ${entry}, instances: 2, timeout: 1s } }\nrouting: { all: { app: hello } }`,
    );
  });
  after(() => gateway.stop());

  it("is answered by the handler", async () => {
    const response = await fetch(url("/json?a=1"));
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), {
      method: "GET",
      url: url("/json?a=1"),
      host: `127.0.0.1:${gateway.port}`,
    });
  });

  it("has no body where the request is HEAD", async () => {
    const response = await fetch(url("/json"), { method: "HEAD" });
    assert.equal(response.headers.get("content-type"), "application/json");
    assert.equal(await response.text(), "");
  });

  for (const bytes of [1, 16_384, 16_385, 65_536, 65_537, 3_000_000]) {
    it(`streams ${bytes} bytes both ways`, async () => {
      const body = randomBytes(bytes);
      const response = await fetch(url("/echo"), { method: "POST", body });
      assert.equal(response.headers.get("x-length"), String(bytes));
      assert.deepEqual(Buffer.from(await response.arrayBuffer()), body);
    });
  }

  it("takes a body of unknown length", async () => {
    const body = new ReadableStream({
      start(controller) {
        for (const piece of ["one ", "two ", "three"]) controller.enqueue(Buffer.from(piece));
        controller.close();
      },
    });
    const response = await fetch(url("/text"), { method: "POST", body, duplex: "half" });
    assert.equal(await response.text(), "ONE TWO THREE");
  });

  it("says how long a body is that is at hand", async () => {
    for (const [path, length] of [
      ["/json", null],
      ["/long", "200000"],
    ] as const) {
      for (const method of ["GET", "HEAD"]) {
        const response = await fetch(url(path), { method });
        const body = await response.arrayBuffer();
        assert.equal(
          response.headers.get("content-length"),
          length ?? String(body.byteLength || response.headers.get("content-length")),
        );
        if (method === "GET") assert.equal(String(body.byteLength), response.headers.get("content-length"));
      }
    }
  });

  it("keeps cookies apart", async () => {
    const response = await fetch(url("/cookies"));
    assert.equal(response.status, 204);
    assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
  });

  const failures = [
    ["an exception", "/throw", 500, "app_failed"],
    ["a handler that returns no Response", "/number", 500, "app_response_invalid"],
    ["a handler that never answers", "/never", 504, "app_timeout"],
  ] as const;
  for (const [what, path, status, code] of failures) {
    it(`answers ${status} for ${what}`, async () => {
      const response = await fetch(url(path));
      assert.equal(response.status, status);
      assert.equal(((await response.json()) as { error: { code: string } }).error.code, code);
      await gateway.logged((line) => line["code"] === code && line["path"] === path);
    });
  }
});
