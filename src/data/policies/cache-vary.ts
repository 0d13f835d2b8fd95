// The second half of a key: what the fields are in a request that a response varies by (RFC 9111 section 4.1). Pure; data
// threads.

import type { HeaderList } from "../../core/headers.ts";

/** Lower-case names in order, each once; null where the response varies by more than fields (`*`). */
export function varyNames(headers: HeaderList): readonly string[] | null {
  const list = headers.joinNamed("vary");
  if (list === null) return NONE;
  const names = new Set(
    list
      .toLowerCase()
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== ""),
  );
  return names.has("*") ? null : [...names].sort();
}

const NONE: readonly string[] = [];

/** Two requests with the same key get the same response. Empty without names. */
export function varyKey(names: readonly string[], headers: HeaderList): string {
  let key = "";
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    const value = headers.joinNamed(name);
    // A field value has no line end in it.
    key += value === null ? `${name}\n` : `${name}:${normalized(name, value)}\n`;
  }
  return key;
}

/** What means the same is made the same: space around commas, and the order of codings without weights. */
function normalized(name: string, value: string): string {
  const members = value.split(",").map((member) => member.trim());
  if (name !== "accept-encoding" || value.includes(";")) return members.join(",");
  return members
    .map((member) => member.toLowerCase())
    .sort()
    .join(",");
}
