// Server-sent events through the gateway, with a real client: each event at once, and silence for as long as it may last.
// Real gateway process.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it, type TestContext } from "node:test";
import { EventSource } from "eventsource";
import { TestGateway } from "../support/gateway.ts";

const IDLE_MS = 300;
const SSE_IDLE_MS = 900;

describe("a stream of events", () => {
  let gateway: TestGateway;
  let server: Server;

  before(async () => {
    server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    gateway = await TestGateway.start(`backends: { origin: [{ host: 127.0.0.1, port: ${port} }] }
timeouts: { idle: ${IDLE_MS}ms, sse_idle: ${SSE_IDLE_MS}ms }
routing: { all: { upstream: origin } }
`);
  });
  after(async () => {
    await gateway.stop("SIGKILL");
    server.close();
    server.closeAllConnections();
  });

  /** A subscription, and the backend's side of it. */
  async function subscribe(t: TestContext, type = "text/event-stream") {
    const asked = nextRequest();
    const source = new EventSource(`http://127.0.0.1:${gateway.port}/events`);
    t.after(() => source.close());
    const { request, response } = await asked;
    response.writeHead(200, { "Content-Type": type });
    response.flushHeaders();
    await once(source, "open");
    return { source, request, response };
  }

  async function nextRequest() {
    const [request, response] = (await once(server, "request")) as [IncomingMessage, ServerResponse];
    return { request, response };
  }

  async function nextEvent(source: EventSource): Promise<MessageEvent> {
    const [event] = (await once(source, "message")) as [MessageEvent];
    return event;
  }

  it("delivers each event before the next one is sent", async (t) => {
    const { source, response } = await subscribe(t);
    for (let i = 0; i < 20; i++) {
      const arrived = nextEvent(source);
      response.write(`id: ${i}\ndata: event ${i}\n\n`);
      const { data, lastEventId } = await arrived;
      assert.deepEqual([data, lastEventId], [`event ${i}`, String(i)]);
    }
  });

  it("may be silent for longer than idle, and is cut after sse_idle", async (t) => {
    const { source, response } = await subscribe(t, "text/event-stream; charset=utf-8");
    const arrived = nextEvent(source);
    const silent = setTimeout(() => response.write("retry: 10\ndata: late\n\n"), 2 * IDLE_MS);
    t.after(() => clearTimeout(silent));
    assert.equal((await arrived).data, "late");
    const since = performance.now();
    const closed = once(response, "close");
    await once(source, "error");
    source.close();
    await closed;
    const tookMs = performance.now() - since;
    assert.ok(tookMs < 10 * SSE_IDLE_MS, `${tookMs} ms`);
    const line = await gateway.logged((entry) => entry["path"] === "/events");
    assert.equal(line["code"], "response_stalled");
  });

  it("is asked for again where it broke, with the id of the last event", async (t) => {
    const { source, response } = await subscribe(t);
    const arrived = nextEvent(source);
    response.write("retry: 10\nid: 7\ndata: seven\n\n");
    await arrived;
    const again = nextRequest();
    response.destroy();
    const { request, response: second } = await again;
    assert.equal(request.headers["last-event-id"], "7");
    second.writeHead(200, { "Content-Type": "text/event-stream" });
    const next = nextEvent(source);
    second.write("data: eight\n\n");
    assert.equal((await next).data, "eight");
  });

  it("ends for the backend when its client leaves", async (t) => {
    const { source, response } = await subscribe(t);
    source.close();
    await once(response, "close");
    assert.equal(response.writableFinished, false);
  });
});
