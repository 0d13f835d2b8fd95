// What policies need beside the right kinds of value: files that can be read, settings that fit together. Runs anywhere.

import type { Findings } from "./finding.ts";
import type { PemFiles } from "./pem-files.ts";
import { authorizationProblems } from "./policies/authorization.ts";
import { basicAuthProblems } from "./policies/basic-auth.ts";
import { bodyLimitProblems } from "./policies/body-limit.ts";
import { cacheProblems } from "./policies/cache.ts";
import { corsProblems } from "./policies/cors.ts";
import { errorPagesProblems } from "./policies/error-pages.ts";
import { forwardAuthProblems } from "./policies/forward-auth.ts";
import { ipFilterProblems } from "./policies/ip-filter.ts";
import { jwtProblems } from "./policies/jwt.ts";
import { rateLimitProblems } from "./policies/rate-limit.ts";
import { entriesOf, isMapping } from "./settings.ts";
import type { SourceNode } from "./tree.ts";

type Check = (policy: SourceNode, files: PemFiles, root: SourceNode) => Findings;

/** Checks of a policy, by its name. */
const CHECKS: Readonly<Record<string, Check>> = {
  ip_filter: ipFilterProblems,
  cors: corsProblems,
  cache: cacheProblems,
  basic_auth: basicAuthProblems,
  forward_auth: forwardAuthProblems,
  error_pages: errorPagesProblems,
  rate_limit: rateLimitProblems,
  jwt: jwtProblems,
};

/** Of the file and of every route. One that is turned off is checked too: it may be turned on again. */
export function* policyProblems(root: SourceNode, files: PemFiles): Findings {
  yield* authorizationProblems(root);
  yield* problemsOf(root, files, root);
  for (const [, route] of entriesOf(root.children.get("routing"))) yield* problemsOf(route, files, root);
}

/** `owner` has `policies`: the file, or a route. */
function* problemsOf(owner: SourceNode, files: PemFiles, root: SourceNode): Findings {
  yield* bodyLimitProblems(owner);
  for (const [name, policy] of entriesOf(owner.children.get("policies"))) {
    const check = Object.hasOwn(CHECKS, name) && isMapping(policy) ? CHECKS[name] : undefined;
    if (check !== undefined) yield* check(policy, files, root);
  }
}
