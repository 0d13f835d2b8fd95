// Makes of a validated configuration the snapshot that data threads work from, with every default in its place, and
// what only the control thread needs. Runs anywhere.

import { compileApp } from "./compile-app.ts";
import { compileStatic } from "./compile-static.ts";
import { compileTls } from "./compile-tls.ts";
import { compileUpstream } from "./compile-upstream.ts";
import { hashKey } from "./hash-key.ts";
import type { PemFiles, ReadFile } from "./pem-files.ts";
import { bodyBytesOf } from "./policies/body-limit.ts";
import { compilePolicies } from "./policies/policies.ts";
import { findRunAs, type RunAsSpec } from "./run-as.ts";
import type { Config, RouteConfig } from "./schema/config.ts";
import { route } from "./schema/route.ts";
import type {
  ActionSpec,
  ProxySpec,
  ProxyTimeouts,
  RespondSpec,
  RetrySpec,
  RouteSpec,
  ServerSpec,
  SnapshotPlan,
} from "./snapshot.ts";

/** What the control thread needs to know besides the snapshot. */
export interface GatewaySpec {
  /** Data threads; `auto` for one per available CPU. */
  readonly workers: number | "auto";
  readonly reusePort: boolean;
  readonly shutdownTimeoutMs: number;
  /** Those with certificates and keys that the snapshot was made of. */
  readonly files: readonly ReadFile[];
  /** Null for as many as the open-file limit allows. */
  readonly requestedMaxConnections: number | null;
  /** Null to stay who it was started as. */
  readonly runAs: RunAsSpec | null;
  readonly resolver: ResolverSpec;
  /** Null for no OCSP stapling. */
  readonly ocsp: OcspSpec | null;
  /** Null for no admin API. */
  readonly admin: AdminSpec | null;
}

export interface OcspSpec {
  /** Null for the one in the certificate. */
  readonly responder: string | null;
  readonly timeoutMs: number;
}

export interface ResolverSpec {
  /** `address` or `address:port`; null for those of the system. */
  readonly servers: readonly string[] | null;
  readonly minTtlMs: number;
  readonly maxTtlMs: number;
  readonly timeoutMs: number;
}

export interface AdminSpec {
  readonly host: string;
  readonly port: number;
  /** Null for the one in the state folder. */
  readonly token: string | null;
  /** Changes need no token, on a loopback address. */
  readonly open: boolean;
  /** Looking needs the token on a loopback address too: apps may reach it. */
  readonly closed: boolean;
  /** Host names, in lower case, beside the address itself and `localhost`. */
  readonly allowedHosts: readonly string[];
}

export interface Compiled {
  /** Version 1, and `maxConnections` as asked for: the control thread sets both. */
  readonly snapshot: SnapshotPlan;
  readonly gateway: GatewaySpec;
}

/** Names in the order of the file, which an object does not keep where they look like numbers. */
export interface NameOrder {
  readonly upstreams: readonly string[];
  readonly apps: readonly string[];
  readonly routes: readonly string[];
  /** Upstreams of the routes that split, by name of the route. */
  readonly splits: ReadonlyMap<string, readonly string[]>;
}

