// Which names are near enough to have been meant. Runs in the test process.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nearest } from "./suggest.ts";

const KEYS = ["host", "port", "listeners", "read_timeout", "write_timeout", "max_conn"];

test("a misspelt name finds the one that was meant", () => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["prot", "port"],
    ["Port", "port"],
    ["hosts", "host"],
    ["listener", "listeners"],
    ["read_timout", "read_timeout"],
    ["readTimeout", "read_timeout"],
    ["write-timeout", "write_timeout"],
    ["maxconn", "max_conn"],
  ];
  for (const [word, meant] of cases) assert.equal(nearest(word, KEYS), meant, word);
});

test("a name that is near to none finds none", () => {
  for (const word of ["", "x", "apps", "certificates", "keepalive"])
    assert.equal(nearest(word, KEYS), null, word);
});
