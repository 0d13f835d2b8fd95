// The policy `cache`: responses that are kept and answered again, by the rules of RFC 9111 for shared caches. Runs anywhere.

import { z } from "zod";
import { atValue, type Findings } from "../finding.ts";
import { quote } from "../problem.ts";
import type { SourceNode } from "../tree.ts";
import { parseSize } from "../units.ts";
import { choice, duration, fieldName, size, textLike, truth } from "../values.ts";
import type { PolicyContext } from "./policy-context.ts";

export interface CacheSpec {
  /** Tells stores apart: routes that share the settings of the file share one store. */
  readonly store: string;
  /** Of the store, over all data threads. */
  readonly maxBytes: number;
  readonly maxObjectBytes: number;
  /** How long a response is fresh that does not say so itself; 0 for not at all. */
  readonly ttlMs: number;
  readonly key: CacheKeySpec;
  /** For responses that do not say so themselves, here and below; 0 for not at all. */
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
  /** How long a request waits for the response to another one; 0 for not at all. */
  readonly waitMs: number;
  /** Names that may end in `*`. */
  readonly bypassCookies: readonly string[];
  /** Lower case. */
  readonly bypassFields: readonly string[];
  /** Clients may ask for more than what is fresh. */
  readonly requestDirectives: boolean;
  readonly statusField: boolean;
}

export interface CacheKeySpec {
  readonly scheme: boolean;
  readonly host: boolean;
  readonly query: boolean;
  /** Names of parameters that do not count; they may end in `*`. */
  readonly ignoredQuery: readonly string[];
}

const STANDARD_SIZE = "64mb";

function namePattern(what: string) {
  const expected = `expected the name of a ${what}, such as "utm_source" or "utm_*"`;
  return textLike(/^[!#$%'()+\-./0-9:@A-Z^_`a-z|~]+\*?$|^\*$/, expected);
}

export const cacheSchema = z
  .strictObject({
    enabled: truth().prefault(true).describe("`false` turns it off and keeps the section."),
    size: size(1)
      .prefault(STANDARD_SIZE)
      .describe(
        "Memory for responses, over all data threads: each keeps its own part. Routes without settings of their own share it.",
      ),
    max_object: size(1).prefault("1mb").describe("Longest body that is kept."),
    ttl: duration("or 0")
      .prefault("0s")
      .describe("How long a response is fresh that says nothing of it; 0 for not at all."),
    key: z
      .array(choice(["scheme", "host", "query"]))
      .prefault(["scheme", "host", "query"])
      .describe("What tells resources apart beside the route and the path."),
    ignore_query: z
      .array(namePattern("parameter"))
      .prefault([])
      .describe("Parameters of the query that tell nothing apart; `*` at the end for all that begin so."),
    stale_while_revalidate: duration("or 0")
      .prefault("0s")
      .describe("How long past its time a response is still used while a new one is fetched."),
    stale_if_error: duration("or 0")
      .prefault("0s")
      .describe("How long past its time a response is still used where the backend fails."),
    wait_timeout: duration("or 0")
      .prefault("5s")
      .describe(
        "How long a request waits for the response to the same one of another client; 0 for not at all.",
      ),
    bypass_cookies: z
      .array(namePattern("cookie"))
      .prefault([])
      .describe("Requests with such a cookie pass the cache by; `*` at the end for all that begin so."),
    bypass_headers: z
      .array(fieldName())
      .prefault([])
      .describe("Requests with such a field pass the cache by."),
    request_directives: truth()
      .prefault(true)
      .describe("`false` takes no notice of Cache-Control and Pragma of requests."),
    status_header: truth()
      .prefault(true)
      .describe("Tells in the field Cache-Status (RFC 9211) where a response came from."),
  })
  .describe("Keeps responses and answers with them again (docs/policies/cache.md).");

/** What is longer than the store would never be kept. */
export function* cacheProblems(policy: SourceNode): Findings {
  const longest = policy.children.get("max_object");
  const written = policy.children.get("size");
  const most = written === undefined ? parseSize(STANDARD_SIZE) : bytesOf(written);
  const one = longest === undefined ? null : bytesOf(longest);
  if (longest === undefined || one === null || most === null || one <= most) return;
  const size = written === undefined ? STANDARD_SIZE : String(written.value);
  yield atValue(longest, `cannot use ${quote(longest.value)}: expected no more than "size" (${size})`);
}

function bytesOf({ value }: SourceNode): number | null {
  return typeof value === "number" ? value : typeof value === "string" ? parseSize(value) : null;
}

export function compileCache(config: z.output<typeof cacheSchema>, { owner }: PolicyContext): CacheSpec {
  return {
    store: owner,
    maxBytes: config.size,
    maxObjectBytes: config.max_object,
    ttlMs: config.ttl,
    key: {
      scheme: config.key.includes("scheme"),
      host: config.key.includes("host"),
      query: config.key.includes("query"),
      ignoredQuery: config.ignore_query,
    },
    staleWhileRevalidateMs: config.stale_while_revalidate,
    staleIfErrorMs: config.stale_if_error,
    waitMs: config.wait_timeout,
    bypassCookies: config.bypass_cookies,
    bypassFields: config.bypass_headers.map((name) => name.toLowerCase()),
    requestDirectives: config.request_directives,
    statusField: config.status_header,
  };
}
