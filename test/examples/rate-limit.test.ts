// examples/rate-limit, run as it is.

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
  gateway = await TestGateway.startExample("rate-limit", { BACKEND_PORT: `${origin.port}` });
});
after(async () => {
  await gateway.stop();
  await origin.stop();
});

async function get(path: string, fields = ""): Promise<Answer> {
  return (await ask(gateway.port, `GET ${path} HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n`)).answer;
}

it("lets a burst of a key pass, then refuses", async () => {
  // A second may pass meanwhile, and bring one more.
  const answers: Answer[] = [];
  for (let i = 0; i < 20; i++) answers.push(await get("/api/x", "X-Api-Key: mine\r\n"));
  const passed = answers.filter(({ status }) => status === 200).length;
  assert.ok(passed >= 5 && passed < 20, String(passed));
  const [first] = answers;
  assert.deepEqual(valuesOf(first!.fields, "ratelimit-policy"), ['"bursts";q=5;w=5, "daily";q=1000;w=86400']);
  assert.match(valuesOf(first!.fields, "ratelimit")[0]!, /^"bursts";r=4;t=1, "daily";r=999;t=8[67]$/);
  assert.equal((await get("/api/x", "X-Api-Key: another\r\n")).status, 200);
});

it("counts everything else by client, but for the health of the gateway", async () => {
  assert.deepEqual(valuesOf((await get("/")).fields, "ratelimit-policy"), ['"default";q=100;w=2']);
  assert.deepEqual(valuesOf((await get("/health")).fields, "ratelimit-policy"), []);
});
