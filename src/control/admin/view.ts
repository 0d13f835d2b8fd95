// What the admin API may see of the gateway. Control thread.

import type { Totals } from "../../core/metrics.ts";
import type { CachePurge } from "../../wire/control.ts";
import type { AppReport } from "../apps/app-report.ts";
import type { HealthChanges, LastCheck } from "../health/backend-health.ts";
import type { LiveUpstream } from "../upstreams.ts";

/** `starting` until the first snapshot serves, `draining` from the signal to stop. */
export type Lifecycle = "starting" | "ready" | "draining";

/** Its values are those of the moment in which they are read. */
export interface GatewayView {
  /** Of Sluice. */
  readonly version: string;
  /** As from `Date.now()`. */
  readonly startedAt: number;
  readonly lifecycle: Lifecycle;
  /** Version of the snapshot that serves. */
  readonly snapshotVersion: number;
  /** Those of the snapshot that serves. */
  readonly upstreams: readonly LiveUpstream[];
  /** Those of the snapshot that serves, and behind them old versions that are not done yet. */
  readonly apps: readonly AppReport[];
  readonly dataThreads: readonly DataThreadView[];
  /** Names of the routes of the snapshot that serves. */
  readonly routes: readonly string[];
  readTotals(): Totals;
  /** Resolves with the number of responses that the caches of all data threads have forgotten. */
  purgeCaches(purge: CachePurge): Promise<number>;
  /** What checks and ejections did to a backend; null for one that nobody watches. */
  healthOf(upstream: string, id: string): BackendRecord | null;
}

export interface BackendRecord {
  readonly changes: HealthChanges;
  /** Null where none was made yet, or none is. */
  readonly lastCheck: LastCheck | null;
}

export interface DataThreadView {
  readonly index: number;
  readonly running: boolean;
  /** How long its event loop worked and waited, in ms since the thread started: `worker.performance` tells. */
  readonly eventLoop: { readonly active: number; readonly idle: number };
}

/** Whether somebody takes exchanges. */
export function isReady({ lifecycle, dataThreads }: GatewayView): boolean {
  return lifecycle === "ready" && dataThreads.some(({ running }) => running);
}
