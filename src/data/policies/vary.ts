// Says in a response by which field of the request it was chosen (RFC 9110 section 12.5.5). Runs in data threads.

import { equalsIgnoreCase, Field, type HeaderList } from "../../core/headers.ts";
import { hasToken } from "../http1/fields.ts";

export function addVary(headers: HeaderList, name: string): void {
  const lower = name.toLowerCase();
  for (let i = 0; i < headers.length; i++) {
    if (headers.ids[i] !== Field.other || !equalsIgnoreCase(headers.nameAt(i), "vary")) continue;
    const value = headers.valueAt(i);
    if (value === "*" || hasToken(value, lower)) return;
  }
  headers.add("Vary", name, Field.other);
}