export function compile(config: Config, order: NameOrder, files: PemFiles): Compiled {
  const { server, access_log: log } = config;
  return {
    snapshot: {
      version: 1,
      server: compileServer(config, files),
      upstreams: order.upstreams.map((name) => {
        // Names may be those of what every object has.
        const rules = Object.hasOwn(config.upstreams, name) ? config.upstreams[name]! : null;
        return compileUpstream(name, config.backends[name]!, rules, files);
      }),
      apps: order.apps.map((name) => compileApp(name, config.apps[name]!, files)),
      asks: compileAsks(config),
      routes: order.routes.map((name) => {
        const route = config.routing[name]!;
        const policies = compilePolicies(config.policies, route.policies, { owner: name, files });
        return { ...compileRoute(name, route, order.splits.get(name) ?? [], config), policies };
      }),
      policies: compilePolicies(config.policies, undefined, { owner: "", files }),
      accessLog: log?.enabled ? { path: log.path ?? null, format: log.format } : null,
    },
    gateway: {
      workers: server.workers,
      reusePort: server.reuse_port,
      shutdownTimeoutMs: server.shutdown_timeout,
      files: files.read,
      ocsp: compileOcsp(config.ssl),
      requestedMaxConnections: server.max_conn ?? null,
      runAs: server.run_as === undefined ? null : compileRunAs(server.run_as),
      resolver: {
        servers: config.resolver.servers ?? null,
        minTtlMs: config.resolver.min_ttl,
        maxTtlMs: Math.max(config.resolver.max_ttl, config.resolver.min_ttl),
        timeoutMs: config.resolver.timeout,
      },
      admin: compileAdmin(config),
    },
  };
}

/** Of an upstream that an app asks, what a route with nothing but that upstream would be. */
function compileAsks(config: Config): ProxySpec[] {
  const names = new Set(Object.values(config.apps).flatMap(({ upstreams }) => upstreams));
  return [...names].map((upstream) => compileProxy(route.parse({ upstream }), [], config));
}

function compileServer(config: Config, files: PemFiles): ServerSpec {
  const { server, ssl, limits } = config;
  const { backlog, proxy_protocol: proxyProtocol, h2c, http2 } = server;
  const tls = compileTls(config, files);
  const listeners: readonly ListenerConfig[] = server.listeners ?? [{ host: server.host, port: server.port }];
  return {
    listeners: listeners.map((own, i) => ({
      host: own.host,
      port: own.port,
      backlog: own.backlog ?? backlog,
      proxyProtocol: own.proxy_protocol ?? proxyProtocol,
      h2c: own.h2c ?? h2c,
      tls: tls[i]!,
    })),
    redirectToHttps: ssl.redirect_http,
    httpsPort: ssl.redirect_port ?? null,
    hsts: hstsOf(ssl),
    maxConnections: server.max_conn ?? Number.MAX_SAFE_INTEGER,
    maxConnectionsPerClient: server.max_conn_per_client ?? null,
    unusedBackendConnections: Number.MAX_SAFE_INTEGER,
    http2: {
      enabled: http2.enabled,
      maxStreams: http2.max_concurrent_streams,
      streamWindowBytes: http2.stream_window,
      maxResets: http2.max_resets,
    },
    readTimeoutMs: server.read_timeout,
    writeTimeoutMs: server.write_timeout,
    keepAliveTimeoutMs: server.keep_alive_timeout,
    realIpHeader: server.real_ip_header?.toLowerCase() ?? "x-real-ip",
    realIpHeaderFirst: server.real_ip_header !== undefined,
    trustedProxies: server.trusted_proxies,
    requestLineBytes: limits.request_line,
    headerBytes: limits.header_bytes,
    headerCount: limits.header_count,
  };
}

function compileRunAs(text: string): RunAsSpec {
  const found = findRunAs(text);
  if ("problem" in found) throw new Error(found.problem);
  return found.runAs;
}

type ListenerConfig = NonNullable<Config["server"]["listeners"]>[number];

/** RFC 6797 section 6.1. */
function hstsOf({ hsts }: Config["ssl"]): string | null {
  if (hsts === undefined || !hsts.enabled) return null;
  const subdomains = hsts.include_subdomains ? "; includeSubDomains" : "";
  return `max-age=${hsts.max_age}${subdomains}${hsts.preload ? "; preload" : ""}`;
}

function compileOcsp({ ocsp }: Config["ssl"]): OcspSpec | null {
  return ocsp.enabled ? { responder: ocsp.responder ?? null, timeoutMs: ocsp.timeout } : null;
}

