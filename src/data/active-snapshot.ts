// A snapshot made ready to serve on one data thread: the router over compiled routes, and the pools behind them.

import type {
  BackendSpec,
  ListenerTls,
  PolicySpecs,
  RouteSpec,
  ServerSpec,
  Snapshot,
  UpstreamSpec,
} from "../config/snapshot.ts";
import { GatewayError } from "../core/errors.ts";
import { UpstreamState } from "../core/shared/upstream-state.ts";
import { AccessLog } from "./access-log.ts";
import { createApp } from "./actions/app.ts";
import { createProxy } from "./actions/proxy-route.ts";
import { createRedirect, createRespond } from "./actions/respond.ts";
import type { Route, StartAction } from "./actions/route.ts";
import { createStatic } from "./actions/static.ts";
import type { HeadLimits } from "./http1/head-parser.ts";
import { HttpsOnly } from "./https-only.ts";
import { failExchange } from "./pipeline.ts";
import { Caches } from "./policies/caches.ts";
import { createPolicies, type PolicySetting } from "./policies/policies.ts";
import { createRouter, type Router } from "./router/router.ts";
import { tlsProtocols } from "./serve.ts";
import type { ThreadContext } from "./thread-context.ts";
import { TlsServer } from "./tls/server.ts";
import { Backend } from "./upstream/backend.ts";
import { type BackendPool, createPool } from "./upstream/pool.ts";
import { Queue } from "./upstream/queue.ts";
import { Upstream } from "./upstream/upstream.ts";

export class ActiveSnapshot {
  readonly spec: Snapshot;
  readonly server: ServerSpec;
  readonly headLimits: HeadLimits;
  readonly router: Router<Route>;
  /** For exchanges that no route is for. */
  readonly fallback: Route;
  /** Null when access logging is off. Lives on in the next snapshot that logs to the same place. */
  readonly accessLog: AccessLog | null;
  /** By upstream, id and identity: a pool lives on in the next snapshot that has the same backend. */
  readonly pools = new Map<string, BackendPool>();
  /** By the name of the upstream. A queue lives on where its shared memory does. */
  readonly queues = new Map<string, Queue>();
  readonly httpsOnly: HttpsOnly | null;
  /** Those of its listeners. */
  readonly tlsServers: ReadonlyMap<ListenerTls | null, TlsServer>;
  readonly caches: Caches;
  /** How apps ask, by the name of the upstream. */
  readonly asks: ReadonlyMap<string, StartAction>;
  readonly #upstreams: readonly Upstream[];

  constructor(spec: Snapshot, thread: ThreadContext, previous: ActiveSnapshot | null) {
    this.spec = spec;
    this.server = spec.server;
    this.headLimits = {
      lineBytes: spec.server.requestLineBytes,
      headerBytes: spec.server.headerBytes,
      headerCount: spec.server.headerCount,
    };
    this.httpsOnly = HttpsOnly.of(spec.server);
    this.tlsServers = tlsServersOf(spec.server, thread, previous);
    const sameLog = JSON.stringify(previous?.spec.accessLog) === JSON.stringify(spec.accessLog);
    if (spec.accessLog === null) this.accessLog = null;
    else this.accessLog = (sameLog && previous?.accessLog) || new AccessLog(spec.accessLog, thread.reporter);
    this.#upstreams = spec.upstreams.map((upstream) => this.#upstream(upstream, thread, previous));
    const upstreams = new Map(this.#upstreams.map((upstream) => [upstream.spec.name, upstream]));
    this.asks = new Map(
      spec.asks.map((ask) => [ask.targets[0]!.upstream, createProxy(ask, upstreams, thread)]),
    );
    this.caches = new Caches(thread, previous?.caches ?? null);
    this.router = createRouter(
      spec.routes.map((route) => ({
        spec: route,
        policies: createPolicies(route.policies, {
          route: route.name,
          thread,
          upstreams,
          cacheOf: (cache) => this.caches.of(route, cache),
        }),
        start: this.#startOf(route, upstreams, thread),
      })),
    );
    this.fallback = createFallback(spec.policies, { route: "", thread, upstreams, cacheOf: null });
  }

  #startOf(
    { action }: RouteSpec,
    upstreams: ReadonlyMap<string, Upstream>,
    thread: ThreadContext,
  ): StartAction {
    switch (action.kind) {
      case "respond":
        return createRespond(action);
      case "redirect":
        return createRedirect(action);
      case "static":
        return createStatic(action, thread);
      case "app": {
        const app = this.spec.apps.find(({ name }) => name === action.app)!;
        return createApp(action, app, thread.vms.of(app), thread);
      }
      case "proxy":
        return createProxy(action, upstreams, thread);
    }
  }

