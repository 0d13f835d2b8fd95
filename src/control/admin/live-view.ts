// The gateway as the admin API sees it, from the parts of the control thread. Control thread.

import { readFileSync } from "node:fs";
import type { GatewayMetrics, Totals } from "../../core/metrics.ts";
import type { CachePurge } from "../../wire/control.ts";
import type { AppReport } from "../apps/app-report.ts";
import type { Apps } from "../apps/apps.ts";
import type { Health } from "../health/health.ts";
import type { LiveUpstream, Upstreams } from "../upstreams.ts";
import type { BackendRecord, DataThreadView, GatewayView, Lifecycle } from "./view.ts";

export interface LiveParts {
  readonly metrics: GatewayMetrics;
  readonly upstreams: Upstreams;
  readonly health: Health;
  readonly apps: Apps;
  /** By index; a thread that is replaced makes way for the next one in the same array. */
  readonly threads: readonly DataThreadView[];
  purgeCaches(purge: CachePurge): Promise<number>;
}

export class LiveView implements GatewayView {
  readonly version = versionOfSluice();
  readonly startedAt = Date.now();
  lifecycle: Lifecycle = "starting";
  snapshotVersion = 0;
  routes: readonly string[] = [];
  readonly #parts: LiveParts;

  constructor(parts: LiveParts) {
    this.#parts = parts;
  }

  get upstreams(): readonly LiveUpstream[] {
    return this.#parts.upstreams.live;
  }

  get apps(): readonly AppReport[] {
    return this.#parts.apps.reports();
  }

  get dataThreads(): readonly DataThreadView[] {
    return this.#parts.threads;
  }

  purgeCaches(purge: CachePurge): Promise<number> {
    return this.#parts.purgeCaches(purge);
  }

  readTotals(): Totals {
    return this.#parts.metrics.readTotals();
  }

  healthOf(upstream: string, id: string): BackendRecord | null {
    const { health } = this.#parts;
    const changes = health.changes(upstream, id);
    return changes === null ? null : { changes, lastCheck: health.lastCheck(upstream, id) };
  }
}

/** The manifest lies above the source and above what is compiled of it. */
function versionOfSluice(): string {
  const text = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
