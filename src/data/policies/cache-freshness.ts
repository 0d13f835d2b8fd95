// Whether a response may be kept, and for how long it is used: RFC 9111 sections 3 and 4.2, as http-cache-semantics reads
// them, and RFC 5861. Worked out once, when a response comes; data threads.

import CachePolicy from "http-cache-semantics";
import type { CacheSpec } from "../../config/snapshot.ts";
import type { Exchange, ResponseHead } from "../../core/exchange.ts";
import type { HeaderList } from "../../core/headers.ts";
import { type Directives, parseDirectives, secondsOf } from "./cache-directives.ts";
import { varyNames } from "./cache-vary.ts";

/** Times are those of `performance.now()`. */
export interface Freshness {
  /** When its age was 0. */
  readonly bornMs: number;
  readonly lifetimeMs: number;
  /** How long past its time it may be used at all, if a client wants that; while it is fetched; where that fails. */
  readonly mayBeStale: boolean;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
}

/** No guess from Last-Modified, and none for `immutable`: what a response does not say is the operator's to say (`ttl`). */
const OPTIONS = { shared: true, cacheHeuristic: 0, immutableMinTimeToLive: 0 };

/** Who asked, as it counts for what is kept. */
export type Asker = Pick<Exchange, "request" | "personal">;

/** Null for a response that may not be kept, or would be of no use. `head` has all fields of the response. */
export function freshnessOf(
  asker: Asker,
  head: Pick<ResponseHead, "status" | "headers">,
  spec: CacheSpec,
  nowMs: number,
): Freshness | null {
  const { status, headers } = head;
  // A cookie is somebody's, whatever the response says of itself.
  if (headers.has("set-cookie", null)) return null;
  if (varyNames(headers) === null) return null;
  const directives = parseDirectives(headers.joinNamed("cache-control") ?? "");
  const pragma = directives.size === 0 ? headers.joinNamed("pragma") : null;
  const noCache = directives.has("no-cache") || pragma?.toLowerCase().includes("no-cache") === true;
  const policy = new CachePolicy(plainRequest(asker), plainResponse(status, headers, directives), OPTIONS);
  if (!policy.storable()) return null;
  const isExplicit = directives.has("s-maxage") || directives.has("max-age") || headers.has("expires", null);
  let lifetimeMs = noCache ? 0 : policy.maxAge() * 1000;
  if (!isExplicit && !noCache) lifetimeMs = spec.ttlMs;
  const ageMs = policy.age() * 1000;
  const mustRevalidate = noCache || directives.has("must-revalidate") || directives.has("proxy-revalidate");
  const stale = (name: string, standardMs: number) => {
    if (mustRevalidate) return 0;
    const seconds = secondsOf(directives, name);
    if (seconds !== null) return seconds * 1000;
    // s-maxage alone forbids what is stale (RFC 9111 section 5.2.2.10).
    return directives.has("s-maxage") ? 0 : standardMs;
  };
  const freshness: Freshness = {
    bornMs: nowMs - ageMs,
    lifetimeMs,
    mayBeStale: !mustRevalidate && !directives.has("s-maxage"),
    staleWhileRevalidateMs: stale("stale-while-revalidate", spec.staleWhileRevalidateMs),
    staleIfErrorMs: stale("stale-if-error", spec.staleIfErrorMs),
  };
  return isOfUse(freshness, ageMs, headers) ? freshness : null;
}

/** A response that is not fresh is kept only if it can become so again, or may be used as it is. */
function isOfUse(freshness: Freshness, ageMs: number, headers: HeaderList): boolean {
  const { lifetimeMs, staleWhileRevalidateMs, staleIfErrorMs } = freshness;
  if (lifetimeMs + Math.max(staleWhileRevalidateMs, staleIfErrorMs) > ageMs) return true;
  return headers.has("etag", null) || headers.has("last-modified", null);
}

/** The library tells names by their case, and splits at every comma: it gets what `parseDirectives` found. */
function plainResponse(status: number, headers: HeaderList, directives: Directives) {
  const fields: Record<string, string> = {};
  for (const name of ["expires", "date", "pragma"]) {
    const value = headers.joinNamed(name);
    if (value !== null) fields[name] = value;
  }
  const age = headers.find("age");
  if (age !== null && /^\d+$/.test(age)) fields["age"] = age;
  if (headers.has("cache-control", null)) fields["cache-control"] = plainDirectives(directives);
  return { status, headers: fields };
}

/** The library takes `proxy-revalidate` for never fresh: here it counts where the response is stale. */
function plainDirectives(directives: Directives): string {
  const members: string[] = [];
  for (const name of directives.keys()) {
    if (name === "proxy-revalidate") continue;
    const isTime = name === "max-age" || name === "s-maxage";
    members.push(isTime ? `${name}=${secondsOf(directives, name)}` : name);
  }
  return members.join(", ");
}

/** Whether the response is for one user only, unless it says that it is not (RFC 9111 section 3.5). */
export function isPersonal({ request, personal }: Asker): boolean {
  return personal || request.headers.has("authorization", null);
}

function plainRequest(asker: Asker) {
  const headers: Record<string, string> = isPersonal(asker) ? { authorization: "somebody" } : {};
  return { method: asker.request.method, url: "", headers };
}
