// Finds what a module imports by reading its text, without loading it. Runs in development only.

export interface ImportStatement {
  readonly specifier: string;
  /** Counts from 1; where the statement begins. */
  readonly line: number;
  /** `import type` and `export type`: gone when the module runs. */
  readonly typeOnly: boolean;
}

const COMMENT = /\/\/.*\n|\/\*[\s\S]*?\*\//.source;
const STRING = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[\s\S]|[^\\`])*`/.source;
const TYPE = /(?<type>\s+type\b(?!\s*,|\s+from\b))/.source;
const CLAUSE = `(?:[\\w$\\s{},*]|${COMMENT})*?`;
const SPECIFIER = /\s*["'](?<specifier>[^"'\n]+)["']/.source;
const DYNAMIC = /\s*\(\s*["'](?<dynamic>[^"'\n]+)["']/.source;

/**
 * Comments and strings come first, so that an import inside one is not taken for a statement. Literals of regular
 * expressions are not known: a quote in one may hide the rest of its line, a backtick what follows up to the next.
 */
const TOKEN = new RegExp(
  `${COMMENT}|${STRING}|(?<![\\w$.])(?:import|export)\\b(?:${TYPE}?(?:${CLAUSE}\\bfrom\\b)?${SPECIFIER}|${DYNAMIC})`,
  "g",
);

/** Static and dynamic imports and re-exports in the order of the text; an `import()` of a computed name is not seen. */
export function importStatements(source: string): ImportStatement[] {
  const found: ImportStatement[] = [];
  for (const match of source.matchAll(TOKEN)) {
    const { specifier, dynamic, type } = match.groups ?? {};
    const name = specifier ?? dynamic;
    if (name === undefined) continue;
    const line = source.slice(0, match.index).split("\n").length;
    found.push({ specifier: name, line, typeOnly: type !== undefined });
  }
  return found;
}
