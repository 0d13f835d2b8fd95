// examples/cache, run as it is.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { post } from "../admin/setting.ts";
import { type Answer, ask } from "../http/client.ts";
import { OK, Origin } from "../http/origin.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { TestGateway } from "../support/gateway.ts";

let origin: Origin;
let gateway: TestGateway;
let adminPort: number;
before(async () => {
  origin = await Origin.start();
  gateway = await TestGateway.startExample("cache", { BACKEND_PORT: `${origin.port}`, ADMIN_PORT: "0" });
  const { msg } = await gateway.logged((line) => line.msg.startsWith("admin API on "));
  adminPort = Number(/:(\d+)$/.exec(msg)?.[1]);
});
after(async () => {
  await gateway.stop();
  await origin.stop();
});

async function get(target: string, fields = ""): Promise<Answer> {
  return (await ask(gateway.port, `GET ${target} HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n`)).answer;
}

const statusOf = ({ fields }: Answer) => valuesOf(fields, "cache-status").join();

it("keeps the news for a while, whatever the newsletter adds to their address", async () => {
  assert.equal(statusOf(await get("/news/today?id=1")), "sluice; fwd=uri-miss; stored");
  assert.match(statusOf(await get("/news/today?utm_source=mail&id=1&utm_medium=x")), /^sluice; hit; ttl=\d$/);
  assert.match(statusOf(await get("/news/today?id=1", "Cache-Control: no-cache\r\n")), /^sluice; hit/);
  assert.equal(statusOf(await get("/news/today?id=2")), "sluice; fwd=uri-miss; stored");
  assert.equal(statusOf(await get("/news/today?id=1", "Cookie: a=b; preview=1\r\n")), "sluice; fwd=bypass");
});

it("keeps of everything else what says so itself", async () => {
  for (let i = 0; i < 2; i++) assert.equal(statusOf(await get("/")), "sluice; fwd=uri-miss");
  origin.answer = () => OK.replace("\r\n\r\n", "\r\nCache-Control: max-age=60\r\n\r\n");
  for (const status of [/fwd=uri-miss; stored$/, /hit/]) assert.match(statusOf(await get("/kept")), status);
});

it("keeps nothing of an account", async () => {
  for (let i = 0; i < 2; i++) assert.equal(statusOf(await get("/account")), "");
});

it("forgets the news when it is told to", async () => {
  await get("/news/more");
  const { status, body } = await post(adminPort, "/api/v1/cache/purge", { prefix: "/news/m" }, "");
  assert.deepEqual([status, JSON.parse(body)], [200, { removed: 1 }]);
  assert.equal(statusOf(await get("/news/more")), "sluice; fwd=uri-miss; stored");
});
