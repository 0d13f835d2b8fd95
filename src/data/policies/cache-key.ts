// Under which key a response is kept, and whether a request has to do with the cache at all. Pure; data threads.

import type { CacheKeySpec, CacheSpec } from "../../config/snapshot.ts";
import type { Exchange, RequestHead } from "../../core/exchange.ts";

/** What a key is made of. */
export interface Addressed {
  readonly scheme: string;
  readonly request: Pick<RequestHead, "authority" | "host" | "path" | "query">;
}

/** The path is canonical, so that one resource has one key. */
export function primaryKey({ request, scheme }: Addressed, spec: CacheKeySpec): string {
  const { path, query, authority, host } = request;
  let key = spec.scheme ? `${scheme}://` : "//";
  if (spec.host) key += authority.length === host.length ? host : host + portOf(authority, scheme);
  key += path;
  if (!spec.query || query === "") return key;
  return key + (spec.ignoredQuery.length === 0 ? query : withoutIgnored(query, spec.ignoredQuery));
}

/** With its colon; empty for the usual port of the scheme, which is the same host. */
function portOf(authority: string, scheme: string): string {
  const at = authority.lastIndexOf(":");
  // The colons of an address in brackets are no borders.
  if (at < 0 || authority.endsWith("]")) return "";
  const port = authority.slice(at);
  return port === (scheme === "https" ? ":443" : ":80") ? "" : port;
}

function withoutIgnored(query: string, ignored: readonly string[]): string {
  const kept = query
    .slice(1)
    .split("&")
    .filter((parameter) => {
      const end = parameter.indexOf("=");
      return !isNamed(ignored, end < 0 ? parameter : parameter.slice(0, end));
    });
  return kept.length === 0 ? "" : `?${kept.join("&")}`;
}

/** Whether the cache leaves a request alone. */
export function isBypass({ request }: Exchange, spec: CacheSpec): boolean {
  const { headers, bodyLength, upgrade } = request;
  // A body may decide about the response, and is no part of the key.
  if (bodyLength !== 0 || upgrade !== null) return true;
  for (let i = 0; i < spec.bypassFields.length; i++)
    if (headers.has(spec.bypassFields[i]!, null)) return true;
  if (spec.bypassCookies.length === 0) return false;
  const cookies = headers.joinNamed("cookie");
  return cookies !== null && hasCookie(cookies, spec.bypassCookies);
}

function hasCookie(list: string, names: readonly string[]): boolean {
  return list.split(/[;,]/).some((pair) => {
    const end = pair.indexOf("=");
    return isNamed(names, (end < 0 ? pair : pair.slice(0, end)).trim());
  });
}

function isNamed(patterns: readonly string[], name: string): boolean {
  for (const pattern of patterns) {
    if (pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern) return true;
  }
  return false;
}
