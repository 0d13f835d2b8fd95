// A proxied route, made ready once per snapshot: which upstream and which balancer an exchange gets.

import type { BalancerName, ExchangeProtocol, ProxySpec } from "../../config/snapshot.ts";
import type { Exchange } from "../../core/exchange.ts";
import { hasToken } from "../http1/fields.ts";
import type { ThreadContext } from "../thread-context.ts";
import { type Balancer, createBalancer } from "../upstream/balancers/balancer.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { Mirror } from "./mirror.ts";
import { type ProxyRoute, ProxyRun } from "./proxy.ts";
import type { StartAction } from "./route.ts";
import { Split } from "./split.ts";

type Balancers = Readonly<Record<ExchangeProtocol, Balancer>>;

/** An upstream that the route may send an exchange to. */
interface Target {
  readonly upstream: Upstream;
  readonly balancers: Balancers;
  /** The balancer of every protocol where it is the same: nothing to find out then. */
  readonly only: Balancer | null;
}

export function createProxy(
  spec: ProxySpec,
  upstreams: ReadonlyMap<string, Upstream>,
  thread: ThreadContext,
): StartAction {
  const { timeouts, retry } = spec;
  const responseMs = Math.min(timeouts.responseMs, retry.perTryMs ?? timeouts.responseMs);
  const mirror = spec.mirror === null ? null : new Mirror(spec, upstreams.get(spec.mirror.upstream)!, thread);
  const route: ProxyRoute = { spec, times: { ...timeouts, responseMs }, mirror, thread };
  const parts = spec.targets
    .filter(({ weight }) => weight > 0)
    .map(({ upstream: name, weight }) => {
      const upstream = upstreams.get(name)!;
      const balancers = createBalancers(spec, upstream, thread);
      const isOne = new Set(Object.values(balancers)).size === 1;
      return { weight, target: { upstream, balancers, only: isOne ? balancers.http : null } };
    });
  if (parts.length > 1) {
    const split = new Split(spec.splitBy, parts);
    return (exchange) => start(route, split.choose(exchange), exchange);
  }
  const { target } = parts[0]!;
  return (exchange) => start(route, target, exchange);
}

function start(route: ProxyRoute, { upstream, balancers, only }: Target, exchange: Exchange): void {
  new ProxyRun(route, upstream, only ?? balancers[protocolOf(exchange)], exchange).start();
}

/** Protocols with the same balancer share one, and so its turn. */
function createBalancers(spec: ProxySpec, upstream: Upstream, thread: ThreadContext): Balancers {
  const made = new Map<BalancerName, Balancer>();
  const balancer = (name: BalancerName) => {
    let found = made.get(name);
    found ??= createBalancer(name, {
      upstream: upstream.spec.name,
      backends: upstream.backends,
      offset: thread.index,
      hashKey: spec.hashKey,
      sticky: spec.sticky,
    });
    made.set(name, found);
    return found;
  };
  const { http, https, websocket, sse } = spec.balancers;
  return {
    http: balancer(http),
    https: balancer(https),
    websocket: balancer(websocket),
    sse: balancer(sse),
  };
}

function protocolOf({ request, client }: Exchange): ExchangeProtocol {
  if (request.upgrade !== null && hasToken(request.upgrade, "websocket")) return "websocket";
  if (request.headers.find("accept")?.includes("text/event-stream") === true) return "sse";
  return client.tls === null ? "http" : "https";
}
