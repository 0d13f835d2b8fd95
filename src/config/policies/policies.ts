// The policies by name: the schema of each, and what it is compiled to. Runs anywhere.

import { z } from "zod";
import { basicAuthSchema, compileBasicAuth } from "./basic-auth.ts";
import { bodyLimitSchema } from "./body-limit.ts";
import { cacheSchema, compileCache } from "./cache.ts";
import { compileCompress, compressSchema } from "./compress.ts";
import { compileCors, corsSchema } from "./cors.ts";
import { compileErrorPages, errorPagesSchema } from "./error-pages.ts";
import { compileForwardAuth, forwardAuthSchema } from "./forward-auth.ts";
import { compileHeaders, headersSchema } from "./headers.ts";
import { compileIpFilter, ipFilterSchema } from "./ip-filter.ts";
import { compileJwt, jwtSchema } from "./jwt.ts";
import type { PolicyContext } from "./policy-context.ts";
import { compileRateLimit, rateLimitSchema } from "./rate-limit.ts";

/** What a route may ask for. Each has `enabled`, so that a route can do without one that all others have. */
export const policies = z
  .strictObject({
    body_limit: bodyLimitSchema.optional(),
    cache: cacheSchema.optional(),
    compress: compressSchema.optional(),
    error_pages: errorPagesSchema.optional(),
    headers: headersSchema.optional(),
    rate_limit: rateLimitSchema.optional(),
    ip_filter: ipFilterSchema.optional(),
    cors: corsSchema.optional(),
    basic_auth: basicAuthSchema.optional(),
    jwt: jwtSchema.optional(),
    forward_auth: forwardAuthSchema.optional(),
  })
  .meta({
    id: "policies",
    description: "What a request and its response pass on their way (docs/policies.md).",
  });

export type PoliciesConfig = z.output<typeof policies>;

/** All but `body_limit`, which becomes the limit of its route. */
const COMPILERS = {
  cache: compileCache,
  compress: compileCompress,
  error_pages: compileErrorPages,
  headers: compileHeaders,
  rate_limit: compileRateLimit,
  ip_filter: compileIpFilter,
  cors: compileCors,
  basic_auth: compileBasicAuth,
  jwt: compileJwt,
  forward_auth: compileForwardAuth,
} as const satisfies {
  [Name in keyof Required<Omit<PoliciesConfig, "body_limit">>]: (
    config: NonNullable<PoliciesConfig[Name]>,
    context: PolicyContext,
  ) => unknown;
};

type Compile = (config: unknown, context: PolicyContext) => unknown;

/** The policies of a route, or of the exchanges that no route is for. */
export type PolicySpecs = {
  readonly [Name in keyof typeof COMPILERS]?: ReturnType<(typeof COMPILERS)[Name]>;
};

/** Those of the route stand in for those of the file, each as a whole. `owner` is the route. Null for none. */
export function compilePolicies(
  ofFile: PoliciesConfig | undefined,
  ofRoute: PoliciesConfig | undefined,
  { owner, files }: PolicyContext,
): PolicySpecs | null {
  const specs: Record<string, unknown> = {};
  for (const [name, config] of Object.entries({ ...ofFile, ...ofRoute })) {
    const compile = COMPILERS[name as keyof typeof COMPILERS] as Compile | undefined;
    const isOfRoute = ofRoute !== undefined && Object.hasOwn(ofRoute, name);
    if (config?.enabled === true && compile !== undefined)
      specs[name] = compile(config, { owner: isOfRoute ? owner : "", files });
  }
  return Object.keys(specs).length === 0 ? null : (specs as PolicySpecs);
}