  #upstream(spec: UpstreamSpec, thread: ThreadContext, previous: ActiveSnapshot | null): Upstream {
    const state = new UpstreamState(spec.shared, thread.threads, spec.queueCapacity);
    const before = previous?.queues.get(spec.name);
    const isSame = before?.sharedId === spec.sharedId;
    const queue = before !== undefined && isSame ? before : new Queue(spec, state.line, thread);
    this.queues.set(spec.name, queue);
    const backends = spec.backends.map((backend, index) => {
      return new Backend(backend, index, this.#pool(backend, queue, thread, previous));
    });
    return new Upstream(spec, backends, state, queue, thread);
  }

  #pool(
    spec: BackendSpec,
    queue: Queue,
    thread: ThreadContext,
    previous: ActiveSnapshot | null,
  ): BackendPool {
    const key = `${queue.name} ${spec.id} ${spec.identity}`;
    const pool = previous?.pools.get(key) ?? createPool(spec, queue, thread);
    this.pools.set(key, pool);
    return pool;
  }

  /** Begins to serve: what lives on from the snapshot before goes over to the limits of this one. */
  activated(thread: ThreadContext): void {
    thread.vms.keepOnly(this.spec.apps);
    this.caches.activated();
    for (const upstream of this.#upstreams) {
      const { queue, backends } = upstream;
      queue.upstream = upstream;
      queue.pools = backends.map(({ pool }) => pool);
      for (const { pool, spec } of backends) pool.adopt(spec, queue);
    }
  }

  /** Lets go of what the next snapshot does not have. */
  retire(next: ActiveSnapshot | null): void {
    if (this.accessLog !== next?.accessLog) this.accessLog?.close();
    this.caches.retire(next?.caches ?? null);
    for (const [identity, pool] of this.pools) if (next?.pools.get(identity) !== pool) pool.retire();
  }
}

function createFallback(specs: PolicySpecs | null, setting: PolicySetting): Route {
  return {
    spec: NO_ROUTE,
    policies: createPolicies(specs, setting),
    start: (exchange) => {
      const { method, authority, path } = exchange.request;
      failExchange(
        exchange,
        new GatewayError("route_not_found", `no route for ${method} ${authority}${path}`),
      );
    },
  };
}

const NO_ROUTE: RouteSpec = {
  name: "",
  hosts: [],
  path: "/",
  pathKind: "prefix",
  methods: null,
  headers: [],
  priority: 0,
  policies: null,
  action: { kind: "respond", status: 404, headers: [], body: "" },
  bodyBytes: null,
  minBodyRate: 0,
};

/** One that stays lives on: certificates take their time to be read, and names of backends change often. */
function tlsServersOf(
  { listeners, http2 }: ServerSpec,
  thread: ThreadContext,
  previous: ActiveSnapshot | null,
): Map<ListenerTls | null, TlsServer> {
  const protocols = tlsProtocols(http2.enabled);
  const before = [...(previous?.tlsServers.values() ?? [])];
  const servers = new Map<ListenerTls | null, TlsServer>();
  for (const { tls } of listeners) {
    if (tls === null || servers.has(tls)) continue;
    const same = before.find((server) => server.isFor(tls, protocols));
    servers.set(tls, same ?? new TlsServer(tls, protocols, thread.tls));
  }
  return servers;
}
