// Readings of single field values that requests and responses share.

import { equalsIgnoreCase, Field, fieldId, type HeaderList } from "../../core/headers.ts";
import { HTAB, SP } from "./tables.ts";

/** Whether a comma-separated list has `lower` as a member, in any case. */
export function hasToken(list: string, lower: string): boolean {
  if (!list.includes(",")) return equalsIgnoreCase(list, lower);
  for (const member of list.split(",")) if (equalsIgnoreCase(withoutSpace(member), lower)) return true;
  return false;
}

/** Digits only, below 2^53 (RFC 9110 section 8.6); null for anything else. */
export function readContentLength(value: string): number | null {
  if (value.length === 0 || value.length > 16) return null;
  let length = 0;
  for (let i = 0; i < value.length; i++) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return null;
    length = length * 10 + digit;
  }
  return length <= Number.MAX_SAFE_INTEGER ? length : null;
}

/**
 * Takes out the fields that Connection names: they were for this hop only (RFC 9110 section 7.6.1). Host is for the
 * whole way, and the fields that are always of one hop stay readable: no writer copies them.
 */
export function removeNamedByConnection(headers: HeaderList, connection: string): void {
  headers.remove(Field.connection);
  if (equalsIgnoreCase(connection, "keep-alive") || equalsIgnoreCase(connection, "close")) return;
  for (const member of connection.split(",")) {
    const name = withoutSpace(member).toLowerCase();
    if (name === "" || name === "close") continue;
    const id = fieldId(name);
    if (id === Field.other || id > Field.host) headers.removeNamed(name);
  }
}

/** `String.trim` would also take bytes above ASCII. */
function withoutSpace(member: string): string {
  let start = 0;
  let end = member.length;
  while (start < end && isSpace(member.charCodeAt(start))) start++;
  while (end > start && isSpace(member.charCodeAt(end - 1))) end--;
  return member.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === SP || code === HTAB;
}
