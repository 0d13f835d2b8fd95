// Readings of single field values that requests and responses share.

import { equalsIgnoreCase, Field, type HeaderList } from "../../core/headers.ts";

/** Whether a comma-separated list has `lower` as a member, in any case. */
export function hasToken(list: string, lower: string): boolean {
  if (list.length === lower.length) return equalsIgnoreCase(list, lower);
  if (list.length < lower.length) return false;
  for (const member of list.split(",")) if (equalsIgnoreCase(member.trim(), lower)) return true;
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

/** Takes out the fields that Connection names: they were for this hop only (RFC 9110 section 7.6.1). */
export function removeNamedByConnection(headers: HeaderList, connection: string): void {
  for (const member of connection.split(",")) {
    const name = member.trim().toLowerCase();
    if (name !== "" && name !== "close" && name !== "keep-alive" && name !== "host")
      headers.removeNamed(name);
  }
  headers.remove(Field.connection);
}
