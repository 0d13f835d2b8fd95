// A snapshot made ready to serve on one data thread: the router over compiled routes, and the pools behind them.

import type { BackendSpec, RouteSpec, ServerSpec, Snapshot } from "../config/snapshot.ts";
import { AccessLog } from "./access-log.ts";
import { createProxy } from "./actions/proxy.ts";
import { createRedirect, createRespond } from "./actions/respond.ts";
import type { Route, StartAction } from "./actions/route.ts";
import type { HeadLimits } from "./http1/head-parser.ts";
import { createRouter, type Router } from "./router/router.ts";
import type { ThreadContext } from "./thread-context.ts";
import { createBalancer } from "./upstream/balancers/balancer.ts";
import { BackendPool } from "./upstream/pool.ts";
import type { Upstream } from "./upstream/upstream.ts";

export class ActiveSnapshot {
  readonly spec: Snapshot;
  readonly server: ServerSpec;
  readonly headLimits: HeadLimits;
  readonly router: Router<Route>;
  /** Null when access logging is off. Lives on in the next snapshot that logs to the same place. */
  readonly accessLog: AccessLog | null;
  /** By the identity of the backend: a pool lives on in the next snapshot that has the same backend. */
  readonly pools = new Map<string, BackendPool>();

  constructor(spec: Snapshot, thread: ThreadContext, previous: ActiveSnapshot | null) {
    this.spec = spec;
    this.server = spec.server;
    this.headLimits = {
      lineBytes: spec.server.requestLineBytes,
      headerBytes: spec.server.headerBytes,
      headerCount: spec.server.headerCount,
    };
    const sameLog = JSON.stringify(previous?.spec.accessLog) === JSON.stringify(spec.accessLog);
    if (spec.accessLog === null) this.accessLog = null;
    else this.accessLog = (sameLog && previous?.accessLog) || new AccessLog(spec.accessLog, thread.reporter);
    const upstreams = new Map<string, Upstream>();
    for (const { name, backends } of spec.upstreams) {
      const made = backends.map((backend) => ({
        spec: backend,
        pool: this.#pool(backend, thread, previous),
      }));
      upstreams.set(name, { name, backends: made });
    }
    this.router = createRouter(
      spec.routes.map((route) => ({ spec: route, start: startOf(route, upstreams, thread) })),
    );
  }

  #pool(spec: BackendSpec, thread: ThreadContext, previous: ActiveSnapshot | null): BackendPool {
    let pool = this.pools.get(spec.identity) ?? previous?.pools.get(spec.identity);
    pool ??= new BackendPool(spec, thread);
    this.pools.set(spec.identity, pool);
    return pool;
  }

  /** Lets go of what the next snapshot does not have. */
  retire(next: ActiveSnapshot | null): void {
    if (this.accessLog !== next?.accessLog) this.accessLog?.close();
    for (const [identity, pool] of this.pools) if (next?.pools.get(identity) !== pool) pool.retire();
  }
}

function startOf(
  route: RouteSpec,
  upstreams: ReadonlyMap<string, Upstream>,
  thread: ThreadContext,
): StartAction {
  const { action } = route;
  if (action.kind === "respond") return createRespond(action);
  if (action.kind === "redirect") return createRedirect(action);
  const upstream = upstreams.get(action.upstream);
  if (upstream === undefined)
    throw new Error(`route "${route.name}": no upstream "${action.upstream}" in the snapshot`);
  return createProxy(action, createBalancer(action.balancer, upstream.backends, thread.index), thread);
}
