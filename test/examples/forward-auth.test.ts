// examples/forward-auth, run as it is: the other server is a second gateway with the same file.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { type Answer, ask } from "../http/client.ts";
import { Origin } from "../http/origin.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { TestGateway } from "../support/gateway.ts";

let origin: Origin;
let auth: TestGateway;
let gateway: TestGateway;
before(async () => {
  origin = await Origin.start();
  auth = await TestGateway.startExample("forward-auth", {});
  gateway = await TestGateway.startExample("forward-auth", {
    BACKEND_PORT: `${origin.port}`,
    AUTH_PORT: `${auth.port}`,
  });
});
after(async () => {
  await gateway.stop();
  await auth.stop();
  await origin.stop();
});

async function get(fields: string): Promise<Answer> {
  return (await ask(gateway.port, `GET /app HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n`)).answer;
}

it("sends strangers to a page to log in", async () => {
  const { status, fields, body } = await get("Cookie: session=guess\r\nX-User: root\r\n");
  assert.deepEqual([status, body], [303, "log in first\n"]);
  assert.deepEqual(valuesOf(fields, "location"), ["/login"]);
  assert.equal(origin.requests.length, 0);
});

it("lets those through that the other server knows, and says who they are", async () => {
  assert.equal((await get("Cookie: session=secret\r\nX-User: root\r\n")).status, 200);
  assert.deepEqual(origin.valuesOf("x-user"), ["alice"]);
});
