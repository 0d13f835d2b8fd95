// `env.<upstream>.fetch()` over time: bodies at the pace of the slower side, ends that come early, and bounds.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { AskedBackend } from "./asked-backend.ts";
import { writeApp } from "./write-app.ts";

const CONCURRENCY = 2;

const HANDLER = `
const kept = [];
export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      case "/without-signal":
        return env.api.fetch("/hanging?without");
      case "/with-signal":
        return env.api.fetch("/hanging?with", { signal: request.signal });
      case "/gone":
        await env.api.fetch("/told?started");
        if (!request.signal.aborted) await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
        await env.api.fetch("/told?gone");
        return new Response("to nobody");
      case "/aborted": {
        const controller = new AbortController();
        const path = "/hanging?" + searchParams.get("id");
        const asked = env.api.fetch(path, { signal: controller.signal });
        await env.api.fetch("/asked?path=" + path);
        controller.abort(new Error("the reason"));
        return new Response(await asked.catch((error) => error.message));
      }
      case "/aborted-before":
        return new Response(await env.api.fetch("/hanging?too-late", { signal: AbortSignal.abort(new Error("too late")) }).catch((error) => error.message));
      case "/cancelled": {
        const response = await env.api.fetch("/endless");
        const reader = response.body.getReader();
        await reader.read();
        await reader.cancel();
        return new Response("cancelled");
      }
      case "/unread": {
        const response = await env.api.fetch("/endless");
        kept.push(response);
        return new Response("left");
      }
      case "/many": {
        const controller = new AbortController();
        const { signal } = controller;
        const asked = Array.from({ length: Number(searchParams.get("count")) }, () =>
          env.api.fetch("/hanging?many", { signal }).catch(({ name, message }) => name + ": " + message),
        );
        const first = await Promise.race([...asked, env.api.fetch("/asked?path=/none").catch(({ message }) => message)]);
        controller.abort();
        return new Response(typeof first === "string" ? first : "none too many");
      }
      case "/exit":
        env.api.fetch("/hanging?exit");
        await env.api.fetch("/asked?path=/hanging?exit");
        process.exit(3);
      default:
        return env.api.fetch(request);
    }
  },
};
`;

