// Conditional requests (RFC 9110 section 13): whether a GET or HEAD gets what it asks for, 304 or 412. Pure; data threads.

import { Field, type HeaderList } from "../../core/headers.ts";
import { parseHttpDate } from "./http-date.ts";

/** What tells one version of a file from another. */
export interface Validators {
  /** Strong, with its quotes. */
  readonly etag: string;
  /** Whole seconds in milliseconds, or negative where that says nothing. */
  readonly modifiedMs: number;
}

/** The status that a condition asks for, or null where the request is to be carried out. Section 13.2.2 has the order. */
export function failedCondition(headers: HeaderList, { etag, modifiedMs }: Validators): 304 | 412 | null {
  const ifMatch = headers.join(Field.ifMatch);
  if (ifMatch !== null) {
    if (!hasTag(ifMatch, etag, false)) return 412;
  } else {
    const since = dateOf(headers, Field.ifUnmodifiedSince);
    if (modifiedMs >= 0 && modifiedMs > since) return 412;
  }
  const ifNoneMatch = headers.join(Field.ifNoneMatch);
  if (ifNoneMatch !== null) return hasTag(ifNoneMatch, etag, true) ? 304 : null;
  const since = dateOf(headers, Field.ifModifiedSince);
  return modifiedMs >= 0 && modifiedMs <= since ? 304 : null;
}

/** A date is strong only if the file was not changed twice within its second: by now that second has to be over. */
const STRONG_AFTER_MS = 2000;

/** Whether a Range may be looked at: there is no If-Range, or it names this very version (section 13.1.5). */
export function rangeApplies(headers: HeaderList, { etag, modifiedMs }: Validators, wallMs: number): boolean {
  const ifRange = headers.join(Field.ifRange);
  if (ifRange === null) return true;
  if (ifRange.startsWith('"')) return ifRange === etag;
  return modifiedMs >= 0 && parseHttpDate(ifRange) === modifiedMs && wallMs - modifiedMs >= STRONG_AFTER_MS;
}

/** NaN, to which nothing compares, where the field is missing, is there twice or is no date. */
function dateOf(headers: HeaderList, field: number): number {
  const text = headers.join(field);
  return text === null ? Number.NaN : parseHttpDate(text);
}

/** RFC 9110 section 8.8.3. A comma may be part of a tag, so that the list cannot be split at commas. */
const TAG = /(W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g;

/** Whether the list has the tag. Weak tags only count in a weak comparison. */
function hasTag(list: string, etag: string, weak: boolean): boolean {
  if (list === "*") return true;
  for (const [, isWeak, tag] of list.matchAll(TAG)) {
    if (tag === etag && (weak || isWeak === undefined)) return true;
  }
  return false;
}
