// The compiled, immutable configuration that a data thread works from. Plain data: it is cloned to each thread.

import type { Cidr } from "../core/ip.ts";
import type { Template } from "../core/template.ts";
import type { HashKey } from "./hash-key.ts";
import type { PolicySpecs } from "./policies/policies.ts";

export type { HashKey } from "./hash-key.ts";
export type { BasicAuthSpec } from "./policies/basic-auth.ts";
export type { CacheKeySpec, CacheSpec } from "./policies/cache.ts";
export type { CompressEncoding, CompressSpec, TypePattern } from "./policies/compress.ts";
export type { CorsSpec, OriginRules } from "./policies/cors.ts";
export type { ErrorPage, ErrorPagesSpec, PageVariable } from "./policies/error-pages.ts";
export type { ForwardAuthSpec } from "./policies/forward-auth.ts";
export type { FieldRules, HeadersSpec } from "./policies/headers.ts";
export type { IpFilterSpec } from "./policies/ip-filter.ts";
export type { JwtKeys, JwtSpec } from "./policies/jwt.ts";
export type { PolicySpecs } from "./policies/policies.ts";
export type { RateLimitSpec, RateRule } from "./policies/rate-limit.ts";

export interface Snapshot {
  /** Counts up with every accepted configuration; 1 at start. */
  readonly version: number;
  readonly server: ServerSpec;
  /** In the order of the file. */
  readonly upstreams: readonly UpstreamSpec[];
  /** In the order of the file. */
  readonly apps: readonly AppSpec[];
  /** How apps ask upstreams: one for each that an app names. */
  readonly asks: readonly ProxySpec[];
  /** In the order of the file. Precedence is the router's. */
  readonly routes: readonly RouteSpec[];
  /** Null when access logging is off. */
  readonly accessLog: AccessLogSpec | null;
  /** Of exchanges that no route is for; null for none. */
  readonly policies: PolicySpecs | null;
}

/** A snapshot before its names are resolved, its apps are started and its shared memory is made. */
export interface SnapshotPlan extends Omit<Snapshot, "upstreams" | "apps"> {
  readonly upstreams: readonly UpstreamPlan[];
  readonly apps: readonly AppPlan[];
}

/** The rules of an app, as the file has them, that data threads go by. */
export interface AppRules {
  readonly name: string;
  /** Of one VM. */
  readonly concurrency: number;
  /** In front of one VM. */
  readonly queue: { readonly size: number; readonly timeoutMs: number };
  /** To the head of the response. */
  readonly timeoutMs: number;
  /** A request goes to a VM when it is whole, or so much of its body is there. */
  readonly requestBufferBytes: number;
  readonly detailedErrors: boolean;
  readonly repeatsIdempotent: boolean;
  /** Names of those that the app may ask. */
  readonly upstreams: readonly string[];
  readonly websocket: {
    readonly maxMessageBytes: number;
    readonly queueBytes: number;
    readonly compression: boolean;
  };
}

/** An app, with the pool of VMs that run this version of it. */
export interface AppSpec extends AppRules {
  /** Tells one version from the next. */
  readonly pool: number;
  /** Of core/shared/app-state.ts. */
  readonly shared: SharedArrayBuffer;
  /** Of core/shared/app-queue.ts. */
  readonly queueShared: SharedArrayBuffer;
}

/** What control starts VMs by. */
export interface AppPlan {
  readonly rules: AppRules;
  /** Absolute. */
  readonly entry: string;
  readonly instances: number;
  readonly memoryBytes: number;
  readonly hangTimeoutMs: number;
  readonly startTimeoutMs: number;
  /** Secrets among them. */
  readonly env: Readonly<Record<string, string>>;
  readonly permissions: AppPermissions;
  /** Null for never. */
  readonly maxRequests: number | null;
  readonly maxAgeMs: number | null;
  readonly drainTimeoutMs: number;
  readonly spare: boolean;
  /** Where the debugger of its VM listens, or null. */
  readonly inspect: { readonly host: string; readonly port: number } | null;
  readonly isolation: "auto" | "namespaces" | "user" | "none";
}

