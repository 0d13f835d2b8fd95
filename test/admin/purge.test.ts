// Purges of the caches by the admin API: who may, what is accepted, what reaches the data threads. The test is the gateway.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { errorOf, get, post, startAdmin } from "./setting.ts";

const CONFIG = "backends: { shop: [{ id: one, host: 127.0.0.1, port: 1 }] }\n";
const PATH = "/api/v1/cache/purge";
const NOTHING = { route: null, host: null, path: null, prefix: null };

describe("a purge", () => {
  it("reaches the data threads as it was asked for, and tells how many responses are gone", async (t) => {
    const { port, view } = await startAdmin(t, CONFIG);
    const { status, body } = await post(port, PATH, {
      route: "shop",
      host: "Shop.Example",
      prefix: "/a%20b",
    });
    assert.deepEqual([status, JSON.parse(body)], [200, { removed: 3 }]);
    await post(port, PATH, { path: "/" });
    await post(port, PATH, {});
    assert.deepEqual(view.purges, [
      { ...NOTHING, route: "shop", host: "shop.example", prefix: "/a%20b" },
      { ...NOTHING, path: "/" },
      NOTHING,
    ]);
  });

  it("needs the token, and is no GET", async (t) => {
    const { port, view } = await startAdmin(t, CONFIG);
    assert.equal(errorOf(await post(port, PATH, {}, "")), "401 token_missing");
    assert.equal(errorOf(await post(port, PATH, {}, "Authorization: Bearer x\r\n")), "401 token_wrong");
    assert.equal(errorOf(await get(port, PATH)), "405 method_not_allowed");
    assert.deepEqual(view.purges, []);
  });

  for (const [title, body, expected, message] of [
    [
      "of an unknown route",
      { route: "shpo" },
      "404 unknown_route",
      'There is no route "shpo": did you mean "shop"?',
    ],
    ["with an unknown key", { pth: "/" }, "400 invalid_request", 'unknown key "pth": did you mean "path"?'],
    ["of a path that no response has", { path: "/a/../b" }, "400 invalid_request", /expected a path such as/],
    ["of a path without its slash", { prefix: "news" }, "400 invalid_request", /cannot use "news"/],
    ["of a path that is none", { path: 5 }, "400 invalid_request", /path: cannot use 5/],
    [
      "of a path and a prefix",
      { path: "/a", prefix: "/b" },
      "400 invalid_request",
      /either "path" or "prefix"/,
    ],
    ["of no host", { host: "" }, "400 invalid_request", /host: cannot use ""/],
    ["of a list", [], "400 invalid_request", /expected an object with route, host, path or prefix/],
    ["of nothing at all", "null", "400 invalid_request", /./],
  ] as const) {
    it(`${title} is refused`, async (t) => {
      const { port, view } = await startAdmin(t, CONFIG);
      const answer = await post(port, PATH, body);
      assert.equal(errorOf(answer), expected);
      const found = JSON.parse(answer.body).error.message;
      if (typeof message === "string") assert.equal(found, message);
      else assert.match(found, message);
      assert.deepEqual(view.purges, []);
    });
  }
});
