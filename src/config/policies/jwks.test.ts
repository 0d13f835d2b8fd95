// What passes for a JWK Set, and for the address of one. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { jwksFault, jwksUrlFault } from "./jwks.ts";

const KEY = { kty: "EC", crv: "P-256", x: "a", y: "b" };

const SETS: ReadonlyArray<readonly [set: unknown, fault: RegExp | null]> = [
  [{ keys: [KEY] }, null],
  [{ keys: [KEY, { ...KEY, kid: "b" }], more: 1 }, null],
  [{ keys: [] }, /at least one key/],
  [[KEY], /an object with "keys"/],
  [null, /an object with "keys"/],
  [KEY, /an object with "keys"/],
  [{ keys: [KEY, "x"] }, /keys\[1\]/],
  [{ keys: [{ crv: "P-256" }] }, /"kty" as keys\[0\]/],
  [{ keys: [KEY, { ...KEY, d: "secret" }] }, /public keys only, and keys\[1\]/],
  [{ keys: [{ kty: "oct", k: "secret" }] }, /public keys only/],
];

describe("jwksFault", () => {
  for (const [set, fault] of SETS) {
    it(`${fault === null ? "takes" : "refuses"} ${JSON.stringify(set)}`, () => {
      const found = jwksFault(JSON.stringify(set));
      if (fault === null) assert.equal(found, null);
      else assert.match(found ?? "", fault);
      assert.ok(!found?.includes('secret"'));
    });
  }
});

describe("jwksUrlFault", () => {
  it("takes https, and http on this machine", () => {
    for (const url of [
      "https://a.test/x?y",
      "http://localhost:80/",
      "http://127.1.2.3/",
      "http://[::1]:8080/x",
    ])
      assert.equal(jwksUrlFault(url), null, url);
    for (const url of [
      "http://localhost.test/",
      "http://10.0.0.1/",
      "http://[::2]/",
      "ftp://a.test/",
      "//a.test",
      "",
    ])
      assert.notEqual(jwksUrlFault(url), null, url);
  });
});
