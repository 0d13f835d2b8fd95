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

  it("leaves two files for each client, and a quarter for unused connections to backends", () => {
    for (const threads of [1, 2, 16]) {
      const { clients, idlePerThread } = connectionsWithin(20_000, threads);
      const files = 2 * clients + threads * idlePerThread;
      assert.ok(files > 19_000 && files < 20_000, `${files}`);
      assert.ok(idlePerThread * threads > 4700 && idlePerThread * threads < 5000, `${idlePerThread}`);
      assert.ok(connectionsWithin(20_016, threads).clients > clients);
      assert.ok(connectionsWithin(20_000, threads + 1).clients < clients);
    }
  });

  it("allows one client where it is too low for any", () => {
    assert.deepEqual(connectionsWithin(10, 4), { clients: 1, idlePerThread: 0 });
  });

  it("allows any number where there is none", () => {
    const { clients, idlePerThread } = connectionsWithin(Number.POSITIVE_INFINITY, 4);
    assert.equal(clients, Number.MAX_SAFE_INTEGER);
    assert.equal(idlePerThread, Number.MAX_SAFE_INTEGER);
  });
});
