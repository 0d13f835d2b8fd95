// Makes the plan of an upstream of its backends and its rules in the file. Runs anywhere.

import { defaultId } from "./backend-relations.ts";
import type { PemFiles } from "./pem-files.ts";
import { type BackendConfig, configSchema, type UpstreamRulesConfig } from "./schema/config.ts";
import type { BackendPlan, BackendTls, HealthCheckSpec, UpstreamPlan } from "./snapshot.ts";

/** `rules` is null where the file has none for this upstream: the defaults. */
export function compileUpstream(
  name: string,
  backends: readonly BackendConfig[],
  rules: UpstreamRulesConfig | null,
  files: PemFiles,
): UpstreamPlan {
  const { queue, ejection, circuit_breaker: circuit, ...rest } = rules ?? DEFAULT_RULES;
  return {
    name,
    backends: backends.filter(({ active }) => active).map((backend) => compileBackend(name, backend, files)),
    queue: { size: queue.size, timeoutMs: queue.timeout },
    failureStatuses: ejection.statuses,
    ejection: ejection.enabled
      ? {
          failures: ejection.failures,
          failureShare: ejection.failure_share ?? null,
          windowMs: ejection.window,
          minRequests: ejection.min_requests,
          timeMs: ejection.time,
          maxTimeMs: Math.max(ejection.max_time, ejection.time),
          maxShare: ejection.max_share,
        }
      : null,
    circuit:
      circuit === undefined
        ? null
        : {
            pending: circuit.pending ?? null,
            failureShare: circuit.failure_share ?? null,
            windowMs: circuit.window,
            minRequests: circuit.min_requests,
            openMs: circuit.open_time,
          },
    retryBudget: rest.retry_budget,
    slowStartMs: rest.slow_start,
    panicThreshold: rest.panic_threshold,
  };
}

const DEFAULT_RULES = configSchema.shape.upstreams.unwrap().valueType.parse({});

function compileBackend(upstream: string, backend: BackendConfig, files: PemFiles): BackendPlan {
  const { host = "", port = 0, srv = null, socket = null, proxy_protocol: proxy } = backend;
  return {
    id: backend.id ?? defaultId(upstream, backend),
    host,
    port,
    srv,
    socketPath: socket,
    weight: backend.weight,
    backup: backend.backup,
    maxConnections: backend.max_conn,
    protocol: backend.protocol,
    tls: backend.scheme === "https" ? compileTls(backend.tls ?? {}, files) : null,
    proxyProtocol: proxy === undefined ? null : proxy === "v1" ? 1 : 2,
    healthCheck: backend.health_check?.enabled ? compileCheck(backend.health_check) : null,
  };
}

function compileTls(tls: Partial<NonNullable<BackendConfig["tls"]>>, files: PemFiles): BackendTls {
  const { ca_file: ca, cert_file: cert, key_file: key, server_name: serverName = null, verify = true } = tls;
  const read = (file: string | undefined) => (file === undefined ? null : files.text(file));
  return { ca: read(ca), cert: read(cert), key: read(key), serverName, verify };
}

function compileCheck(check: NonNullable<BackendConfig["health_check"]>): HealthCheckSpec {
  return {
    path: check.path ?? null,
    grpc: check.grpc ?? null,
    method: check.method,
    host: check.host ?? null,
    port: check.port ?? null,
    statuses: (check.expect_status ?? ["2xx", "3xx"]).map((status) => {
      if (typeof status === "number") return [status, status];
      const first = Number(status[0]) * 100;
      return [first, first + 99];
    }),
    body: check.expect_body ?? null,
    intervalMs: check.interval,
    timeoutMs: check.timeout,
    failures: check.failures,
    successes: check.successes,
  };
}
