// `sticky`: whose cookie is followed, what it looks like, and that nobody can make one. Runs in the test process.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { StickySpec } from "../../../config/snapshot.ts";
import type { BalancerSetting } from "./balancer.ts";
import { backendsOf, clientExchange, exchangeOf, settingOf } from "./candidates.test.ts";
import { Sticky } from "./sticky.ts";

const SPEC: StickySpec = { cookie: "stay", secret: "sixteen letters!", maxAge: null, secure: false };

function stickyOf(backends = backendsOf([1, 1, 1]), setting: Partial<BalancerSetting> = {}): Sticky {
  return new Sticky({ ...settingOf(backends, { sticky: SPEC }), ...setting });
}

/** `name=value` of the cookie that a new client gets which is served by `id`. */
function cookieFor(id: string, setting: Partial<BalancerSetting> = {}): string {
  const backends = backendsOf([1, 1, 1]);
  const exchange = exchangeOf();
  stickyOf(backends, setting).pick(
    exchange,
    backends.filter(({ spec }) => spec.id === id),
  );
  return exchange.setCookie!.split(";")[0]!;
}

const withCookie = (cookie: string) => exchangeOf({ fields: { Cookie: cookie } });

describe("the cookie of sticky", () => {
  const LOOKS: ReadonlyArray<readonly [spec: Partial<StickySpec>, attributes: string]> = [
    [{}, "; Path=/; HttpOnly; SameSite=Lax"],
    [{ maxAge: 3600 }, "; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600"],
    [{ secure: true }, "; Path=/; HttpOnly; SameSite=Lax; Secure"],
    [{ maxAge: 5, secure: true, cookie: "who" }, "; Path=/; HttpOnly; SameSite=Lax; Max-Age=5; Secure"],
  ];
  for (const [spec, attributes] of LOOKS) {
    it(`ends with "${attributes}" for ${JSON.stringify(spec)}`, () => {
      const backends = backendsOf([1]);
      const exchange = exchangeOf();
      stickyOf(backends, { sticky: { ...SPEC, ...spec } }).pick(exchange, backends);
      const [name, rest] = exchange.setCookie!.split(/=(.*)/);
      assert.equal(name, spec.cookie ?? "stay");
      assert.match(rest!, /^[\w-]{22};/);
      assert.equal(rest!.slice(22), attributes);
    });
  }

  it("is the first 128 bits of an HMAC of upstream and backend", () => {
    const bits = createHmac("sha256", "sixteen letters!").update("app\0b").digest().subarray(0, 16);
    assert.equal(cookieFor("b"), `stay=${bits.toString("base64url")}`);
  });

  it("names the same backend after a restart, on every thread, in any order of the file", () => {
    const cookie = cookieFor("c");
    const backends = backendsOf([5, 1, 1]).toReversed();
    const moved = backends.map((backend, index) => ({ ...backend, index }));
    for (const offset of [0, 1, 2]) {
      const exchange = withCookie(cookie);
      assert.equal(stickyOf(moved, { offset }).pick(exchange, moved).spec.id, "c");
      assert.equal(exchange.setCookie, null);
    }
  });

  it("cannot be signed without a secret", () => {
    const setting = { sticky: { ...SPEC, secret: null } };
    assert.throws(() => stickyOf(undefined, setting), /Cannot sign the cookie "stay" of upstream "app"/);
  });
});

describe("sticky", () => {
  it("keeps a client with its backend however often it comes, and sets the cookie once", () => {
    const backends = backendsOf([1, 1, 1]);
    const balancer = stickyOf(backends);
    for (const id of ["a", "b", "c"]) {
      const cookie = `theme=dark; ${cookieFor(id)}; lang=en`;
      for (let i = 0; i < 20; i++) {
        const exchange = withCookie(cookie);
        assert.equal(balancer.pick(exchange, backends).spec.id, id);
        assert.equal(exchange.setCookie, null);
      }
    }
  });

  it("keeps every client with the backend it was given", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 20 }), (weights) => {
        const backends = backendsOf(weights);
        const balancer = stickyOf(backends);
        for (let client = 0; client < 30; client++) {
          const first = clientExchange(client);
          const picked = balancer.pick(first, backends);
          const next = withCookie(first.setCookie!.split(";")[0]!);
          assert.equal(balancer.pick(next, backends), picked);
        }
      }),
    );
  });

  it("serves elsewhere while its backend is no candidate, and says so in a new cookie", () => {
    const backends = backendsOf([1, 1, 1]);
    const balancer = stickyOf(backends);
    const exchange = withCookie(cookieFor("b"));
    const picked = balancer.pick(exchange, [backends[0]!, backends[2]!]);
    assert.notEqual(picked.spec.id, "b");
    assert.ok(exchange.setCookie!.startsWith(`${cookieFor(picked.spec.id)};`));
  });

  it("sets no cookie when a second attempt comes back to the client's own backend", () => {
    const backends = backendsOf([1, 1, 1]);
    const balancer = stickyOf(backends);
    const exchange = withCookie(cookieFor("b"));
    balancer.pick(exchange, [backends[0]!]);
    assert.equal(balancer.pick(exchange, backends).spec.id, "b");
    assert.equal(exchange.setCookie, null);
  });

  const good = cookieFor("b").split("=")[1]!;
  const STRANGE: ReadonlyArray<readonly [what: string, cookie: string]> = [
    ["no cookie of this name", "other=1"],
    ["an empty one", "stay="],
    ["the id in plain text", "stay=b"],
    ["the index", "stay=1"],
    ["one with a letter changed", `stay=${good[0] === "A" ? "B" : "A"}${good.slice(1)}`],
    ["one that is cut", `stay=${good.slice(0, -1)}`],
    ["one that goes on", `stay=${good}A`],
    ["the same bits in standard base64 with padding", `stay=${good}==`],
    ["one of another upstream", cookieFor("b", { upstream: "other" })],
    ["one of an upstream and backend that read alike together", cookieFor("b", { upstream: "ap" })],
    ["one signed with another secret", cookieFor("b", { sticky: { ...SPEC, secret: "another of sixteen" } })],
    ["one of another name", cookieFor("b").replace("stay", "Stay")],
    ["the name of a property of every object", "stay=__proto__"],
  ];
  for (const [what, cookie] of STRANGE) {
    it(`follows nothing and goes by weight where there is ${what}`, () => {
      const backends = backendsOf([2, 1, 1]);
      const balancer = stickyOf(backends);
      const order = Array.from({ length: 8 }, () => {
        const exchange = withCookie(cookie);
        const { id } = balancer.pick(exchange, backends).spec;
        assert.ok(exchange.setCookie!.startsWith(`${cookieFor(id)};`));
        return id;
      });
      assert.equal(order.join(""), "abcaabca");
    });
  }
});
