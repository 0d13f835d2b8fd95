// How many connections a number of open files is good for. Runs in the test process.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { connectionsWithin, openFileLimit } from "./file-limit.ts";

const MODULE = new URL("./file-limit.ts", import.meta.url).href;

describe("the open-file limit", () => {
  it("is the one of this process", () => {
    const script = `import { openFileLimit } from "${MODULE}"; console.log(openFileLimit());`;
    const limits = ["--nofile=321:321", process.execPath, "--input-type=module", "-e", script];
    assert.equal(execFileSync("prlimit", limits, { encoding: "utf8" }).trim(), "321");
    assert.ok(openFileLimit() > 0);
  });

  it("leaves two files for each connection, after those of the gateway itself", () => {
    for (const threads of [1, 2, 16]) {
      const some = connectionsWithin(20_000, threads);
      assert.ok(some > 9000 && some < 10_000, `${some}`);
      assert.equal(connectionsWithin(20_002, threads), some + 1);
      assert.equal(connectionsWithin(20_001, threads), some);
      assert.ok(connectionsWithin(20_000, threads + 1) < some);
    }
  });

  it("allows one connection where it is too low for any", () => {
    assert.equal(connectionsWithin(10, 4), 1);
  });

  it("allows any number where there is none", () => {
    assert.equal(connectionsWithin(Number.POSITIVE_INFINITY, 4), Number.MAX_SAFE_INTEGER);
  });
});
