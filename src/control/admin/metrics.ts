// What `/metrics` tells Prometheus, in base units: seconds, bytes, shares of 1. Control thread.

import { statSync } from "node:fs";
import { ERRORS, type ErrorCode } from "../../core/errors.ts";
import type { CounterName, Totals } from "../../core/metrics.ts";
import { openFileLimit } from "../file-limit.ts";
import type { LiveBackend, LiveUpstream } from "../upstreams.ts";
import { addApps } from "./apps.ts";
import { BACKEND_STATES, backendStatus } from "./backends.ts";
import { Exposition, type Labels } from "./exposition.ts";
import { type GatewayView, isReady } from "./view.ts";

type Family = readonly [name: string, help: string, labels?: Labels];

const RESPONSES = ["sluice_responses_total", "Responses sent to clients, by class."] as const;
const REFUSED = ["sluice_connections_refused_total", "Client connections refused, by reason."] as const;

const CACHE = ["sluice_cache_requests_total", "Requests on routes with a cache, by what it did."] as const;

const COUNTERS: Readonly<
  Record<Exclude<CounterName, "tunnelsOpen" | "cacheEntries" | "cacheBytes" | "webSocketsOpen">, Family>
> = {
  requests: ["sluice_requests_total", "Requests that were answered, or failed."],
  responses1xx: [...RESPONSES, { code: "1xx" }],
  responses2xx: [...RESPONSES, { code: "2xx" }],
  responses3xx: [...RESPONSES, { code: "3xx" }],
  responses4xx: [...RESPONSES, { code: "4xx" }],
  responses5xx: [...RESPONSES, { code: "5xx" }],
  responsesAborted: ["sluice_responses_aborted_total", "Responses that were cut before their end."],
  bytesIn: ["sluice_received_bytes_total", "Bytes of requests."],
  bytesOut: ["sluice_sent_bytes_total", "Bytes of responses."],
  connectionsAccepted: ["sluice_connections_accepted_total", "Client connections accepted."],
  refusedAtMaxConnections: [...REFUSED, { reason: "max_conn" }],
  refusedAtClientLimit: [...REFUSED, { reason: "max_conn_per_client" }],
  refusedAtFileLimit: [...REFUSED, { reason: "file_limit" }],
  refusedProxyHeaders: [...REFUSED, { reason: "proxy_protocol" }],
  cacheHits: [...CACHE, { result: "hit" }],
  cacheStaleHits: ["sluice_cache_stale_total", "Of the answers from the cache, those past their time."],
  cacheMisses: [...CACHE, { result: "miss" }],
  cacheBypassed: [...CACHE, { result: "bypass" }],
  cacheCollapsed: [
    "sluice_cache_collapsed_total",
    "Requests answered with the response to another one that they waited for.",
  ],
  cacheRevalidated: ["sluice_cache_revalidated_total", "Kept responses that a backend confirmed."],
  tlsHandshakes: ["sluice_tls_handshakes_total", "TLS handshakes with clients."],
  tlsResumptions: ["sluice_tls_resumptions_total", "TLS handshakes that went on with an earlier session."],
  failedHandshakes: [
    "sluice_tls_handshakes_failed_total",
    "TLS handshakes with clients that came to nothing.",
  ],
  refusedClientCertificates: [
    "sluice_tls_client_certificates_refused_total",
    "TLS handshakes that failed for the certificate of the client.",
  ],
  webSocketMessagesIn: [
    "sluice_websocket_messages_total",
    "Messages of WebSockets of apps.",
    { direction: "in" },
  ],
  webSocketMessagesOut: [
    "sluice_websocket_messages_total",
    "Messages of WebSockets of apps.",
    { direction: "out" },
  ],
  webSocketsOverLimit: [
    "sluice_websockets_over_limit_total",
    "WebSockets of apps closed because a message was too long, or too much waited.",
  ],
  upstreamConnectionsOpened: ["sluice_backend_connections_opened_total", "Connections to backends opened."],
  upstreamConnectionsReused: [
    "sluice_backend_connections_reused_total",
    "Requests sent on a connection that had carried another.",
  ],
  retries: ["sluice_retries_total", "Requests that were sent again."],
  queued: ["sluice_queued_total", "Exchanges that had to wait for a backend with room."],
  ejections: ["sluice_ejections_total", "Backends taken out because exchanges failed."],
  circuitsOpened: ["sluice_circuits_opened_total", "Circuits that opened."],
  mirrored: ["sluice_mirrored_total", "Requests of which a copy went to another upstream."],
  mirrorsDropped: [
    "sluice_mirrors_dropped_total",
    "Copies that were not sent, for lack of room or of a connection.",
  ],
  rateKeysForgotten: [
    "sluice_rate_limit_keys_forgotten_total",
    "Clients or keys whose requests a rate limit forgot for lack of room.",
  ],
  rateLimitedDryRun: [
    "sluice_rate_limited_dry_run_total",
    "Requests that a rate limit would have refused (dry_run).",
  ],
};

