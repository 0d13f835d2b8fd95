// examples/programmable-proxy, run as it is, in front of real backends.

import assert from "node:assert/strict";
import { after, before, beforeEach, it } from "node:test";
import { Origin } from "../http/origin.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { TestGateway } from "../support/gateway.ts";

let shop: Origin;
let beta: Origin;
let gateway: TestGateway;
before(async () => {
  shop = await Origin.start();
  beta = await Origin.start();
  gateway = await TestGateway.startExample("programmable-proxy", {
    SHOP_PORT: `${shop.port}`,
    BETA_PORT: `${beta.port}`,
  });
});
beforeEach(() => {
  shop.reset();
  beta.reset();
});
after(async () => {
  await gateway.stop();
  await shop.stop();
});

const get = (path: string, cookie = "") =>
  fetch(`http://127.0.0.1:${gateway.port}${path}`, { headers: { Cookie: cookie } });

it("changes the path of the request, and asks for what it can read", async () => {
  assert.equal(await (await get("/shop/cart?id=1", "beta=10")).text(), "ok");
  assert.equal(shop.only.target, "/v2/cart?id=1");
  assert.deepEqual(valuesOf(shop.only.fields, "accept-encoding"), []);
});

it("changes pages", async () => {
  const page = "<html><body><h1>Shop</h1></body></html>";
  shop.answer = () =>
    `HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nETag: "x"\r\nContent-Length: ${page.length}\r\n\r\n${page}`;
  const response = await get("/");
  assert.equal(
    await response.text(),
    "<html><body><h1>Shop</h1><p>Free delivery this week</p></body></html>",
  );
  assert.equal(response.headers.get("etag"), null);
});

it("lets bodies through both ways", async () => {
  const body = "x".repeat(300_000);
  const response = await fetch(`http://127.0.0.1:${gateway.port}/upload`, { method: "POST", body });
  assert.equal(response.status, 200);
  assert.equal(shop.only.body, body);
});

it("asks the beta for who wants it, and the shop where the beta is down", async () => {
  assert.equal((await get("/shop/", "a=b; beta=1")).status, 200);
  assert.equal(beta.only.target, "/v2/");
  assert.equal(shop.requests.length, 0);
  await beta.stop();
  assert.equal((await get("/shop/", "beta=1")).status, 200);
  assert.equal(shop.only.target, "/v2/");
  await gateway.logged(({ level, msg }) => level === "warn" && msg.startsWith("the beta gave no response"));
});
