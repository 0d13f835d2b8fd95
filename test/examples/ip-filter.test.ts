// examples/ip-filter, run as it is.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { ask } from "../http/client.ts";
import { TestGateway } from "../support/gateway.ts";

let gateway: TestGateway;
before(async () => {
  gateway = await TestGateway.startExample("ip-filter");
});
after(() => gateway.stop());

async function statusOf(path: string, client: string): Promise<number> {
  const text = `GET ${path} HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: ${client}\r\n\r\n`;
  return (await ask(gateway.port, text)).answer.status;
}

it("lets only the office in behind /office", async () => {
  assert.equal(await statusOf("/office", "192.0.2.7"), 200);
  assert.equal(await statusOf("/office", "192.0.2.66"), 403);
  assert.equal(await statusOf("/office", "127.0.0.1"), 403);
});

it("lets a bad neighbourhood in nowhere", async () => {
  assert.equal(await statusOf("/", "198.51.100.1"), 200);
  assert.equal(await statusOf("/", "203.0.113.5"), 403);
  assert.equal(await statusOf("/", "2001:db8:bad::5"), 403);
});
