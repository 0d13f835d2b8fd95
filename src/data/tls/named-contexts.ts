// Chooses a certificate by the name that a client asks for (SNI). Runs in data threads.

import type { SecureContext } from "node:tls";

export class NamedContexts {
  /** By name, wildcards with their `*`. */
  readonly #byName = new Map<string, SecureContext>();
  readonly #first: SecureContext;

  /** `names[i]` are those of `contexts[i]`. Of two for one name the first is taken. */
  constructor(names: readonly (readonly string[])[], contexts: readonly SecureContext[]) {
    this.#first = contexts[0]!;
    for (const [i, context] of contexts.entries()) {
      for (const name of names[i]!) if (!this.#byName.has(name)) this.#byName.set(name, context);
    }
  }

  /** A name in full comes before a wildcard, which is for one label; the first certificate is for everybody else. */
  of(name: string): SecureContext {
    const lower = name.toLowerCase().replace(/\.$/, "");
    const wildcard = `*${lower.slice(Math.max(0, lower.indexOf(".")))}`;
    return this.#byName.get(lower) ?? this.#byName.get(wildcard) ?? this.#first;
  }
}
