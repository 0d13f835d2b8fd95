// Where public keys for tokens come from: what is wrong with a JWK Set (RFC 7517), or with the address of one. Runs anywhere.

import { canonicalAddress } from "../../core/ip.ts";

/** Members that only a private or a secret key has. */
const PRIVATE = ["d", "k", "p", "q"];

/** What is wrong with the text of a JWK Set, or null. */
export function jwksFault(text: string): string | null {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch {
    return "expected JSON";
  }
  const keys = isObject(set) ? set["keys"] : undefined;
  if (!Array.isArray(keys)) return 'expected a JWK Set: an object with "keys"';
  if (keys.length === 0) return 'expected at least one key in "keys"';
  for (const [index, key] of keys.entries()) {
    if (!isObject(key) || typeof key["kty"] !== "string")
      return `expected an object with "kty" as keys[${index}]`;
    if (PRIVATE.some((name) => Object.hasOwn(key, name)))
      return `expected public keys only, and keys[${index}] is a private one or a secret`;
  }
  return null;
}

/** What is wrong with the address of a JWK Set, or null. */
export function jwksUrlFault(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:"))
    return 'expected an address such as "https://id.example.com/jwks.json"';
  if (url.username !== "" || url.password !== "") return "expected an address without a name and a password";
  if (url.protocol === "http:" && !isLoopback(url.hostname))
    return "expected https: over http, anybody on the way could put keys of their own in";
  return null;
}

function isLoopback(host: string): boolean {
  const address = canonicalAddress(host.replace(/^\[|\]$/g, ""));
  return host === "localhost" || address === "::1" || address?.startsWith("127.") === true;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
