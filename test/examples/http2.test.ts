// examples/http2, run as it is.

import assert from "node:assert/strict";
import type { ClientHttp2Session } from "node:http2";
import { after, before, it } from "node:test";
import { ask as askHttp1 } from "../http/client.ts";
import { Origin } from "../http/origin.ts";
import { ask, openSession } from "../http2/client.ts";
import { TestGateway } from "../support/gateway.ts";

let origin: Origin;
let gateway: TestGateway;
let session: ClientHttp2Session;
before(async () => {
  origin = await Origin.start();
  gateway = await TestGateway.startExample("http2", { BACKEND_PORT: `${origin.port}` });
  session = await openSession(gateway.port);
});
after(async () => {
  session.destroy();
  await gateway.stop();
  await origin.stop();
});

it("speaks HTTP/2 and HTTP/1.1 on one port", async () => {
  assert.equal((await ask(session, { ":path": "/" })).body, "hello\n");
  const { answer } = await askHttp1(gateway.port, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
  assert.equal(answer.body, "hello\n");
  assert.equal(session.remoteSettings.maxConcurrentStreams, 100);
});

it("asks the backend in HTTP/1.1", async () => {
  assert.equal((await ask(session, { ":path": "/api/x" })).body, "ok");
  assert.equal(origin.only.target, "/api/x");
  assert.deepEqual(origin.valuesOf("via"), ["2.0 sluice"]);
});
