// What the tests of upstreams are made of: data threads without listeners, with time that stands still, and upstreams on
// real shared memory. It has no test of its own; its name keeps it out of what is published.

import { randomUUID } from "node:crypto";
import { backendSpec } from "../../../test/support/health.ts";
import type {
  BackendSpec,
  EjectionSpec,
  ServerSpec,
  UpstreamRules,
  UpstreamSpec,
} from "../../config/snapshot.ts";
import { createMetrics, type GatewayMetrics } from "../../core/metrics.ts";
import { createBackendState } from "../../core/shared/backend-state.ts";
import { createClientCounts } from "../../core/shared/client-counts.ts";
import { createUpstreamState, UpstreamState } from "../../core/shared/upstream-state.ts";
import type { FromDataThread } from "../../wire/control.ts";
import { ActiveSnapshot } from "../active-snapshot.ts";
import { Reporter } from "../reporter.ts";
import { ThreadContext } from "../thread-context.ts";
import { Backend } from "./backend.ts";
import type { BackendPool } from "./pool.ts";
import type { Queue } from "./queue.ts";
import { Upstream } from "./upstream.ts";

export const EJECTION: EjectionSpec = {
  failures: 3,
  failureShare: null,
  windowMs: 10_000,
  minRequests: 10,
  timeMs: 1000,
  maxTimeMs: 30_000,
  maxShare: 1,
};

/** What is asked of a server without clients. */
const PLAIN_SERVER: Partial<ServerSpec> = {
  unusedBackendConnections: 100,
  listeners: [],
  http2: { enabled: false, maxStreams: 1, streamWindowBytes: 1, maxResets: 1 },
  redirectToHttps: false,
  hsts: null,
};

/** As the configuration leaves them, but nobody is ejected. */
const RULES: UpstreamRules = {
  name: "app",
  queue: { size: 10, timeoutMs: 1000 },
  failureStatuses: [502, 503, 504],
  ejection: null,
  circuit: null,
  retryBudget: { share: 0.2, least: 3 },
  slowStartMs: 0,
  panicThreshold: 0,
};

const TICK_MS = 100;

/** The data threads of one gateway. Wherever they run, here it is the thread of the test. */
export function threadsOf(count: number): TestThread[] {
  const metrics = createMetrics(count);
  const clients = createClientCounts(count, 10);
  const cacheChanges = new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT);
  const gateway = randomUUID();
  return Array.from({ length: count }, (_, index) => {
    const data = {
      index,
      threads: count,
      gateway,
      metrics: metrics.shared,
      clients,
      cacheChanges,
      tls: { ticketKeys: Buffer.alloc(48), staples: [] },
      reusePort: false,
    };
    return new TestThread(metrics, (reporter) => new ThreadContext(data, reporter));
  });
}

export class TestThread {
  readonly context: ThreadContext;
  readonly metrics: GatewayMetrics;
  /** What was reported. */
  readonly reports: FromDataThread[] = [];
  #elapsedMs = 0;

  constructor(metrics: GatewayMetrics, contextWith: (reporter: Reporter) => ThreadContext) {
    this.metrics = metrics;
    this.context = contextWith(new Reporter((message) => this.reports.push(message)));
    this.context.deadlines.stop();
  }

  /** Its deadlines come so much nearer, and those that are due come. */
  elapse(ms: number): void {
    for (let rest = ms; rest > 0; rest -= TICK_MS) {
      this.#elapsedMs += TICK_MS;
      this.context.deadlines.sweep(this.#elapsedMs);
    }
  }

  /** Serves a snapshot with that upstream and no route from now on. */
  serve(spec: UpstreamSpec, server: Partial<ServerSpec> = {}): Served {
    const { context } = this;
    const snapshot = {
      version: 1,
      server: { ...PLAIN_SERVER, ...server } as ServerSpec,
      upstreams: [spec],
      apps: [],
      asks: [],
      routes: [],
      accessLog: null,
      policies: null,
    };
    context.activate(new ActiveSnapshot(snapshot, context, context.activeOrNull));
    const { pools, queues } = context.active;
    const queue = queues.get(spec.name)!;
    const own = spec.backends.map(({ id, identity }) => pools.get(`${spec.name} ${id} ${identity}`)!);
    const backends = spec.backends.map((backend, index) => new Backend(backend, index, own[index]!));
    const state = new UpstreamState(spec.shared, context.threads, spec.queueCapacity);
    const upstream = new Upstream(spec, backends, state, queue, context);
    return { upstream, backends, pools: own, queue, state };
  }
}

/** An upstream as one data thread has it. */
export interface Served {
  readonly upstream: Upstream;
  readonly backends: readonly Backend[];
  readonly pools: readonly BackendPool[];
  readonly queue: Queue;
  readonly state: UpstreamState;
}

/** Of an upstream for so many threads. Backends are named a, b, c … unless they say otherwise. */
export function upstreamSpec(
  threads: number,
  backends: ReadonlyArray<Partial<BackendSpec>>,
  rules: Partial<UpstreamRules> = {},
): UpstreamSpec {
  const whole = { ...RULES, ...rules };
  const queueCapacity = whole.queue.size;
  return {
    ...whole,
    backends: backends.map((settings, index) => {
      const id = String.fromCharCode(97 + index);
      const shared = createBackendState(threads);
      return backendSpec({ id, port: 1 + index, shared, ...settings });
    }),
    shared: createUpstreamState(threads, queueCapacity),
    sharedId: 1,
    queueCapacity,
  };
}

/** An upstream as the only data thread of its gateway has it. */
export function upstreamOf(
  backends: ReadonlyArray<Partial<BackendSpec>>,
  rules: Partial<UpstreamRules> = {},
): Served & { readonly thread: TestThread } {
  const [thread] = threadsOf(1);
  return { ...thread!.serve(upstreamSpec(1, backends, rules)), thread: thread! };
}
