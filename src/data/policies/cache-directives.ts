// The directives of Cache-Control (RFC 9111 section 5.2), read strictly: in any case, with quoted values, and with no
// number that is not all digits. Pure; data threads.

import type { HeaderList } from "../../core/headers.ts";

/** By lower-case name; an empty value for none. Of several with one name the first counts. */
export type Directives = ReadonlyMap<string, string>;

/** More seconds than anybody means (RFC 9111 section 1.2.2). */
const MOST_SECONDS = 2 ** 31;

const DIRECTIVE = /^([!#$%&'*+\-.^_`|~0-9a-z]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s"=,]+)))?$/i;

export function parseDirectives(list: string): Directives {
  const directives = new Map<string, string>();
  for (const member of membersOf(list)) {
    const [, name, quoted, plain] = DIRECTIVE.exec(member.trim()) ?? [];
    if (name === undefined) continue;
    const lower = name.toLowerCase();
    if (!directives.has(lower)) directives.set(lower, quoted ?? plain ?? "");
  }
  return directives;
}

/** A comma within a quoted value is part of it, unless no quote ends that. Each character is looked at once or twice. */
function membersOf(list: string): string[] {
  const members: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let i = 0; i < list.length; i++) {
    const character = list[i];
    if (isQuoted && character === "\\") i++;
    else if (character === '"') isQuoted = !isQuoted;
    else if (character === "," && !isQuoted) {
      members.push(list.slice(start, i));
      start = i + 1;
    }
  }
  const rest = list.slice(start);
  return isQuoted ? [...members, ...rest.split(",")] : [...members, rest];
}

/** Null where there is none; 0 where its value is no number: what is doubtful is not fresh. */
export function secondsOf(directives: Directives, name: string): number | null {
  const value = directives.get(name);
  if (value === undefined) return null;
  return /^\d+$/.test(value) ? Math.min(Number(value), MOST_SECONDS) : 0;
}

/** What a request asks of a cache. */
export interface RequestDirectives {
  readonly noStore: boolean;
  readonly noCache: boolean;
  readonly onlyIfCached: boolean;
  /** In milliseconds, here and below; null for no limit. */
  readonly maxAgeMs: number | null;
  readonly minFreshMs: number;
  /** Infinite where any age will do. */
  readonly maxStaleMs: number;
}

/** Null where the request asks for nothing. Pragma counts where there is no Cache-Control (RFC 9111 section 5.4). */
export function requestDirectives(headers: HeaderList): RequestDirectives | null {
  const list = headers.joinNamed("cache-control");
  if (list === null) {
    const pragma = headers.joinNamed("pragma");
    return pragma !== null && parseDirectives(pragma).has("no-cache") ? PRAGMA_NO_CACHE : null;
  }
  const directives = parseDirectives(list);
  const maxAge = secondsOf(directives, "max-age");
  const isAnyStale = directives.get("max-stale") === "";
  return {
    noStore: directives.has("no-store"),
    noCache: directives.has("no-cache"),
    onlyIfCached: directives.has("only-if-cached"),
    maxAgeMs: maxAge === null ? null : maxAge * 1000,
    minFreshMs: (secondsOf(directives, "min-fresh") ?? 0) * 1000,
    maxStaleMs: isAnyStale ? Number.POSITIVE_INFINITY : (secondsOf(directives, "max-stale") ?? 0) * 1000,
  };
}

const PRAGMA_NO_CACHE: RequestDirectives = {
  noStore: false,
  noCache: true,
  onlyIfCached: false,
  maxAgeMs: null,
  minFreshMs: 0,
  maxStaleMs: 0,
};
