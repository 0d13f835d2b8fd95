// `env.<upstream>.fetch()`: what a handler asks, what the backend hears, and what the client gets. Real backends.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { TestGateway } from "../support/gateway.ts";
import { AskedBackend, type Told } from "./asked-backend.ts";
import { writeApp } from "./write-app.ts";

const HANDLER = `
const errorOf = async (promise) => {
  try {
    return new Response("no error: " + (await promise).status);
  } catch (error) {
    const { name, code, upstream, message } = error;
    return Response.json({ name, code, upstream, message, isTypeError: error instanceof TypeError });
  }
};
export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      case "/changed": {
        const headers = new Headers(request.headers);
        headers.set("X-Added", "by the app");
        headers.delete("x-taken");
        headers.set("X-Forwarded-For", "203.0.113.1");
        headers.set("X-Real-IP", "203.0.113.1");
        headers.set("X_Forwarded_For", "203.0.113.1");
        headers.set("Via", "1.1 fake");
        const asked = new Request("http://backend.test:81/elsewhere?x=1", { method: "PUT", headers, body: "new body" });
        const response = await env.api.fetch(asked);
        const answered = new Response(response.body, response);
        answered.headers.set("X-Answered", "by the app");
        return answered;
      }
      case "/rewritten": {
        const response = await env.api.fetch(request);
        return new Response((await response.text()).toUpperCase() + " and more", response);
      }
      case "/transformed": {
        const response = await env.api.fetch(request);
        const more = new TransformStream({ flush: (controller) => controller.enqueue(Buffer.from(" and more")) });
        return new Response(response.body.pipeThrough(more), response);
      }
      case "/changed-upload": {
        const more = new TransformStream({ flush: (controller) => controller.enqueue(Buffer.from(" and more")) });
        return env.api.fetch(new Request(request, { body: request.body.pipeThrough(more), duplex: "half" }));
      }
      case "/cloned": {
        const response = await env.api.fetch("/told");
        const [one, two] = await Promise.all([response.clone().text(), response.json()]);
        return Response.json({ same: JSON.stringify(two) === one });
      }
      case "/path":
        return env.api.fetch("/told?by=path");
      case "/url":
        return env.api.fetch(new URL("http://other.test/told"), { method: "DELETE" });
      case "/down":
        return env.down.fetch(request);
      case "/down-caught":
        return errorOf(env.down.fetch(request));
      case "/fallback":
        return env.down.fetch(request).catch(() => env.api.fetch("/told"));
      case "/upgrade":
        return errorOf(env.api.fetch("/told", { headers: { Upgrade: "websocket" } }));
      case "/bad-path":
        return errorOf(env.api.fetch("http://a.test/%00"));
      case "/bad-scheme":
        return errorOf(env.api.fetch("data:,x"));
      case "/long-head":
        return errorOf(env.api.fetch("/told", { headers: { "X-Long": "x".repeat(200_000) } }));
      case "/broken":
        return env.api.fetch("/breaks-off");
      case "/net":
        return fetch(searchParams.get("url"));
      default:
        return env.api.fetch(request);
    }
  },
};
`;

