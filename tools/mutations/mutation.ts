// A guard that `mutate.ts` breaks.

export interface Mutation {
  readonly name: string;
  readonly file: string;
  /** The text that is the guard. Stands in the file exactly once. */
  readonly find: string;
  /** What it becomes. */
  readonly replace: string;
  /** Test files or patterns that must notice. */
  readonly tests: readonly string[];
}
