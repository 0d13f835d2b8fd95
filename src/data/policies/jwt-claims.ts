// What a token claims: finding a claim, comparing it, and writing it down. Runs in data threads.

import type { JwtSpec } from "../../config/snapshot.ts";

type Claims = Readonly<Record<string, unknown>>;

/** By its whole name, which may have dots, or else step by step: `realm_access.roles`. Undefined where there is none. */
export function claimAt(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  let value: unknown = claims;
  for (const step of name.split(".")) {
    if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, step))
      return undefined;
    value = (value as Claims)[step];
  }
  return value;
}

/** Text, numbers and truth values as they are; lists and objects as JSON. */
export function claimText(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Whether a claim is, or as a list has, one of the values. Of `scope` each word counts (RFC 8693 section 4.2). */
export function hasClaim(claims: Claims, { claim, values }: JwtSpec["required"][number]): boolean {
  const found = claimAt(claims, claim);
  if (found === undefined || found === null) return false;
  if (values === null) return true;
  const has: readonly unknown[] = Array.isArray(found)
    ? found
    : claim === "scope" && typeof found === "string"
      ? [found, ...found.split(" ")]
      : [found];
  return values.some((value) => has.includes(value));
}
