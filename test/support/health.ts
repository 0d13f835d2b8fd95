// Upstreams as the health checks of the control thread get them: specs as compiled, on real shared memory.

import type {
  BackendSpec,
  EjectionSpec,
  HealthCheckSpec,
  UpstreamRules,
  UpstreamSpec,
} from "../../src/config/snapshot.ts";
import { BackendShare, createBackendState } from "../../src/core/shared/backend-state.ts";
import { createUpstreamState, UpstreamState } from "../../src/core/shared/upstream-state.ts";

const THREADS = 1;
const QUEUE_SIZE = 4;

/** `GET /health` often, with one failure and one success enough, unless `settings` say otherwise. */
export function healthCheck(settings: Partial<HealthCheckSpec> = {}): HealthCheckSpec {
  return {
    path: "/health",
    grpc: null,
    method: "GET",
    host: null,
    port: null,
    statuses: [
      [200, 299],
      [300, 399],
    ],
    body: null,
    intervalMs: 20,
    timeoutMs: 5000,
    failures: 1,
    successes: 1,
    ...settings,
  };
}

/** On 127.0.0.1 with id `origin-<port>`, without health check. */
export function backendSpec(settings: Partial<BackendSpec> & { readonly port: number }): BackendSpec {
  return {
    id: `origin-${settings.port}`,
    host: "127.0.0.1",
    hostName: "127.0.0.1",
    srv: null,
    socketPath: null,
    identity: `http://127.0.0.1:${settings.port}`,
    weight: 100,
    backup: false,
    maxConnections: 1000,
    protocol: "http1",
    tls: null,
    proxyProtocol: null,
    healthCheck: null,
    shared: createBackendState(THREADS),
    ...settings,
  };
}

export interface TestUpstream {
  readonly spec: UpstreamSpec;
  readonly state: UpstreamState;
  /** With the view that a data thread has of each. */
  readonly backends: ReadonlyArray<{ readonly spec: BackendSpec; readonly state: BackendShare }>;
}

/** Named `origin`, with the default rules. */
export function upstream(backends: readonly BackendSpec[], rules: Partial<UpstreamRules> = {}): TestUpstream {
  const shared = createUpstreamState(THREADS, QUEUE_SIZE);
  const spec: UpstreamSpec = {
    name: "origin",
    queue: { size: QUEUE_SIZE, timeoutMs: 5000 },
    failureStatuses: [502, 503, 504],
    ejection: ejection(),
    circuit: null,
    retryBudget: { share: 0.2, least: 3 },
    slowStartMs: 0,
    panicThreshold: 0,
    ...rules,
    backends,
    shared,
    sharedId: 1,
    queueCapacity: QUEUE_SIZE,
  };
  const state = new UpstreamState(shared, THREADS, QUEUE_SIZE);
  return {
    spec,
    state,
    backends: backends.map((own) => ({ spec: own, state: new BackendShare(own.shared, 0) })),
  };
}

export function ejection(settings: Partial<EjectionSpec> = {}): EjectionSpec {
  return {
    failures: 5,
    failureShare: null,
    windowMs: 10_000,
    minRequests: 20,
    timeMs: 10_000,
    maxTimeMs: 300_000,
    maxShare: 0.5,
    ...settings,
  };
}
