// examples/headers, run as it is.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { ask } from "../http/client.ts";
import { Origin } from "../http/origin.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { TestGateway } from "../support/gateway.ts";

let origin: Origin;
let gateway: TestGateway;
before(async () => {
  origin = await Origin.start();
  gateway = await TestGateway.startExample("headers", { BACKEND_PORT: `${origin.port}` });
});
after(async () => {
  await gateway.stop();
  await origin.stop();
});

it("gives every response fields for security", async () => {
  const { answer } = await ask(gateway.port, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
  assert.equal(answer.body, "hello\n");
  assert.deepEqual(valuesOf(answer.fields, "x-content-type-options"), ["nosniff"]);
});

it("tells the backend more of its client, and no cookies", async () => {
  const { answer } = await ask(gateway.port, "GET /api/x HTTP/1.1\r\nHost: a.test\r\nCookie: a=b\r\n\r\n");
  assert.equal(origin.only.target, "/x");
  assert.deepEqual(origin.valuesOf("host"), ["api.internal"]);
  assert.deepEqual(origin.valuesOf("x-client"), ["127.0.0.1 over http"]);
  assert.deepEqual(origin.valuesOf("cookie"), []);
  assert.deepEqual(valuesOf(answer.fields, "set-cookie"), ["route=api; Path=/"]);
});
