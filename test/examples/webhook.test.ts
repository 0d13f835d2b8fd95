// examples/webhook, run as it is.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, it } from "node:test";
import { TestGateway } from "../support/gateway.ts";

let gateway: TestGateway;
before(async () => {
  gateway = await TestGateway.startExample("webhook");
});
after(() => gateway.stop());

function signed(body: string | Buffer, secret = "It is a secret to everybody"): string {
  return `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
}

async function post(body: string | Buffer, signature?: string): Promise<number> {
  const headers: Record<string, string> = signature === undefined ? {} : { "X-Hub-Signature-256": signature };
  const init = { method: "POST", body: Buffer.from(body), headers };
  return (await fetch(`http://127.0.0.1:${gateway.port}/hooks`, init)).status;
}

it("takes what is signed, and handles it after the answer", async () => {
  // Spaces and escapes that no parser would write again as they are.
  const body = '{ "action" :\t"op\\u0065ned", "n": 1.0 }\n';
  assert.equal(await post(body, signed(body)), 202);
  const line = await gateway.logged(({ msg }) => msg.startsWith("webhook"));
  assert.match(line.msg, /opened/);
});

it("refuses what is not", async () => {
  const body = '{"action": "opened"}';
  assert.equal(await post(body), 401);
  assert.equal(await post(body, ""), 401);
  assert.equal(await post(body, signed(body, "another secret")), 401);
  assert.equal(await post(`${body} `, signed(body)), 401);
  assert.equal(await post(body, signed(body).toUpperCase()), 401);
  assert.equal(await post(Buffer.of(0xff, 0xfe), signed(Buffer.of(0xff, 0xfe))), 400);
});
