// Conditions of requests (RFC 9110 section 13): what clients have already, and what the cache asks a backend. Pure; data
// threads.

import { Field, type HeaderList } from "../../core/headers.ts";
import { parseHttpDate } from "../static/http-date.ts";
import type { Entry } from "./cache-entry.ts";

/** RFC 9110 section 8.8.3. A comma may be part of a tag. */
const TAG = /(?:W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g;

/** Whether the request has a condition, or wants a part. */
export function isConditional({ ids }: HeaderList): boolean {
  for (let i = 0; i < ids.length; i++) if (ids[i]! >= Field.ifMatch && ids[i]! <= Field.range) return true;
  return false;
}

/** Whether the client has this very response. Only of a 200: nothing else is looked at for conditions. */
export function isNotModified(headers: HeaderList, { status, etag, lastModified }: Entry): boolean {
  if (status !== 200) return false;
  const tags = headers.join(Field.ifNoneMatch);
  if (tags !== null) return tags === "*" || (etag !== null && hasTag(tags, etag));
  const since = headers.join(Field.ifModifiedSince);
  return since !== null && lastModified !== null && parseHttpDate(lastModified) <= parseHttpDate(since);
}

/** Whether the client wants the part even so: there is no If-Range, or it names this response by a strong tag. */
export function isPartWanted(headers: HeaderList, { etag }: Entry): boolean {
  const ifRange = headers.join(Field.ifRange);
  return ifRange === null || (ifRange.startsWith('"') && ifRange === etag);
}

/** The weak comparison. */
function hasTag(list: string, etag: string): boolean {
  const opaque = etag.startsWith("W/") ? etag.slice(2) : etag;
  for (const [, tag] of list.matchAll(TAG)) if (tag === opaque) return true;
  return false;
}

/** Asks for the whole response, or with an entry whether that still is it. */
export function setConditions(headers: HeaderList, entry: Entry | null): void {
  headers.remove(Field.ifNoneMatch);
  headers.remove(Field.ifModifiedSince);
  if (entry === null) return;
  if (entry.etag !== null) headers.add("If-None-Match", entry.etag);
  if (entry.lastModified !== null) headers.add("If-Modified-Since", entry.lastModified);
}

/** Whether a 304 is about that entry (RFC 9111 section 4.3.4): one that names another state is not. */
export function confirms(changes: HeaderList, { etag }: Entry): boolean {
  const named = changes.findOnly("etag");
  return named === null || etag === null || hasTag(named, etag);
}
