// Where a request is to go: its path and query, and the host that it names. Runs in data threads.

import { GatewayError } from "../core/errors.ts";
import { canonicalPath, isValidQuery } from "../core/path.ts";
import { HOST, isAll } from "./http1/tables.ts";

export interface Target {
  readonly path: string;
  readonly query: string;
  /** Of an absolute-form target, else null. */
  readonly authority: string | null;
}

/** Of an origin-form target. */
export function readPath(target: string, authority: string | null): Target | GatewayError {
  const mark = target.indexOf("?");
  const raw = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? "" : target.slice(mark);
  const path = canonicalPath(raw);
  if (typeof path !== "string") return malformed(`request path "${raw}": ${path.message}`);
  if (mark >= 0 && !isValidQuery(query))
    return malformed(`query "${query}": expected visible ASCII without "#"`);
  return { path, query, authority };
}

let lastAuthority = "";
let lastHost: string | null = null;

/** The host of `host[:port]` in lower case, or null when it is not one. Nearly always it is the one of the last request. */
export function readHost(authority: string): string | null {
  if (authority !== lastAuthority) {
    lastHost = parseHost(authority);
    lastAuthority = authority;
  }
  return lastHost;
}

function parseHost(authority: string): string | null {
  let end = authority.length;
  while (end > 0 && isDigit(authority.charCodeAt(end - 1))) end--;
  const hasPort = end > 0 && authority.charCodeAt(end - 1) === 0x3a;
  if (hasPort && (end === authority.length || Number(authority.slice(end)) > 65535)) return null;
  const host = hasPort ? authority.slice(0, end - 1) : authority;
  if (host.charCodeAt(0) === 0x5b) return /^\[[0-9a-f:.]+\]$/i.test(host) ? host.toLowerCase() : null;
  if (!isAll(HOST, host) || host.startsWith(".") || host.includes("..")) return null;
  // A name with the root's dot is the same host.
  return (host.endsWith(".") ? host.slice(0, -1) : host).toLowerCase();
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function malformed(message: string): GatewayError {
  return new GatewayError("request_malformed", message);
}
