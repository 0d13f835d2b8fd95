// `env.<upstream>.fetch()`: a handler asks backends through the gateway, with real ones behind it.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { writeApp } from "./write-app.ts";

const HANDLER = `
export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/as-is/")) return env.api.fetch(request);
    return new Response("nothing here", { status: 404 });
  },
};
`;

describe("an upstream that a handler asks", () => {
  let backend: Server;
  let gateway: TestGateway;
  const requests: IncomingMessage[] = [];
  const url = (path: string) => `http://127.0.0.1:${gateway.port}${path}`;
  before(async () => {
    backend = createServer((request, response) => {
      requests.push(request);
      const { pathname } = new URL(request.url!, "http://backend");
      if (pathname.endsWith("/echo")) {
        response.setHeader("X-Length", request.headers["content-length"] ?? "none");
        request.pipe(response);
      } else {
        response.setHeader("Set-Cookie", ["a=1", "b=2"]);
        response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers }));
      }
    }).listen(0, "127.0.0.1");
    await once(backend, "listening");
    const entry = writeApp(HANDLER);
    gateway = await TestGateway.start(
      `backends: { api: [{ host: 127.0.0.1, port: ${(backend.address() as AddressInfo).port} }] }
apps: { proxy: { entry: ${entry}, upstreams: [api], timeout: 2s, concurrency: 4 } }
routing: { all: { app: proxy } }`,
    );
  });
  after(async () => {
    await gateway.stop();
    backend.close();
  });

  it("answers what the backend answers", async () => {
    const response = await fetch(url("/as-is/x?a=1"));
    assert.equal(response.status, 200);
    assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
    await response.body?.cancel();
  });
  for (const bytes of [0, 1, 16_384, 65_536, 65_537, 3_000_000]) {
    it(`streams ${bytes} bytes both ways`, async () => {
      const body = randomBytes(bytes);
      const response = await fetch(url("/as-is/echo"), { method: "POST", body });
      assert.equal(response.headers.get("x-length"), String(bytes));
      assert.deepEqual(Buffer.from(await response.arrayBuffer()), body);
    });
  }
});