export interface AppPermissions {
  readonly net: boolean;
  /** Absolute, as is `write`. */
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly run: boolean;
  readonly threads: boolean;
  readonly sqlite: boolean;
}

export interface ServerSpec {
  readonly listeners: readonly ListenerSpec[];
  /** Client connections over all data threads. */
  readonly maxConnections: number;
  readonly http2: Http2Spec;
  /** A whole request head must arrive within this; also the window of `minBodyRate`. */
  readonly readTimeoutMs: number;
  /** Longest time in which a client takes nothing of a response. */
  readonly writeTimeoutMs: number;
  /** Longest time a connection stays open without a request. */
  readonly keepAliveTimeoutMs: number;
  /** Connections of one client address over all data threads, or null. */
  readonly maxConnectionsPerClient: number | null;
  /** Unused connections to backends that one data thread keeps. Set by the control thread. */
  readonly unusedBackendConnections: number;
  /** Lower case. The field that backends get the client's address in. */
  readonly realIpHeader: string;
  /** It was asked for: where a trusted proxy sends it, it is believed before X-Forwarded-For. */
  readonly realIpHeaderFirst: boolean;
  readonly trustedProxies: readonly Cidr[];
  /** Clients of plain HTTP are sent to https. */
  readonly redirectToHttps: boolean;
  /** Where clients find https; null for the port of the first TLS listener. */
  readonly httpsPort: number | null;
  /** Strict-Transport-Security, or null. */
  readonly hsts: string | null;
  /** Limits on a request before its route is known. */
  readonly requestLineBytes: number;
  readonly headerBytes: number;
  readonly headerCount: number;
}

/** Of connections that speak HTTP/2. */
export interface Http2Spec {
  /** Offered on TLS listeners. */
  readonly enabled: boolean;
  /** Of one connection. */
  readonly maxStreams: number;
  readonly streamWindowBytes: number;
  /** Streams that a client may reset within ten seconds. */
  readonly maxResets: number;
}

export interface ListenerSpec {
  readonly host: string;
  readonly port: number;
  readonly backlog: number;
  /** Every connection begins with a PROXY protocol header. */
  readonly proxyProtocol: boolean;
  /** A plain connection may begin with HTTP/2. */
  readonly h2c: boolean;
  /** Null for plain HTTP. */
  readonly tls: ListenerTls | null;
}

/** TLS towards clients. Listeners with the same share one object. */
export interface ListenerTls {
  /** The first one is for clients that name no host, or one that none is for. */
  readonly certificates: readonly CertificateSpec[];
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  readonly maxVersion: "TLSv1.2" | "TLSv1.3";
  /** As OpenSSL wants them, as are the curves. */
  readonly ciphers: string;
  readonly curves: string;
  /** Null where clients are not asked for a certificate. `ca` is PEM. */
  readonly client: { readonly ca: string; readonly required: boolean } | null;
}

export interface CertificateSpec {
  /** As the configuration names it, for messages. */
  readonly file: string;
  /** PEM: the certificate of the server, and those between it and its authority. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  /** Lower case; `*.example.com` for a wildcard. */
  readonly names: readonly string[];
  /** SHA-256 of the certificate, hexadecimal in lower case. */
  readonly id: string;
}

/** The rules of an upstream, as the file has them. */
export interface UpstreamRules {
  readonly name: string;
  readonly queue: { readonly size: number; readonly timeoutMs: number };
  /** Answers that count as failures of a backend. */
  readonly failureStatuses: readonly number[];
  /** Null for none. */
  readonly ejection: EjectionSpec | null;
  /** Null for none. */
  readonly circuit: CircuitSpec | null;
  readonly retryBudget: { readonly share: number; readonly least: number };
  readonly slowStartMs: number;
  /** 0 to 1. Where a smaller share of the backends is up, all of them are used. */
  readonly panicThreshold: number;
}

export interface UpstreamSpec extends UpstreamRules {
  /** In the order of the file, each at one address. */
  readonly backends: readonly BackendSpec[];
  /** Of core/shared/upstream-state.ts. */
  readonly shared: SharedArrayBuffer;
  /** Tells one piece of shared memory from another, which a clone does not. */
  readonly sharedId: number;
  /** Waiters that `shared` has places for; `queue.size` may be less. */
  readonly queueCapacity: number;
}

