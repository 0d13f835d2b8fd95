// One response that is kept, and how far a request may use it. Never changed: a new state of it is another entry. Data threads.

import type { ResponseHead } from "../../core/exchange.ts";
import { Field, HeaderList } from "../../core/headers.ts";
import type { RequestDirectives } from "./cache-directives.ts";
import type { Freshness } from "./cache-freshness.ts";

/** Fields of a response that belong to one answer, and not to what is kept. */
const OF_ONE_ANSWER: readonly string[] = ["age", "set-cookie", "set-cookie2"];
/** Fields that tell of the body that is kept: a 304 does not change them (RFC 9111 section 3.2). */
const OF_THE_BODY: readonly string[] = ["content-encoding", "content-length", "content-range", "etag"];

/** How a request may use an entry. */
export const Use = {
  fresh: 0,
  /** It is past its time, which the client or the response allows. */
  stale: 1,
  /** The same, if a new one is fetched meanwhile. */
  whileRevalidating: 2,
  /** The backend has to be asked first. */
  revalidate: 3,
} as const;
export type Use = (typeof Use)[keyof typeof Use];

export interface EntryParts {
  readonly status: number;
  readonly reason: string;
  readonly headers: HeaderList;
  readonly body: Buffer;
  readonly freshness: Freshness;
  /** The fields it varies by, and what they were. */
  readonly varyNames: readonly string[];
  readonly varyKey: string;
}

export class Entry {
  readonly status: number;
  readonly reason: string;
  /** Without those of one connection or one answer; with Date. */
  readonly headers: HeaderList;
  readonly body: Buffer;
  readonly freshness: Freshness;
  readonly varyNames: readonly string[];
  readonly varyKey: string;
  /** With its quotes, and `W/` where it is weak; or null. */
  readonly etag: string | null;
  readonly lastModified: string | null;

  constructor({ status, reason, headers, body, freshness, varyNames, varyKey }: EntryParts) {
    this.status = status;
    this.reason = reason;
    this.headers = headers;
    this.body = body;
    this.freshness = freshness;
    this.varyNames = varyNames;
    this.varyKey = varyKey;
    this.etag = headers.findOnly("etag");
    this.lastModified = headers.findOnly("last-modified");
  }

  get hasValidator(): boolean {
    return this.etag !== null || this.lastModified !== null;
  }

  ageMs(nowMs: number): number {
    return Math.max(0, nowMs - this.freshness.bornMs);
  }

  /** `asked` is null for a request that asks for nothing. */
  useFor(asked: RequestDirectives | null, nowMs: number): Use {
    const { lifetimeMs, mayBeStale, staleWhileRevalidateMs } = this.freshness;
    const ageMs = this.ageMs(nowMs);
    if (asked === null) {
      if (ageMs < lifetimeMs) return Use.fresh;
      return ageMs < lifetimeMs + staleWhileRevalidateMs ? Use.whileRevalidating : Use.revalidate;
    }
    if (asked.noCache || (asked.maxAgeMs !== null && ageMs > asked.maxAgeMs)) return Use.revalidate;
    if (ageMs < lifetimeMs) return ageMs + asked.minFreshMs < lifetimeMs ? Use.fresh : Use.revalidate;
    if (mayBeStale && ageMs < lifetimeMs + asked.maxStaleMs) return Use.stale;
    const isUsable = asked.minFreshMs === 0 && ageMs < lifetimeMs + staleWhileRevalidateMs;
    return isUsable ? Use.whileRevalidating : Use.revalidate;
  }

  /** Whether it may stand in for an answer that the backend did not give. */
  standsInAt(nowMs: number): boolean {
    const { lifetimeMs, staleIfErrorMs } = this.freshness;
    return staleIfErrorMs > 0 && this.ageMs(nowMs) < lifetimeMs + staleIfErrorMs;
  }
}

/** The fields of a response that are kept, in a list of their own that holds on to nothing else. */
export function keptHeaders({ headers }: Pick<ResponseHead, "headers">, wallMs: number): HeaderList {
  const kept = new HeaderList();
  copyFields(headers, kept, (name) => !OF_ONE_ANSWER.includes(name));
  if (kept.get(Field.date) === null) kept.add("Date", new Date(wallMs).toUTCString(), Field.date);
  return kept;
}

/** Those of an entry as a 304 leaves them (RFC 9111 section 3.2). */
export function freshenedHeaders(old: HeaderList, changes: HeaderList, wallMs: number): HeaderList {
  const changed = new Set<string>();
  const takes = (name: string) => !OF_ONE_ANSWER.includes(name) && !OF_THE_BODY.includes(name);
  for (let i = 0; i < changes.length; i++)
    if (isKept(changes.ids[i]!)) changed.add(changes.nameAt(i).toLowerCase());
  const kept = new HeaderList();
  copyFields(old, kept, (name) => name !== "date" && !(changed.has(name) && takes(name)));
  copyFields(changes, kept, takes);
  if (kept.get(Field.date) === null) kept.add("Date", new Date(wallMs).toUTCString(), Field.date);
  return kept;
}

function copyFields(from: HeaderList, to: HeaderList, takes: (lowerName: string) => boolean): void {
  for (let i = 0; i < from.length; i++) {
    const name = from.nameAt(i);
    if (isKept(from.ids[i]!) && takes(name.toLowerCase())) to.add(name, from.valueAt(i), from.ids[i]!);
  }
}

function isKept(id: number): boolean {
  return id === Field.other || (id > Field.lastHopByHop && id !== Field.trailer);
}
