// Makes of a validated configuration the snapshot that data threads work from, with every default in its place, and
// what only the control thread needs. Runs anywhere.

import { defaultId } from "./relations.ts";
import { type BackendConfig, type Config, type RouteConfig, WORKING_BALANCERS } from "./schema.ts";
import type {
  ActionSpec,
  BackendSpec,
  BalancerName,
  ProxySpec,
  ProxyTimeouts,
  RespondSpec,
  RouteSpec,
  ServerSpec,
  Snapshot,
} from "./snapshot.ts";

/** What the control thread needs to know besides the snapshot. */
export interface GatewaySpec {
  /** Data threads; `auto` for one per available CPU. */
  readonly workers: number | "auto";
  readonly reusePort: boolean;
  readonly shutdownTimeoutMs: number;
  /** Null for as many as the open-file limit allows. */
  readonly requestedMaxConnections: number | null;
}

export interface Compiled {
  /** Version 1, and `maxConnections` as asked for: the control thread sets both. */
  readonly snapshot: Snapshot;
  readonly gateway: GatewaySpec;
}

/** Names in the order of the file, which an object does not keep where they look like numbers. */
export interface NameOrder {
  readonly upstreams: readonly string[];
  readonly routes: readonly string[];
}

export function compile(config: Config, order: NameOrder): Compiled {
  const { server, access_log: log } = config;
  return {
    snapshot: {
      version: 1,
      server: compileServer(config),
      upstreams: order.upstreams.map((name) => ({
        name,
        backends: config.backends[name]!.filter((backend) => backend.active).map((b) =>
          compileBackend(name, b),
        ),
      })),
      routes: order.routes.map((name) => compileRoute(name, config.routing[name]!, config)),
      accessLog: log?.enabled ? { path: log.path ?? null, format: log.format } : null,
    },
    gateway: {
      workers: server.workers,
      reusePort: server.reuse_port,
      shutdownTimeoutMs: server.shutdown_timeout,
      requestedMaxConnections: server.max_conn ?? null,
    },
  };
}

function compileServer({ server, limits }: Config): ServerSpec {
  const { backlog } = server;
  return {
    listeners: server.listeners?.map((own) => ({
      host: own.host,
      port: own.port,
      backlog: own.backlog ?? backlog,
    })) ?? [{ host: server.host, port: server.port, backlog }],
    maxConnections: server.max_conn ?? Number.MAX_SAFE_INTEGER,
    readTimeoutMs: server.read_timeout,
    writeTimeoutMs: server.write_timeout,
    keepAliveTimeoutMs: server.keep_alive_timeout,
    realIpHeader: server.real_ip_header.toLowerCase(),
    trustedProxies: server.trusted_proxies,
    requestLineBytes: limits.request_line,
    headerBytes: limits.header_bytes,
    headerCount: limits.header_count,
  };
}

function compileBackend(upstream: string, backend: BackendConfig): BackendSpec {
  const { host = "", port = 0, socket = null, weight } = backend;
  const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return {
    id: backend.id ?? defaultId(upstream, backend),
    identity: socket === null ? `http://${authority}` : `unix:${socket}`,
    host,
    port,
    socketPath: socket,
    weight,
  };
}

function compileRoute(name: string, route: RouteConfig, config: Config): RouteSpec {
  const bodyBytes = route.limits?.body_size ?? config.limits.body_size;
  return {
    name,
    hosts: route.hosts ?? [],
    path: route.path.path,
    pathKind: route.path.kind,
    methods: route.methods ?? null,
    headers: Object.entries(route.headers ?? {}).map(([field, value]) => {
      return { name: field.toLowerCase(), value: value === true ? null : value };
    }),
    priority: route.priority,
    action: compileAction(route, config),
    bodyBytes: bodyBytes === 0 ? null : bodyBytes,
    minBodyRate: route.limits?.min_body_rate ?? config.limits.min_body_rate,
  };
}

function compileAction(route: RouteConfig, config: Config): ActionSpec {
  const { respond, redirect } = route;
  if (respond !== undefined) return compileRespond(respond);
  if (redirect !== undefined) return { kind: "redirect", status: redirect.status, location: redirect.to };
  return compileProxy(route, config);
}

function compileRespond({ status, headers, body }: NonNullable<RouteConfig["respond"]>): RespondSpec {
  const fields = Object.entries(headers);
  const isTyped = fields.some(([name]) => name.toLowerCase() === "content-type");
  if (body !== "" && !isTyped) fields.push(["Content-Type", "text/plain; charset=utf-8"]);
  return { kind: "respond", status, headers: fields, body };
}

function compileProxy(route: RouteConfig, { timeouts }: Config): ProxySpec {
  const prefix = route.strip_prefix === true ? route.path.path : route.strip_prefix || null;
  return {
    kind: "proxy",
    upstream: route.upstream!,
    balancer: isWorking(route.load_balancer) ? route.load_balancer : "weight",
    stripPrefix: prefix === "/" ? null : prefix,
    rewrite: route.rewrite ?? null,
    timeouts: compileTimeouts(route.timeouts ?? {}, timeouts),
  };
}

function compileTimeouts(own: RouteTimeouts, defaults: Config["timeouts"]): ProxyTimeouts {
  return {
    connectMs: own.connect ?? defaults.connect,
    responseMs: own.response ?? defaults.response,
    idleMs: own.idle ?? defaults.idle,
    websocketIdleMs: own.websocket_idle ?? defaults.websocket_idle,
    sseIdleMs: own.sse_idle ?? defaults.sse_idle,
    backendKeepAliveMs: own.backend_keep_alive ?? defaults.backend_keep_alive,
  };
}

type RouteTimeouts = NonNullable<RouteConfig["timeouts"]>;

function isWorking(balancer: string): balancer is BalancerName {
  return (WORKING_BALANCERS as readonly string[]).includes(balancer);
}