const FAILURES = [
  "sluice_failures_total",
  "Exchanges that failed, by error code and by who is at fault.",
] as const;

export function metricsText(view: GatewayView, nowMs: number): string {
  const out = new Exposition();
  addGateway(out, view);
  addTotals(out, view.readTotals());
  addThreads(out, view);
  for (const upstream of view.upstreams) {
    addUpstream(out, upstream, nowMs);
    for (const backend of upstream.backends) {
      addBackend(out, upstream, backend, nowMs);
      addChanges(out, upstream, backend, view);
    }
  }
  addApps(out, view.apps);
  addProcess(out, view);
  return out.text;
}

function addGateway(out: Exposition, view: GatewayView): void {
  out.gauge("sluice_build_info", "Always 1; the version is in the label.", 1, { version: view.version });
  out.gauge("sluice_ready", "1 while exchanges are taken.", isReady(view) ? 1 : 0);
  out.gauge("sluice_snapshot_version", "Accepted configurations since the start.", view.snapshotVersion);
}

function addTotals(out: Exposition, { connections, counters, failures, ...times }: Totals): void {
  out.gauge("sluice_connections", "Client connections open.", connections);
  out.gauge("sluice_tunnels", "Tunnels (WebSocket and other upgrades) open.", counters.tunnelsOpen);
  out.gauge("sluice_websockets", "WebSockets of apps open.", counters.webSocketsOpen);
  out.gauge("sluice_cache_entries", "Responses kept.", counters.cacheEntries);
  out.gauge("sluice_cache_bytes", "Memory that the responses kept take.", counters.cacheBytes);
  for (const [counter, [name, help, labels]] of Object.entries(COUNTERS))
    out.counter(name, help, counters[counter as CounterName], labels);
  for (const [code, count] of Object.entries(failures))
    out.counter(...FAILURES, count, { code, source: ERRORS[code as ErrorCode].source });
  out.histogram(
    "sluice_request_duration_seconds",
    "From the end of the request head to the end of the response.",
    times.requestTimes,
  );
  out.histogram(
    "sluice_upstream_duration_seconds",
    "From the end of the request head to the head of the backend's response.",
    times.upstreamTimes,
  );
}

function addThreads(out: Exposition, { dataThreads }: GatewayView): void {
  for (const { index, running, eventLoop } of dataThreads) {
    const labels = { thread: String(index) };
    out.gauge("sluice_data_thread_up", "1 while the data thread runs.", running ? 1 : 0, labels);
    const [active, idle] = [eventLoop.active / 1000, eventLoop.idle / 1000];
    out.counter("sluice_data_thread_active_seconds_total", "Time the event loop worked.", active, labels);
    out.counter("sluice_data_thread_idle_seconds_total", "Time the event loop waited.", idle, labels);
  }
}