function compileAdmin(config: Config): AdminSpec | null {
  const admin = config.admin ?? config.grpc;
  if (admin === undefined || !admin.enabled) return null;
  const { host, port, token = null, open, allowed_hosts: allowedHosts } = admin;
  const closed = Object.values(config.apps).some(({ permissions: { net, run } }) => net || run);
  return { host, port, token, open, closed, allowedHosts };
}

/** `parts` are the upstreams of a route that splits. */
function compileRoute(
  name: string,
  route: RouteConfig,
  parts: readonly string[],
  config: Config,
): Omit<RouteSpec, "policies"> {
  const bodyBytes = bodyBytesOf(
    { policy: route.policies?.body_limit, limit: route.limits?.body_size },
    { policy: config.policies?.body_limit, limit: config.limits.body_size },
  );
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
    action: compileAction(route, parts, config),
    bodyBytes: bodyBytes === 0 ? null : bodyBytes,
    minBodyRate: route.limits?.min_body_rate ?? config.limits.min_body_rate,
  };
}

function compileAction(route: RouteConfig, parts: readonly string[], config: Config): ActionSpec {
  const { respond, redirect, static: files } = route;
  if (respond !== undefined) return compileRespond(respond);
  if (redirect !== undefined) return { kind: "redirect", status: redirect.status, location: redirect.to };
  if (files !== undefined) return compileStatic(files, strippedPrefix(route));
  if (route.app !== undefined) {
    const timeouts = compileTimeouts(route.timeouts ?? {}, config.timeouts);
    return { kind: "app", app: route.app, stripPrefix: strippedPrefix(route), timeouts };
  }
  return compileProxy(route, parts, config);
}

function compileRespond({ status, headers, body }: NonNullable<RouteConfig["respond"]>): RespondSpec {
  const fields = Object.entries(headers);
  const isTyped = fields.some(([name]) => name.toLowerCase() === "content-type");
  if (body !== "" && !isTyped) fields.push(["Content-Type", "text/plain; charset=utf-8"]);
  return { kind: "respond", status, headers: fields, body };
}

function compileProxy(route: RouteConfig, parts: readonly string[], { timeouts }: Config): ProxySpec {
  const { split, mirror, sticky, protocols, load_balancer: standard } = route;
  return {
    kind: "proxy",
    targets:
      split === undefined
        ? [{ upstream: route.upstream!, weight: 1 }]
        : parts.map((upstream) => ({ upstream, weight: split.to[upstream]! })),
    splitBy: split?.by === "random" ? { from: "random" } : hashKey(split?.by ?? "client"),
    balancers: {
      http: protocols?.http ?? standard,
      https: protocols?.https ?? standard,
      websocket: protocols?.websocket ?? standard,
      sse: protocols?.sse ?? standard,
    },
    hashKey: hashKey(route.hash_key),
    sticky: {
      cookie: sticky.cookie,
      secret: sticky.secret ?? null,
      maxAge: sticky.max_age === 0 ? null : Math.ceil(sticky.max_age / 1000),
      secure: sticky.secure,
    },
    retry: compileRetry(route.retry),
    mirror:
      mirror === undefined
        ? null
        : { upstream: mirror.upstream, share: mirror.share, bodyBytes: mirror.body },
    stripPrefix: strippedPrefix(route),
    rewrite: route.rewrite ?? null,
    timeouts: compileTimeouts(route.timeouts ?? {}, timeouts),
  };
}

function strippedPrefix({ strip_prefix: strip, path }: RouteConfig): string | null {
  const prefix = strip === true ? path.path : strip || null;
  return prefix === "/" ? null : prefix;
}

function compileRetry(retry: RouteConfig["retry"]): RetrySpec {
  return {
    attempts: retry.attempts,
    onClosed: retry.on.includes("closed"),
    onMalformed: retry.on.includes("malformed"),
    onTimeout: retry.on.includes("timeout"),
    statuses: retry.on.filter((reason) => typeof reason === "number"),
    perTryMs: retry.per_try_timeout ?? null,
    bodyBytes: retry.body,
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
