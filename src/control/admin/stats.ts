// The answer of `/api/v1/stats/server`: how the machine and the gateway are doing. Control thread.

import { cpus, loadavg } from "node:os";
import type { Histogram } from "../../core/histogram.ts";
import type { Totals } from "../../core/metrics.ts";
import { cpuShare, type Machine, type Space } from "./machine.ts";
import { ratePerSecond, type Sample, type Samples } from "./samples.ts";
import type { GatewayView } from "./view.ts";

const SECOND = 1000;
const TEN_SECONDS = 10_000;
const MINUTE = 60_000;

export async function serverStats(view: GatewayView, samples: Samples, machine: Machine) {
  const now = samples.take();
  const disk = await machine.disk(process.cwd());
  return {
    timestamp: Date.now(),
    ...machineStats(samples.before(now, SECOND), now, machine.memory(), disk),
    version: view.version,
    state: view.lifecycle,
    snapshot_version: view.snapshotVersion,
    uptime_seconds: Math.floor((Date.now() - view.startedAt) / 1000),
    ...gatewayStats(samples, now),
    data_threads: threadStats(view, samples.before(now, TEN_SECONDS), now),
  };
}

function machineStats(before: Sample, now: Sample, memory: Space, disk: Space | null) {
  const [load1 = 0, load5 = 0, load15 = 0] = loadavg();
  const { traffic } = now;
  return {
    cpu_usage: percent(cpuShare(before.cpu, now.cpu)),
    memory_usage: percent(memory.used),
    disk_usage: disk === null ? null : percent(disk.used),
    load_avg_1: rounded(load1),
    load_avg_5: rounded(load5),
    load_avg_15: rounded(load15),
    /** Bytes per second. */
    network_in: traffic === null ? null : growth(before, now, ({ traffic }) => traffic?.received ?? 0),
    network_out: traffic === null ? null : growth(before, now, ({ traffic }) => traffic?.sent ?? 0),
    network_in_total: traffic?.received ?? null,
    network_out_total: traffic?.sent ?? null,
    cpu_count: cpus().length,
    memory_total: memory.total,
    memory_available: memory.available,
    disk_total: disk?.total ?? null,
    disk_available: disk?.available ?? null,
  };
}

function gatewayStats(samples: Samples, now: Sample) {
  const { connections, counters, failures, requestTimes, upstreamTimes } = now.totals;
  const minuteAgo = samples.before(now, MINUTE).totals;
  return {
    connections,
    connections_accepted: counters.connectionsAccepted,
    connections_refused: {
      max_conn: counters.refusedAtMaxConnections,
      max_conn_per_client: counters.refusedAtClientLimit,
      file_limit: counters.refusedAtFileLimit,
      proxy_protocol: counters.refusedProxyHeaders,
    },
    tls: {
      handshakes: counters.tlsHandshakes,
      resumed: counters.tlsResumptions,
      failed: counters.failedHandshakes,
      client_certificates_refused: counters.refusedClientCertificates,
    },
    tunnels: counters.tunnelsOpen,
    websockets: {
      open: counters.webSocketsOpen,
      messages_in: counters.webSocketMessagesIn,
      messages_out: counters.webSocketMessagesOut,
      over_limit: counters.webSocketsOverLimit,
    },
    requests: counters.requests,
    requests_per_second: {
      "1s": growth(samples.before(now, SECOND), now, requestsOf),
      "10s": growth(samples.before(now, TEN_SECONDS), now, requestsOf),
      "60s": growth(samples.before(now, MINUTE), now, requestsOf),
    },
    responses: {
      "1xx": counters.responses1xx,
      "2xx": counters.responses2xx,
      "3xx": counters.responses3xx,
      "4xx": counters.responses4xx,
      "5xx": counters.responses5xx,
    },
    responses_aborted: counters.responsesAborted,
    failures,
    bytes_in: counters.bytesIn,
    bytes_out: counters.bytesOut,
    upstream_connections: {
      opened: counters.upstreamConnectionsOpened,
      reused: counters.upstreamConnectionsReused,
    },
    retries: counters.retries,
    queued: counters.queued,
    mirrored: counters.mirrored,
    mirrors_dropped: counters.mirrorsDropped,
    cache: {
      hits: counters.cacheHits,
      stale_hits: counters.cacheStaleHits,
      misses: counters.cacheMisses,
      collapsed: counters.cacheCollapsed,
      revalidated: counters.cacheRevalidated,
      bypassed: counters.cacheBypassed,
      entries: counters.cacheEntries,
      bytes: counters.cacheBytes,
    },
    ejections: counters.ejections,
    circuits_opened: counters.circuitsOpened,
    latency_ms: { requests: latency(requestTimes), upstream: latency(upstreamTimes) },
    latency_60s_ms: {
      requests: latency(requestTimes.since(minuteAgo.requestTimes)),
      upstream: latency(upstreamTimes.since(minuteAgo.upstreamTimes)),
    },
  } satisfies Record<string, unknown> & { failures: Totals["failures"] };
}

function threadStats({ dataThreads }: GatewayView, before: Sample, now: Sample) {
  return dataThreads.map(({ index, running }, i) => {
    return { index, running, event_loop_usage: percent(loopShare(before.eventLoops[i], now.eventLoops[i])) };
  });
}

/** The share of its time in which an event loop worked. One that was started again since counts from there. */
function loopShare(before: EventLoop | undefined, now: EventLoop | undefined): number {
  if (now === undefined) return 0;
  const isSame = before !== undefined && before.active <= now.active && before.idle <= now.idle;
  const active = now.active - (isSame ? before.active : 0);
  const all = active + now.idle - (isSame ? before.idle : 0);
  return all <= 0 ? 0 : active / all;
}

type EventLoop = Sample["eventLoops"][number];

function latency(times: Histogram) {
  return {
    p50: milliseconds(times.quantile(0.5)),
    p90: milliseconds(times.quantile(0.9)),
    p99: milliseconds(times.quantile(0.99)),
    "p99.9": milliseconds(times.quantile(0.999)),
    max: milliseconds(times.max),
  };
}

function requestsOf({ totals }: Sample): number {
  return totals.counters.requests;
}

function growth(before: Sample, now: Sample, count: (sample: Sample) => number): number {
  return rounded(ratePerSecond(before, now, count));
}

function percent(share: number): number {
  return rounded(share * 100);
}

function milliseconds(us: number): number {
  return us / 1000;
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
