// What of a request is hashed, as the file writes it: `client`, `path`, `header:<name>`, `cookie:<name>` or `query:<name>`.
// Runs anywhere.

import { TOKEN, textLike } from "./values.ts";

/** `name` of a field is in lower case. */
export type HashKey =
  | { readonly from: "client" | "path" }
  | { readonly from: "header" | "cookie" | "query"; readonly name: string };

/** Text that `hashKey` reads, or one of the words. */
export function hashKeyText(words: readonly string[]) {
  const expected = `expected ${words.join(", ")}, or "header:", "cookie:" or "query:" with a name`;
  const token = TOKEN.source.slice(1, -1);
  const pattern = new RegExp(`^(?:${words.join("|")}|(?:header|cookie|query):${token})$`);
  return textLike(pattern, expected).meta({ title: "key" });
}

/** The schema let nothing else through than `client`, `path` and `<from>:<name>`. */
export function hashKey(text: string): HashKey {
  const [from, name] = text.split(":");
  switch (from) {
    case "header":
      return { from, name: name!.toLowerCase() };
    case "cookie":
    case "query":
      return { from, name: name! };
    default:
      return { from: from as "client" | "path" };
  }
}