/** What control makes an `UpstreamSpec` of, by resolving names. */
export interface UpstreamPlan extends UpstreamRules {
  /** Only the active ones, in the order of the file. */
  readonly backends: readonly BackendPlan[];
}

export interface EjectionSpec {
  /** In a row. */
  readonly failures: number;
  /** Within `windowMs`, or null where only those in a row count. */
  readonly failureShare: number | null;
  readonly windowMs: number;
  readonly minRequests: number;
  readonly timeMs: number;
  readonly maxTimeMs: number;
  readonly maxShare: number;
}

export interface CircuitSpec {
  /** Exchanges that wait for the head of a response, or null for any number. */
  readonly pending: number | null;
  /** Null where the circuit never opens by failures. */
  readonly failureShare: number | null;
  readonly windowMs: number;
  readonly minRequests: number;
  readonly openMs: number;
}

/** A backend as the file has it: it may stand for several addresses. */
export interface BackendPlan {
  /** Unique within the upstream. */
  readonly id: string;
  /** Address or name; empty with `srv` or `socketPath`. */
  readonly host: string;
  readonly port: number;
  /** Name of SRV records instead of host and port, or null. */
  readonly srv: string | null;
  /** Path of a unix socket instead of host and port, or null. */
  readonly socketPath: string | null;
  readonly weight: number;
  readonly backup: boolean;
  readonly maxConnections: number;
  /** `h2` without TLS is HTTP/2 with prior knowledge. */
  readonly protocol: "http1" | "h2";
  /** Null for plain HTTP. */
  readonly tls: BackendTls | null;
  /** Version of the PROXY protocol that the backend wants, or null. */
  readonly proxyProtocol: 1 | 2 | null;
  readonly healthCheck: HealthCheckSpec | null;
}

/** A backend at one address. */
export interface BackendSpec extends BackendPlan {
  /** What the file calls the host, for Host and SNI; the address where the file has one. */
  readonly hostName: string;
  /** `<scheme>://address:port` or `unix:/path`, and what its connections are made with: what one of them belongs to. */
  readonly identity: string;
  /** Of core/shared/backend-state.ts. */
  readonly shared: SharedArrayBuffer;
}

export interface BackendTls {
  /** PEM; null for the authorities of the system. */
  readonly ca: string | null;
  /** PEM of the client certificate and its key, or null. */
  readonly cert: string | null;
  readonly key: string | null;
  /** For SNI and the certificate; null for the host name. */
  readonly serverName: string | null;
  readonly verify: boolean;
}

export interface HealthCheckSpec {
  /** Null for a connection only, unless `grpc` is asked. */
  readonly path: string | null;
  /** Service of `grpc.health.v1` that is asked about, empty for the whole server; null where that is not asked. */
  readonly grpc: string | null;
  readonly method: "GET" | "HEAD" | "OPTIONS";
  /** Null for the backend's own. */
  readonly host: string | null;
  /** Null for the backend's own. */
  readonly port: number | null;
  /** Inclusive ranges. */
  readonly statuses: ReadonlyArray<readonly [from: number, to: number]>;
  readonly body: string | null;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly failures: number;
  readonly successes: number;
}

export interface RouteSpec {
  readonly name: string;
  /** Lower case; `*.example.com` for a wildcard; empty for every host. */
  readonly hosts: readonly string[];
  readonly path: string;
  readonly pathKind: "prefix" | "exact";
  /** Upper case, or null for every method. */
  readonly methods: readonly string[] | null;
  /** Lower-case names. A null value asks only that the field is there. */
  readonly headers: ReadonlyArray<{ readonly name: string; readonly value: string | null }>;
  readonly priority: number;
  /** Null for none. */
  readonly policies: PolicySpecs | null;
  readonly action: ActionSpec;
  /** Longest request body in bytes, or null for no limit. */
  readonly bodyBytes: number | null;
  /** Slowest request body, bytes per second over `readTimeoutMs`; 0 for no limit. */
  readonly minBodyRate: number;
}

