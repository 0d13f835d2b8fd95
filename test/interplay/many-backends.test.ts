// What a reload costs the control thread where there are many backends: as much as they are, not as much as their square.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BackendPlan, UpstreamPlan } from "../../src/config/snapshot.ts";
import { Upstreams } from "../../src/control/upstreams.ts";

const BACKENDS = 5000;

function plan(): UpstreamPlan {
  return {
    name: "app",
    queue: { size: 10, timeoutMs: 1000 },
    failureStatuses: [],
    ejection: null,
    circuit: null,
    retryBudget: { share: 0.2, least: 3 },
    slowStartMs: 0,
    panicThreshold: 0,
    backends: Array.from({ length: BACKENDS }, (_, i): BackendPlan => {
      return {
        id: `b${i}`,
        host: "127.0.0.1",
        port: 1000 + i,
        srv: null,
        socketPath: null,
        weight: 1,
        backup: false,
        maxConnections: 1,
        protocol: "http1",
        tls: null,
        proxyProtocol: null,
        healthCheck: null,
      };
    }),
  };
}

const placesOf = ({ host, port, weight, backup }: BackendPlan) => [
  { address: host, port, weight, backup, hostName: host },
];

describe("the same backends in another snapshot", () => {
  it("keep their shared memory, and are found without looking through all of them for each", () => {
    const upstreams = new Upstreams(1);
    const startedMs = performance.now();
    const first = upstreams.draft([plan()], placesOf);
    const firstMs = performance.now() - startedMs;
    upstreams.adopt(first);
    const second = upstreams.draft([plan()], placesOf);
    const secondMs = performance.now() - startedMs - firstMs;
    assert.deepEqual(
      second[0]!.backends.map(({ state }) => first[0]!.backends.findIndex((own) => own.state === state)),
      Array.from({ length: BACKENDS }, (_, i) => i),
    );
    assert.ok(secondMs < 20 * firstMs, `${secondMs} ms, and ${firstMs} ms when they were made`);
  });
});