/** Nobody listens there: a port that was just free. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("an upstream that a handler asks", { timeout: 60_000 }, () => {
  let backend: AskedBackend;
  let gateway: TestGateway;
  const entry = writeApp(HANDLER);
  const url = (path: string) => `http://127.0.0.1:${gateway.port}${path}`;
  const told = async (response: Response) => (await response.json()) as Told;
  const config = (place: string, dead: number) => `
backends: { api: [${place}], down: [{ host: 127.0.0.1, port: ${dead} }] }
apps: { asker: { entry: ${entry}, upstreams: [api, down], timeout: 5s, permissions: { net: true } } }
routing: { all: { app: asker }, proxied: { path: /proxied, upstream: api } }`;
  const server = "trusted_proxies: [127.0.0.1]";
  before(async () => {
    backend = await AskedBackend.start("first", (request, response) => {
      const { pathname } = new URL(request.url!, "http://backend");
      switch (pathname) {
        case "/echo":
          response.setHeader("X-Length", request.headers["content-length"] ?? "none");
          request.pipe(response);
          return true;
        case "/status/304":
        case "/status/204":
        case "/status/404":
          response.writeHead(Number(pathname.slice(8)), { ETag: '"x"' }).end();
          return true;
        case "/gzip":
          response.setHeader("Content-Encoding", "gzip");
          response.end(gzipSync("some text"));
          return true;
        case "/breaks-off":
          response.setHeader("Content-Length", 100);
          response.write("the start", () => response.destroy());
          return true;
        default:
          return false;
      }
    });
    gateway = await TestGateway.start(config(backend.place, await deadPort()), { server });
  });
  after(async () => {
    await gateway.stop();
    backend.stop();
  });

  it("answers what the backend answers", async () => {
    const response = await fetch(url("/told?a=1"), { headers: { "X-Own": "é" } });
    assert.equal(response.status, 200);
    assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
    const { backend: name, method, url: asked, headers } = await told(response);
    assert.deepEqual([name, method, asked, headers["x-own"]], ["first", "GET", "/told?a=1", "é"]);
  });

  it("hears of the client what it hears of one of a proxied route", async () => {
    const fields = {
      "X-Forwarded-For": "198.51.100.7",
      "X-Forwarded-Proto": "https",
      Forwarded: "for=198.51.100.7",
    };
    const [byApp, byRoute] = await Promise.all(
      ["/told", "/proxied"].map(async (path) => await told(await fetch(url(path), { headers: fields }))),
    );
    assert.equal(byRoute!.headers["x-forwarded-for"], "198.51.100.7, 127.0.0.1");
    assert.deepEqual(byApp!.headers, byRoute!.headers);
  });

  for (const bytes of [0, 1, 16_384, 65_536, 65_537, 3_000_000]) {
    it(`streams ${bytes} bytes both ways`, async () => {
      const body = randomBytes(bytes);
      const response = await fetch(url("/echo"), { method: "POST", body });
      assert.equal(response.headers.get("x-length"), String(bytes));
      assert.deepEqual(Buffer.from(await response.arrayBuffer()), body);
    });
  }

  it("gets a body of unknown length, and gives one", async () => {
    // More than is gathered before a VM hears of it.
    const pieces = ["a", "b", "c"].map((letter) => letter.repeat(50_000));
    const whole = pieces.join("");
    const body = new ReadableStream({
      pull(controller) {
        const piece = pieces.shift();
        if (piece === undefined) controller.close();
        else controller.enqueue(Buffer.from(piece));
      },
    });
    const response = await fetch(url("/echo"), { method: "POST", body, duplex: "half" });
    assert.equal(response.headers.get("x-length"), "none");
    assert.equal(await response.text(), whole);
  });

  for (const status of [204, 304, 404]) {
    it(`answers ${status} as it is`, async () => {
      const response = await fetch(url(`/status/${status}`));
      assert.deepEqual([response.status, response.headers.get("etag")], [status, '"x"']);
      assert.equal(await response.text(), "");
    });
  }

  it("answers HEAD with the length of what GET would get", async () => {
    const response = await fetch(url("/told"), { method: "HEAD" });
    assert.equal(response.headers.get("content-type"), "application/json");
    assert.equal(await response.text(), "");
  });

  it("passes an encoded body on as it is", async () => {
    const response = await fetch(url("/gzip"));
    assert.equal(response.headers.get("content-encoding"), "gzip");
    assert.equal(await response.text(), "some text");
  });

  it("hears what the app has changed, but nothing of another client", async () => {
    const response = await fetch(url("/changed"), { headers: { "X-Taken": "1" } });
    assert.equal(response.headers.get("x-answered"), "by the app");
    const { method, url: asked, headers, body } = await told(response);
    assert.deepEqual([method, asked, body], ["PUT", "/elsewhere?x=1", "new body"]);
    assert.deepEqual(
      [headers["host"], headers["x-added"], headers["x-taken"], headers["content-length"]],
      ["backend.test:81", "by the app", undefined, "8"],
    );
    assert.deepEqual(
      [headers["x-forwarded-for"], headers["x-real-ip"], headers["x_forwarded_for"], headers["via"]],
      ["127.0.0.1", "127.0.0.1", undefined, "1.1 sluice"],
    );
    assert.equal(headers["x-forwarded-host"], `127.0.0.1:${gateway.port}`);
  });

  for (const [path, expected] of [
    ["/rewritten", /^\{"BACKEND".*\} and more$/],
    ["/transformed", /^\{"backend".*\} and more$/],
  ] as const) {
    it(`is no answer for the length of another body: ${path}`, async () => {
      assert.match(await (await fetch(url(path))).text(), expected);
    });
  }

  it("hears no length of another body", async () => {
    const response = await fetch(url("/changed-upload"), { method: "POST", body: "x" });
    const { headers, body } = await told(response);
    assert.deepEqual([headers["content-length"], body], [undefined, "x and more"]);
  });

  it("gives a response that can be cloned", async () => {
    assert.deepEqual(await (await fetch(url("/cloned"))).json(), { same: true });
  });

  it("is asked by a path too, under the host of the client", async () => {
    const { url: asked, headers } = await told(await fetch(url("/path")));
    assert.deepEqual([asked, headers["host"]], ["/told?by=path", `127.0.0.1:${gateway.port}`]);
  });

  it("is asked by a URL, under its host", async () => {
    const { method, headers } = await told(await fetch(url("/url")));
    assert.deepEqual([method, headers["host"]], ["DELETE", "other.test"]);
  });

  it("is told of to the client where it is down and nobody catches that", async () => {
    const response = await fetch(url("/down"));
    assert.equal(response.status, 502);
    const { error } = (await response.json()) as { error: { code: string } };
    assert.equal(error.code, "connect_failed");
    await gateway.logged((line) => line["code"] === "connect_failed" && line["path"] === "/down");
  });

  it("is an error with a code for the handler", async () => {
    const error = (await (await fetch(url("/down-caught"))).json()) as Record<string, unknown>;
    assert.deepEqual(
      [error["name"], error["code"], error["upstream"], error["isTypeError"]],
      ["UpstreamError", "connect_failed", "down", true],
    );
  });

  it("leaves the handler the choice of another", async () => {
    assert.equal((await told(await fetch(url("/fallback")))).backend, "first");
  });

  for (const [path, name, code, message] of [
    ["/upgrade", "TypeError", undefined, /for a WebSocket: expected a request without Upgrade/],
    [
      "/bad-scheme",
      "TypeError",
      undefined,
      /Cannot ask an upstream for "data:,x": expected an http or https URL/,
    ],
    ["/bad-path", "UpstreamError", "request_malformed", /expected no encoded control character/],
    ["/long-head", "TypeError", undefined, /Cannot send a head of \d+ bytes: expected at most 131072/],
  ] as const) {
    it(`is not asked what nobody may ask: ${path}`, async () => {
      const error = (await (await fetch(url(path))).json()) as Record<string, string>;
      assert.deepEqual([error["name"], error["code"]], [name, code]);
      assert.match(error["message"]!, message);
    });
  }

  it("cuts the client's connection where its response breaks off", async () => {
    const response = await fetch(url("/broken"));
    assert.equal(response.status, 200);
    await assert.rejects(response.text());
    await gateway.logged((line) => line["code"] === "response_truncated" && line["path"] === "/broken");
  });

  it("is another way than the network, whose responses pass too", async () => {
    const asked = `http://127.0.0.1:${backend.port}/gzip`;
    const response = await fetch(url(`/net?url=${encodeURIComponent(asked)}`));
    assert.equal(response.headers.get("content-encoding"), null);
    assert.equal(await response.text(), "some text");
  });

  it("goes to the backends of the configuration as it is now, from the same VM", async () => {
    const second = await AskedBackend.start("second");
    const vms = () => gateway.log.filter(({ msg }) => / ended: /.test(msg)).length;
    const before = vms();
    await gateway.adopt(config(second.place, await deadPort()), { server });
    assert.equal((await told(await fetch(url("/told")))).backend, "second");
    assert.equal(vms(), before);
    second.stop();
  });
});
