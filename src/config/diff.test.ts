// What a reload cannot change. Runs in the test process.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { GatewaySpec } from "./compile.ts";
import { restartNeeded } from "./diff.ts";

const RUNNING: GatewaySpec = {
  workers: "auto",
  reusePort: false,
  shutdownTimeoutMs: 30_000,
  requestedMaxConnections: null,
};

test("what a reload can change needs no restart", () => {
  assert.deepEqual(
    restartNeeded(RUNNING, { ...RUNNING, shutdownTimeoutMs: 1, requestedMaxConnections: 10 }),
    [],
  );
});

test("data threads and the sharing of the port need a restart", () => {
  assert.deepEqual(restartNeeded(RUNNING, { ...RUNNING, workers: 4, reusePort: true }), [
    "server.workers: 4 instead of auto takes a restart",
    "server.reuse_port: true instead of false takes a restart",
  ]);
});
