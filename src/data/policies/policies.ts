// The policies there are, in the order in which an exchange passes them. A response passes them the other way round, so
// that the first ones see every answer, also those of the policies behind them. Runs in data threads.

import type { CacheSpec, PolicySpecs } from "../../config/snapshot.ts";
import type { ThreadContext } from "../thread-context.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { createBasicAuth } from "./basic-auth.ts";
import { createCompress } from "./compress.ts";
import { createCors } from "./cors.ts";
import { createErrorPages } from "./error-pages.ts";
import { createForwardAuth } from "./forward-auth.ts";
import { createRequestHeaders, createResponseHeaders } from "./headers.ts";
import { createIpFilter } from "./ip-filter.ts";
import { createJwt } from "./jwt.ts";
import type { Policy } from "./policy.ts";
import { createRateLimit } from "./rate-limit.ts";

/** What a policy is made in, beside its own specification. */
export interface PolicySetting {
  /** Name of the route; empty for exchanges that no route is for. */
  readonly route: string;
  readonly thread: ThreadContext;
  /** Of the file, by name. */
  readonly upstreams: ReadonlyMap<string, Upstream>;
  /** Makes the cache of the route; null where there is none to be. */
  readonly cacheOf: ((spec: CacheSpec) => Policy) | null;
}

/** Makes a policy, or null where the specification asks for nothing. */
type Create = (specs: PolicySpecs, setting: PolicySetting) => Policy | null;

const IN_ORDER: readonly Create[] = [
  ({ compress }) => (compress == null ? null : createCompress(compress)),
  ({ headers }) => (headers == null ? null : createResponseHeaders(headers)),
  ({ error_pages: spec }) => (spec == null ? null : createErrorPages(spec)),
  ({ ip_filter: filter }) => (filter == null ? null : createIpFilter(filter)),
  ({ cors }) => (cors == null ? null : createCors(cors)),
  ({ rate_limit: spec }, { thread }) => (spec == null ? null : createRateLimit(spec, thread)),
  ({ basic_auth: spec }) => (spec == null ? null : createBasicAuth(spec)),
  ({ jwt }, { thread }) => (jwt == null ? null : createJwt(jwt, thread)),
  ({ forward_auth: spec }, { upstreams, thread }) =>
    spec == null ? null : createForwardAuth(spec, upstreams, thread),
  ({ cache }, { cacheOf }) => (cache == null || cacheOf === null ? null : cacheOf(cache)),
  ({ headers }) => (headers == null ? null : createRequestHeaders(headers)),
];

/** Null for none. */
export function createPolicies(specs: PolicySpecs | null, setting: PolicySetting): readonly Policy[] | null {
  if (specs === null) return null;
  const policies = IN_ORDER.flatMap((create) => create(specs, setting) ?? []);
  return policies.length === 0 ? null : policies;
}
