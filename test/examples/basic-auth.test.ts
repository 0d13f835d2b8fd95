// examples/basic-auth, run as it is.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { ask } from "../http/client.ts";
import { Origin } from "../http/origin.ts";
import { basic } from "../policies/passwords.ts";
import { TestGateway } from "../support/gateway.ts";

let origin: Origin;
let gateway: TestGateway;
before(async () => {
  origin = await Origin.start();
  gateway = await TestGateway.startExample("basic-auth", { BACKEND_PORT: `${origin.port}` });
});
after(async () => {
  await gateway.stop();
  await origin.stop();
});

async function statusOf(path: string, credentials: string): Promise<number> {
  const text = `GET ${path} HTTP/1.1\r\nHost: a.test\r\nAuthorization: ${credentials}\r\n\r\n`;
  return (await ask(gateway.port, text)).answer.status;
}

it("lets two people into the office", async () => {
  assert.equal(await statusOf("/office", basic("alice", "wonderland")), 200);
  assert.deepEqual(origin.valuesOf("x-user"), ["alice"]);
  assert.deepEqual(origin.valuesOf("authorization"), []);
  assert.equal(await statusOf("/office", basic("bob", "builder")), 200);
});

it("lets nobody else in", async () => {
  assert.equal(await statusOf("/office", basic("alice", "builder")), 401);
  assert.equal(await statusOf("/", "none"), 200);
});