export type ActionSpec = ProxySpec | RespondSpec | RedirectSpec | StaticSpec | AppActionSpec;

export interface AppActionSpec {
  readonly kind: "app";
  readonly app: string;
  /** Prefix taken off the path (segment border), or null. */
  readonly stripPrefix: string | null;
  readonly timeouts: ProxyTimeouts;
}

export interface ProxySpec {
  readonly kind: "proxy";
  /** Where requests go: one upstream, or several by weight. */
  readonly targets: ReadonlyArray<{ readonly upstream: string; readonly weight: number }>;
  /** What decides between several. */
  readonly splitBy: HashKey | { readonly from: "random" };
  readonly balancers: Readonly<Record<ExchangeProtocol, BalancerName>>;
  /** Of `consistent_hash`. */
  readonly hashKey: HashKey;
  readonly sticky: StickySpec;
  readonly retry: RetrySpec;
  readonly mirror: MirrorSpec | null;
  /** Prefix taken off the path (segment border), or null. */
  readonly stripPrefix: string | null;
  /** Template of the forwarded path, after `stripPrefix`, or null. */
  readonly rewrite: Template | null;
  readonly timeouts: ProxyTimeouts;
}

/** What an exchange is, to a balancer. */
export type ExchangeProtocol = "http" | "https" | "websocket" | "sse";

export interface StickySpec {
  readonly cookie: string;
  /** Signs the cookie. Null until the control thread puts its own in. */
  readonly secret: string | null;
  /** Seconds, or null for a cookie that ends with the browser. */
  readonly maxAge: number | null;
  readonly secure: boolean;
}

export interface RetrySpec {
  /** Requests sent at most, the first among them. */
  readonly attempts: number;
  readonly onClosed: boolean;
  readonly onMalformed: boolean;
  readonly onTimeout: boolean;
  readonly statuses: readonly number[];
  /** Null where only `responseMs` counts. */
  readonly perTryMs: number | null;
  /** Longest request body that is kept to be sent again. */
  readonly bodyBytes: number;
}

export interface MirrorSpec {
  readonly upstream: string;
  /** 0 to 1. */
  readonly share: number;
  /** Requests with a longer body are not copied. */
  readonly bodyBytes: number;
}

export type BalancerName =
  | "round_robin"
  | "weight"
  | "random"
  | "two_choices"
  | "least_connections"
  | "least_connections_weight"
  | "least_time"
  | "ip_hash"
  | "consistent_hash"
  | "sticky"
  | "performance_least_connections_weight";

export interface ProxyTimeouts {
  readonly connectMs: number;
  /** From the request being sent to the response head. */
  readonly responseMs: number;
  /** Between two chunks of a response, and for a stalled upload. */
  readonly idleMs: number;
  readonly websocketIdleMs: number;
  readonly sseIdleMs: number;
  /** How long an unused connection to a backend is kept. */
  readonly backendKeepAliveMs: number;
}

export interface RespondSpec {
  readonly kind: "respond";
  readonly status: number;
  readonly headers: ReadonlyArray<readonly [string, string]>;
  readonly body: string;
}

export interface RedirectSpec {
  readonly kind: "redirect";
  readonly status: number;
  readonly location: Template;
}

export interface StaticSpec {
  readonly kind: "static";
  /** Absolute. */
  readonly root: string;
  readonly index: readonly string[];
  /** Path below the root, or null. */
  readonly spaFallback: string | null;
  /** Of the files beside a file, in the order in which they are preferred; empty where none are looked for. */
  readonly encodings: readonly StaticEncoding[];
  /** Patterns in their order, each with the value of Cache-Control. */
  readonly cacheControl: ReadonlyArray<readonly [pattern: string, value: string]>;
  /** Extensions in lower case, with their dot. */
  readonly types: ReadonlyArray<readonly [extension: string, type: string]>;
  readonly list: boolean;
  readonly dotfiles: boolean;
  /** Prefix taken off the path (segment border), or null. */
  readonly stripPrefix: string | null;
}

export type StaticEncoding = "br" | "zstd" | "gzip";

export interface AccessLogSpec {
  /** File, or null for standard output. */
  readonly path: string | null;
  readonly format: "json" | "combined";
}