function addUpstream(out: Exposition, { spec, state }: LiveUpstream, nowMs: number): void {
  const labels = { upstream: spec.name };
  out.gauge(
    "sluice_upstream_waiting",
    "Exchanges that wait for a backend with room.",
    state.line.waiting,
    labels,
  );
  out.gauge(
    "sluice_upstream_pending",
    "Exchanges that wait for the head of a response.",
    state.pending,
    labels,
  );
  out.state("sluice_upstream_circuit", "State of the circuit: 1 for the one it is in.", {
    states: ["closed", "open", "trial"],
    current: state.circuit,
    labels,
  });
  const retries = "Requests sent again in the last ten seconds, as the retry budget counts them.";
  out.gauge("sluice_upstream_recent_retries", retries, state.retries.some(nowMs), labels);
}

function addBackend(
  out: Exposition,
  upstream: LiveUpstream,
  { spec, state }: LiveBackend,
  nowMs: number,
): void {
  const labels = { upstream: upstream.spec.name, backend: spec.id };
  const { requests, failures, responses } = state.totals;
  out.gauge(
    "sluice_backend_up",
    "1 unless checks or failures keep the backend out.",
    state.up ? 1 : 0,
    labels,
  );
  out.state("sluice_backend_state", "State of the backend: 1 for the one it is in.", {
    states: BACKEND_STATES,
    current: backendStatus(state, upstream.spec.slowStartMs, nowMs),
    labels,
  });
  out.gauge(
    "sluice_backend_connections",
    "Connections open, unused ones among them.",
    state.connections,
    labels,
  );
  out.gauge("sluice_backend_max_connections", "Connections allowed at a time.", spec.maxConnections, labels);
  out.gauge("sluice_backend_in_flight", "Connections that carry an exchange.", state.inFlight, labels);
  out.counter("sluice_backend_requests_total", "Requests sent, repeated ones among them.", requests, labels);
  const failed = "Requests without a response, or with one that counts as a failure.";
  out.counter("sluice_backend_failures_total", failed, failures, labels);
  for (const [i, count] of responses.entries())
    out.counter("sluice_backend_responses_total", "Responses, by class.", count, {
      ...labels,
      code: `${i + 2}xx`,
    });
  out.counter("sluice_backend_ejections_total", "Times the backend was taken out.", state.ejections, labels);
  const time = "Time to the head of a response: an average that forgets, and fades while nothing is sent.";
  out.gauge("sluice_backend_response_time_seconds", time, state.timeUs(nowMs) / 1e6, labels);
  const reported = "How busy the backend was reported to be, 0 to 1; fades out in 30 seconds.";
  out.gauge("sluice_backend_utilisation", reported, state.utilisation(nowMs), labels);
}

function addChanges(out: Exposition, upstream: LiveUpstream, { spec }: LiveBackend, view: GatewayView): void {
  const { changes } = view.healthOf(upstream.spec.name, spec.id) ?? {};
  const help = "Changes of state: by checks, and by the end of an ejection.";
  for (const to of ["up", "down", "readmitted"] as const) {
    const labels = { upstream: upstream.spec.name, backend: spec.id, to };
    out.counter("sluice_backend_state_changes_total", help, changes?.[to] ?? 0, labels);
  }
}

/** Under the names that every Prometheus client uses. */
function addProcess(out: Exposition, { startedAt }: GatewayView): void {
  const { user, system } = process.cpuUsage();
  out.counter("process_cpu_seconds_total", "Processor time used, over all threads.", (user + system) / 1e6);
  out.gauge("process_resident_memory_bytes", "Memory in use.", process.memoryUsage.rss());
  out.gauge("process_start_time_seconds", "Start of the gateway, in Unix time.", startedAt / 1000);
  const files = openFiles();
  if (files !== null) out.gauge("process_open_fds", "Files open, connections among them.", files);
  const limit = openFileLimit();
  if (limit !== Number.POSITIVE_INFINITY) out.gauge("process_max_fds", "Files that may be open.", limit);
}

/** Linux gives the number as the size of the folder since 6.2; to list 100,000 names would hold this thread up. */
function openFiles(): number | null {
  const size = statSync("/proc/self/fd", { throwIfNoEntry: false })?.size ?? 0;
  return size > 0 ? size : null;
}
