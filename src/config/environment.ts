// Puts environment variables into the values of a configuration: `${NAME}`, `${NAME:-default}`, `$${` for a literal
// `${`. Runs anywhere, on values that YAML has already parsed, so that a variable never changes the structure.

import { quote } from "./problem.ts";

/** Variables by name; `process.env` is one. */
export type Environment = Readonly<Record<string, string | undefined>>;

const PLACEHOLDER = /\$\$\{|\$\{([^}]*)(\})?/g;
const NAME_AND_DEFAULT = /^([A-Za-z_][A-Za-z0-9_]*)(?::-((?:(?!\$\{).)*))?$/s;

export interface Substitution {
  readonly text: string;
  /** Why a placeholder could not be replaced; empty when all were. */
  readonly problems: readonly string[];
}

/** As in a shell, the default also stands in for a variable that is set but empty. */
export function substitute(text: string, environment: Environment): Substitution {
  const problems: string[] = [];
  const replaced = text.replace(PLACEHOLDER, (placeholder: string, inner?: string, end?: string) => {
    if (placeholder === "$${") return "${";
    const match = end === undefined ? null : NAME_AND_DEFAULT.exec(inner ?? "");
    if (match === null) {
      problems.push(
        `cannot read ${quote(placeholder)}: expected \${NAME} or \${NAME:-default} ($\${ for a literal \${)`,
      );
      return "";
    }
    const [, name = "", fallback] = match;
    const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
    if (value !== undefined && (value !== "" || fallback === undefined)) return value;
    if (fallback !== undefined) return fallback;
    problems.push(
      `the environment variable ${name} is not set: set it, or give a default as in \${${name}:-default}`,
    );
    return "";
  });
  return { text: replaced, problems };
}
