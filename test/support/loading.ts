// Loads configurations in tests: what a text becomes, or what is said of it. Runs in the test process.

import assert from "node:assert/strict";
import { type LoadResult, loadConfigText } from "../../src/config/load.ts";
import { formatProblem } from "../../src/config/problem.ts";

type Loaded = Extract<LoadResult, { ok: true }>;
type Variables = Readonly<Record<string, string>>;

export function load(text: string, environment: Variables = {}): LoadResult {
  return loadConfigText(text, "x.yaml", environment);
}

/** Fails the test where the text has a problem. */
export function loaded(text: string, environment: Variables = {}): Loaded {
  const result = load(text, environment);
  assert.ok(result.ok, result.ok ? "" : result.problems.map((problem) => formatProblem(problem)).join("\n"));
  return result;
}

export function problemsOf(text: string, environment: Variables = {}): string[] {
  const result = load(text, environment);
  return result.ok ? [] : result.problems.map((problem) => formatProblem(problem));
}

export function warningsOf(text: string, environment: Variables = {}): string[] {
  return loaded(text, environment).warnings.map((warning) => formatProblem(warning));
}
