// The answer of `/api/v1/backends`: every backend and its upstream as the data threads see them now. Control thread.

import { addressOf } from "../../core/authority.ts";
import { type BackendState, Check } from "../../core/shared/backend-state.ts";
import type { LiveBackend, LiveUpstream } from "../upstreams.ts";
import type { BackendRecord, GatewayView } from "./view.ts";

export const BACKEND_STATES = ["up", "down", "ejected", "awaiting_check", "slow_start"] as const;
export type BackendStatus = (typeof BACKEND_STATES)[number];

/** `upstreams` are some of the view's. */
export function backendsAnswer(view: GatewayView, upstreams: readonly LiveUpstream[], nowMs: number) {
  return {
    backends: upstreams.flatMap(({ spec, backends }) => {
      return backends.map((backend) => ({
        ...describeBackend(spec.name, spec.slowStartMs, backend, nowMs),
        ...describeHealth(view.healthOf(spec.name, backend.spec.id)),
      }));
    }),
    upstreams: upstreams.map((upstream) => describeUpstream(upstream, nowMs)),
  };
}

function describeBackend(upstream: string, slowStartMs: number, { spec, state }: LiveBackend, nowMs: number) {
  const { requests, failures, responses } = state.totals;
  const status = backendStatus(state, slowStartMs, nowMs);
  return {
    upstream,
    id: spec.id,
    address: addressOf(spec),
    weight: spec.weight,
    backup: spec.backup,
    state: status,
    /** As from `Date.now()`. */
    ejected_until: status === "ejected" ? state.ejectedUntil : null,
    ejections: state.ejections,
    connections: state.connections,
    in_flight: state.inFlight,
    max_conn: spec.maxConnections,
    requests,
    failures,
    responses: Object.fromEntries(responses.map((count, i) => [`${i + 2}xx`, count])),
    response_time_ms: rounded(state.timeUs(nowMs) / 1000),
    utilisation: rounded(state.utilisation(nowMs)),
  };
}

function describeHealth(record: BackendRecord | null) {
  const { up = 0, down = 0, readmitted = 0 } = record?.changes ?? {};
  const check = record?.lastCheck ?? null;
  return {
    state_changes: { up, down, readmitted },
    last_check: check === null ? null : { at: check.at, ms: rounded(check.ms), failure: check.failure },
  };
}

function describeUpstream({ spec, state, backends }: LiveUpstream, nowMs: number) {
  return {
    name: spec.name,
    backends: backends.length,
    backends_up: backends.filter((backend) => backend.state.up).length,
    waiting: state.line.waiting,
    pending: state.pending,
    circuit: state.circuit,
    /** Of the last ten seconds. */
    requests: state.retries.all(nowMs),
    retries: state.retries.some(nowMs),
  };
}

/** What keeps a backend out is told before what only slows it down. */
export function backendStatus(state: BackendState, slowStartMs: number, nowMs: number): BackendStatus {
  if (state.check === Check.awaited) return "awaiting_check";
  if (state.check === Check.failed) return "down";
  if (state.ejected) return "ejected";
  return state.slowStarting && nowMs - state.slowSince < slowStartMs ? "slow_start" : "up";
}

/** Microseconds, and ten-thousandths of a share, are enough. */
function rounded(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
