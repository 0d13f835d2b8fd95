// examples/json-api, run as it is.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { TestGateway } from "../support/gateway.ts";

let gateway: TestGateway;
before(async () => {
  gateway = await TestGateway.startExample("json-api");
});
after(() => gateway.stop());

function count(body: string, key: string, type = "application/json"): Promise<Response> {
  const headers = { "Content-Type": type, "X-Api-Key": key };
  return fetch(`http://127.0.0.1:${gateway.port}/count`, { method: "POST", body, headers });
}

it("counts", async () => {
  const response = await count('{"text": "Über uns, 2 Wörter 🙂"}', "one");
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { characters: 20, words: 4 });
});

it("says what it does not take", async () => {
  for (const [body, type, status] of [
    ["{}", "text/plain", 415],
    ["{", "application/json", 400],
    ["[]", "application/json", 400],
    [JSON.stringify({ text: "x".repeat(200_000) }), "application/json", 413],
  ] as const)
    assert.equal((await count(body, "two", type)).status, status);
  assert.equal((await fetch(`http://127.0.0.1:${gateway.port}/count`)).status, 404);
});

it("refuses a key that asks too much, and no other", async () => {
  const statuses = await Promise.all(
    Array.from({ length: 30 }, async () => (await count('{"text": ""}', "three")).status),
  );
  assert.ok(statuses.includes(200) && statuses.includes(429), statuses.join(" "));
  assert.equal((await count('{"text": ""}', "four")).status, 200);
});
