// What is wrong with a configuration, at which place of the file. Runs anywhere.

export interface Problem {
  readonly file: string;
  /** From 1; 0 where the problem is the file as a whole. */
  readonly line: number;
  readonly column: number;
  /** The setting, as in `backends.default[0].port`; empty where there is none. */
  readonly path: string;
  readonly message: string;
}

/** Key of a mapping or index of a list. */
export type PathSegment = string | number;

/** One line: `sluice.yaml:12:7: server.port: cannot use "80a": expected …`, with the label after the place. */
export function formatProblem(problem: Problem, label = ""): string {
  const { file, line, column, path, message } = problem;
  const place = line === 0 ? file : `${file}:${line}:${column}`;
  return [place, label, path, message].filter((part) => part !== "").join(": ");
}

export function formatPath(segments: readonly PathSegment[]): string {
  let path = "";
  for (const segment of segments) {
    if (typeof segment === "number") path += `[${segment}]`;
    else if (!/^[\w-]+$/.test(segment)) path += `[${JSON.stringify(segment)}]`;
    else path += path === "" ? segment : `.${segment}`;
  }
  return path;
}

const LONGEST_QUOTE = 60;

/** A value as a message shows it: never longer than a line, never with line breaks or control characters of its own. */
export function quote(value: unknown): string {
  if (value === null || value === undefined) return "an empty value";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return Object.keys(value).length === 0 ? "an empty mapping" : "a mapping";
  if (typeof value !== "string") return String(value);
  return JSON.stringify(value.length > LONGEST_QUOTE ? `${value.slice(0, LONGEST_QUOTE)}…` : value);
}

export function byPlace(a: Problem, b: Problem): number {
  return a.line - b.line || a.column - b.column;
}
