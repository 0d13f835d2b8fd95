// The compiled, immutable configuration that a data thread works from. Plain data: it is cloned to each thread.

import type { Cidr } from "../core/ip.ts";
import type { Template } from "../core/template.ts";

export { TEMPLATE_VARIABLES, type Template, type TemplateVariable } from "../core/template.ts";

export interface Snapshot {
  /** Counts up with every accepted configuration; 1 at start. */
  readonly version: number;
  readonly server: ServerSpec;
  /** In the order of the file. */
  readonly upstreams: readonly UpstreamSpec[];
  /** In the order of the file. Precedence is the router's. */
  readonly routes: readonly RouteSpec[];
  /** Null when access logging is off. */
  readonly accessLog: AccessLogSpec | null;
}

export interface ServerSpec {
  readonly listeners: readonly ListenerSpec[];
  /** Client connections over all data threads. */
  readonly maxConnections: number;
  /** A whole request head must arrive within this; also the window of `minBodyRate`. */
  readonly readTimeoutMs: number;
  /** Longest time in which a client takes nothing of a response. */
  readonly writeTimeoutMs: number;
  /** Longest time a connection stays open without a request. */
  readonly keepAliveTimeoutMs: number;
  /** Lower case. The field a trusted proxy names the client's address in, and that backends get. */
  readonly realIpHeader: string;
  readonly trustedProxies: readonly Cidr[];
  /** Limits on a request before its route is known. */
  readonly requestLineBytes: number;
  readonly headerBytes: number;
  readonly headerCount: number;
}

export interface ListenerSpec {
  readonly host: string;
  readonly port: number;
  readonly backlog: number;
}

export interface UpstreamSpec {
  readonly name: string;
  /** Only the active ones, in the order of the file. */
  readonly backends: readonly BackendSpec[];
}

export interface BackendSpec {
  /** Unique within the upstream. */
  readonly id: string;
  /** `http://host:port` or `unix:/path`: what a pooled connection belongs to. */
  readonly identity: string;
  readonly host: string;
  readonly port: number;
  /** Path of a unix socket instead of host and port, or null. */
  readonly socketPath: string | null;
  readonly weight: number;
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
  readonly action: ActionSpec;
  /** Longest request body in bytes, or null for no limit. */
  readonly bodyBytes: number | null;
  /** Slowest request body, bytes per second over `readTimeoutMs`; 0 for no limit. */
  readonly minBodyRate: number;
}

export type ActionSpec = ProxySpec | RespondSpec | RedirectSpec;

export interface ProxySpec {
  readonly kind: "proxy";
  /** Name in `upstreams`. */
  readonly upstream: string;
  readonly balancer: BalancerName;
  /** Prefix taken off the path (segment border), or null. */
  readonly stripPrefix: string | null;
  /** Template of the forwarded path, after `stripPrefix`, or null. */
  readonly rewrite: Template | null;
  readonly timeouts: ProxyTimeouts;
}

export type BalancerName = "round_robin" | "weight";

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

export interface AccessLogSpec {
  /** File, or null for standard output. */
  readonly path: string | null;
  readonly format: "json" | "combined";
}
