// examples/cors, run as it is.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { type Answer, ask } from "../http/client.ts";
import { Origin } from "../http/origin.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { TestGateway } from "../support/gateway.ts";

let origin: Origin;
let gateway: TestGateway;
before(async () => {
  origin = await Origin.start();
  gateway = await TestGateway.startExample("cors", { BACKEND_PORT: `${origin.port}` });
});
after(async () => {
  await gateway.stop();
  await origin.stop();
});

async function get(head: string): Promise<Answer> {
  return (await ask(gateway.port, `${head}\r\nHost: a.test\r\n\r\n`)).answer;
}

it("lets pages of the two sites use the API", async () => {
  const { status, fields } = await get(
    "OPTIONS /api/x HTTP/1.1\r\nOrigin: https://app.example.com\r\nAccess-Control-Request-Method: PUT",
  );
  assert.equal(status, 204);
  assert.deepEqual(valuesOf(fields, "access-control-allow-methods"), ["GET, PUT, DELETE"]);
  assert.equal(origin.requests.length, 0);
  const answer = await get("GET /api/x HTTP/1.1\r\nOrigin: https://a.example.org");
  assert.deepEqual(valuesOf(answer.fields, "access-control-allow-origin"), ["https://a.example.org"]);
});

it("lets everybody read the public file", async () => {
  const { body, fields } = await get("GET /public.json HTTP/1.1\r\nOrigin: https://anybody.test");
  assert.equal(body, '{ "hello": "world" }');
  assert.deepEqual(valuesOf(fields, "access-control-allow-origin"), ["*"]);
});
