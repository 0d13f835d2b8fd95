// Why an app's code cannot be served. Control thread.

import type { ReadFile } from "../../config/pem-files.ts";

export class CodeError extends Error {
  /** The files whose change may help, as they were. */
  readonly inputs: readonly ReadFile[];

  constructor(message: string, inputs: readonly ReadFile[]) {
    super(message);
    this.inputs = inputs;
  }

  /** Of several apps. */
  static of(errors: readonly unknown[]): CodeError {
    const messages = errors.map((error) => (error instanceof Error ? error.message : String(error)));
    return new CodeError(messages.join("\n"), errors.flatMap(inputsOf));
  }
}

export function inputsOf(error: unknown): readonly ReadFile[] {
  return error instanceof CodeError ? error.inputs : [];
}