describe("an upstream that a handler asks, over time", { timeout: 120_000 }, () => {
  let backend: AskedBackend;
  let gateway: TestGateway;
  /** Bytes of `/endless` that the backend could write, and those of uploads that it has read. */
  const bytes = { written: 0, read: 0 };
  /** Of an upload that is not read. */
  let paused: IncomingMessage | null = null;
  const url = (path: string) => `http://127.0.0.1:${gateway.port}${path}`;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url!, "http://backend");
    if (pathname === "/hanging") return;
    if (pathname === "/asked") {
      // Answers when such a request has come.
      while (!backend.requests.some(({ url: asked }) => asked === searchParams.get("path")))
        await new Promise((resolve) => setImmediate(resolve));
      response.end();
    } else if (pathname === "/endless") {
      const piece = Buffer.alloc(65_536);
      const more = () => {
        while (!response.destroyed) {
          bytes.written += piece.length;
          if (!response.write(piece)) {
            response.once("drain", more);
            return;
          }
        }
      };
      more();
    } else if (pathname === "/told") response.end();
    else if (pathname === "/paused") {
      paused = request;
      request.pause();
    }
  }

  /** Resolves with a request when it has come. */
  async function came(path: string): Promise<IncomingMessage> {
    for (;;) {
      const found = backend.requests.find(({ url: asked }) => asked === path);
      if (found !== undefined) return found;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Resolves when the gateway has left the backend alone with a request. */
  async function left(path: string): Promise<void> {
    const { socket } = await came(path);
    if (!socket.destroyed) await once(socket, "close");
  }

  /** Resolves when a count does not change any more. */
  async function settled(count: () => number): Promise<number> {
    for (let same = 0, last = -1; same < 10; ) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      same = count() === last ? same + 1 : 0;
      last = count();
    }
    return count();
  }

  async function open(head: string): Promise<Socket> {
    const socket = connect(gateway.port, "127.0.0.1");
    await once(socket, "connect");
    socket.write(head);
    return socket;
  }

  before(async () => {
    backend = await AskedBackend.start("slow", serve);
    const entry = writeApp(HANDLER);
    gateway = await TestGateway.start(
      `backends: { api: [${backend.place}] }
apps: { asker: { entry: ${entry}, upstreams: [api], timeout: 20s, concurrency: ${CONCURRENCY} } }
timeouts: { response: 10m, idle: 10m }
routing: { all: { app: asker } }`,
      { server: "write_timeout: 2s" },
    );
  });
  after(async () => {
    await gateway.stop();
    backend.stop();
  });

  it("sends no faster than the client reads", async () => {
    const socket = await open("GET /endless HTTP/1.1\r\nHost: a.test\r\n\r\n");
    await once(socket, "readable");
    bytes.written = 0;
    const written = await settled(() => bytes.written);
    assert.ok(written < 32_000_000, `${written} bytes`);
    socket.destroy();
  });

  it("gets no more of an upload than it reads", async () => {
    const socket = await open("POST /paused HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000000\r\n\r\n");
    let sent = 0;
    const more = () => {
      while (socket.write(Buffer.alloc(65_536))) sent += 65_536;
    };
    socket.on("drain", more);
    socket.on("error", () => {});
    more();
    const written = await settled(() => sent);
    assert.ok(paused !== null);
    assert.ok(written < 32_000_000, `${written} bytes`);
    socket.destroy();
  });

  it("is left when the client goes, where the request has that signal", async () => {
    for (const [path, asked] of [
      ["/hanging?as-it-is", "/hanging?as-it-is"],
      ["/with-signal", "/hanging?with"],
    ] as const) {
      const socket = await open(`GET ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
      await came(asked);
      socket.destroy();
      await left(asked);
    }
  });

  it("goes on when the client goes, where the request has not", async () => {
    const socket = await open("GET /without-signal HTTP/1.1\r\nHost: a.test\r\n\r\n");
    const request = await came("/hanging?without");
    socket.destroy();
    // Later requests are left meanwhile.
    await fetch(url("/aborted?id=meanwhile"));
    await left("/hanging?meanwhile");
    assert.equal(request.socket.destroyed, false);
    request.socket.destroy();
  });

  it("hears of the client also when that has gone, as long as the handler runs", async () => {
    const socket = await open("GET /gone HTTP/1.1\r\nHost: a.test\r\n\r\n");
    await came("/told?started");
    socket.destroy();
    const { headers } = await came("/told?gone");
    assert.equal(headers["x-forwarded-for"], "127.0.0.1");
  });

  it("is left by a signal, whose reason the handler gets", async () => {
    assert.equal(await (await fetch(url("/aborted?id=signal"))).text(), "the reason");
    await left("/hanging?signal");
    assert.equal(await (await fetch(url("/aborted-before"))).text(), "too late");
    assert.ok(!backend.requests.some(({ url: asked }) => asked === "/hanging?too-late"));
  });

  it("is left by who cancels its body", async () => {
    assert.equal(await (await fetch(url("/cancelled"))).text(), "cancelled");
    const { socket } = backend.requests.at(-1)!;
    if (!socket.destroyed) await once(socket, "close");
  });

  it("is left where the handler reads nothing of the response for write_timeout", async () => {
    assert.equal(await (await fetch(url("/unread"))).text(), "left");
    const { socket } = backend.requests.at(-1)!;
    if (!socket.destroyed) await once(socket, "close");
  });

  it("has so many requests of a VM at a time, and no more", async () => {
    const most = 8 * CONCURRENCY;
    const message = await (await fetch(url(`/many?count=${most + 1}`))).text();
    assert.match(
      message,
      new RegExp(`^TypeError: Cannot ask an upstream: ${most} requests to upstreams are under way`),
    );
    // Their places are free again.
    assert.equal(await (await fetch(url("/aborted?id=again"))).text(), "the reason");
  });

  it("is left when the VM ends", async () => {
    assert.equal((await fetch(url("/exit"))).status, 502);
    await left("/hanging?exit");
  });
});
