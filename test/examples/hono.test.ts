// examples/hono, run as it is.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { TestGateway } from "../support/gateway.ts";

let gateway: TestGateway;
before(async () => {
  gateway = await TestGateway.startExample("hono");
});
after(() => gateway.stop());

function url(path: string): string {
  return `http://127.0.0.1:${gateway.port}${path}`;
}

function order(body: string): Promise<Response> {
  return fetch(url("/orders"), { method: "POST", body, headers: { "Content-Type": "application/json" } });
}

it("answers by its routes, through its middleware", async () => {
  const response = await fetch(url("/products/tea"));
  assert.deepEqual(await response.json(), { name: "Tea, 100 g", cents: 450 });
  assert.match(response.headers.get("server-timing") ?? "", /^handler;dur=\d+\.\d$/);
  assert.deepEqual(Object.keys((await (await fetch(url("/products"))).json()) as object), ["tea", "cup"]);
  const missing = await fetch(url("/products/coffee"));
  assert.equal(missing.status, 404);
  assert.deepEqual(await missing.json(), { error: "there is no /products/coffee" });
});

it("prices an order, and says what is wrong with another", async () => {
  const response = await order('{"tea": 2, "cup": 1}');
  assert.equal(response.status, 201);
  assert.deepEqual(await response.json(), { lines: 2, cents: 1800 });
  for (const [body, error] of [
    ['{"tea": -1}', "tea: expected a whole number from 1"],
    ['{"coffee": 1}', 'there is no product "coffee"'],
    ["[]", "expected an object of products and numbers"],
    ["{", "Malformed JSON in request body"],
  ] as const) {
    const refused = await order(body);
    assert.equal(refused.status, 400);
    assert.deepEqual(await refused.json(), { error });
  }
});
