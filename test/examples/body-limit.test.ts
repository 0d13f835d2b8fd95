// examples/body-limit, run as it is.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { ask } from "../http/client.ts";
import { Origin } from "../http/origin.ts";
import { TestGateway } from "../support/gateway.ts";

let origin: Origin;
let gateway: TestGateway;
before(async () => {
  origin = await Origin.start();
  gateway = await TestGateway.startExample("body-limit", { BACKEND_PORT: `${origin.port}` });
});
after(async () => {
  await gateway.stop();
  await origin.stop();
});

async function post(path: string, length: number): Promise<number> {
  const head = `POST ${path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${length}\r\n\r\n`;
  return (await ask(gateway.port, head + "x".repeat(length))).answer.status;
}

it("takes a form of a kilobyte, and no longer one", async () => {
  assert.equal(await post("/form", 1024), 200);
  assert.equal(await post("/form", 1025), 413);
});

it("takes a longer upload", async () => {
  assert.equal(await post("/upload/x", 100_000), 200);
});
